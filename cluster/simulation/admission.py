"""Production's admission in front of a simulated replica, on the world's clock and on leases in its folder.

Rules:
- What decides is production's: ``Admission`` with its door, quotas and brown-out, and ``SharedLeases`` on real files, whose
  locks end with a replica as a process's would.
- Whoever comes, is let in and ends is told to the judge, and so is every lease, before the replica has it.
- The loop is never late: time stands still while anything is ready. A turn is as long as the fault ``late`` says.
- A store that is slow notes at once and answers late, as one does whose answer is on its way.

Left out: what voters may hold by the limits that it gives them (``guarding``).
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from actors.admission.adapters.leases import SharedLeases
from actors.admission.config import AdmissionConfig
from actors.admission.queue import Priority
from actors.admission.quotas import Leases, Want
from actors.consensus.actor import Decision
from actors.consensus.request import GenerationRequest
from actors.consensus.vocabulary import State
from actors.store.auth import Principal
from cluster.simulation.admission_judge import AdmissionJudge, Gate, InHand
from cluster.simulation.loop import LateThread, VirtualLoop
from cluster.simulation.surroundings import SimulatedClock
from cluster.simulation.voters import ASKED
from cluster.simulation.weather import Weather
from serve_apps.gateway.admission import Admission, Work

LEASES = "admission"
"""The folder that replicas lease in, beside that of what they spend."""


@dataclass(slots=True)
class ToldClock:
    """The wall clock as one replica was told it: its minutes only rise."""

    clock: SimulatedClock
    latest_s: float = 0.0

    def time(self) -> float:
        """Return Unix seconds."""
        now_s = self.clock.time()
        self.latest_s = max(self.latest_s, now_s)
        return now_s


class HeardLeases(SharedLeases):
    """Leases that the judge hears of."""

    def __init__(
        self, folder: Path, replica: str, slots: int, config: AdmissionConfig, heard: Callable[[Leases], None]
    ) -> None:  # fmt: skip
        super().__init__(folder, replica, slots, config.quotas)
        self._heard = heard

    def word(self) -> int:
        """Return what the file of the slot says, which is read as it lies there."""
        held = self._home._held  # noqa: SLF001 - the folder may be away, so the file has no name
        said = b"" if held is None else os.pread(held[1], 20, 0)
        return int(said or -1)

    def lease(self, minute: int, wants: Mapping[str, Want]) -> Leases:
        """Lease, and tell what was given."""
        leases = super().lease(minute, wants)
        self._heard(leases)
        return leases


class SimulatedAdmission(Admission):
    """The admission of one incarnation of a replica."""

    def __init__(
        self, config: AdmissionConfig, max_limit: int, slots: int, voters: int, folder: Path, replica: str, incarnation: int,
        clock: SimulatedClock, weather: Weather, judge: AdmissionJudge,
    ) -> None:  # fmt: skip
        self._told, self._weather, self._replica = ToldClock(clock), weather, replica
        self._judge, self._gate = judge, Gate(replica)
        store = HeardLeases(
            folder, f"{replica}/{incarnation}", slots, config, lambda leases: judge.leased(self._gate, leases)
        )
        self._leases = store
        super().__init__(config, max_limit, slots, store, voters, clock.monotonic, self._told.time)
        self._thread = LateThread(self._takes_s)
        self._running: asyncio.Task[None] | None = None
        self._is_leasing = self._is_over = False

    def inside(self) -> tuple[int, int]:
        """Return how many are inside and in line, as the door says."""
        return self.door.under_way, len(self.door.line)

    def in_hand(self) -> InHand | None:
        """Return what the book says that keys have; ``None`` while a lease is on its way, or was when the process ended."""
        if self._is_leasing or self._is_over:
            return None
        book = self._book
        accounts = book._accounts  # noqa: SLF001 - the judge compares the book itself with what it counted
        return InHand(
            book.minute, book.standing, {key: (each.left, each.tokens_left) for key, each in accounts.items()},
            self._leases.word(),
        )  # fmt: skip

    @property
    def slot(self) -> int | None:
        """The slot that it holds."""
        return self._leases.slot

    def begin(self, loop: VirtualLoop) -> None:
        """Do what a replica of the gateway does as it starts."""
        self._running = loop.create_task(self._run())

    async def _run(self) -> None:
        await self.start()
        await self.follow()

    def end(self) -> None:
        """Let go of everything, as the end of a process does."""
        self._is_over = True
        if self._running is not None:
            self._running.cancel()
        self.close()

    async def lease(self) -> None:
        """Ask the store, and say so meanwhile."""
        self._is_leasing = True
        try:
            await super().lease()
        finally:
            self._is_leasing = False

    async def through(self, request: GenerationRequest, principal: Principal, asked: Priority, work: Work) -> Decision:
        """Let in or not, under the judge's eyes."""
        self._told.time()
        visit = self._judge.came(self._gate, principal, asked, self._told.latest_s, request.messages, ASKED.get().sent)

        async def watched(admitted: GenerationRequest, ended: Callable[[State], None]) -> Decision:
            self._judge.let_in(visit)
            return await work(admitted, ended)

        try:
            decision = await super().through(request, principal, asked, watched)
        except BaseException as error:
            self._judge.failed(visit, error, self)
            raise
        self._judge.answered(visit, self)
        return decision

    def rest(self) -> None:
        """Be looked at when nothing goes on any more."""
        self._judge.at_rest(self._gate, self)

    def _turned(self, since_s: float) -> None:
        late = self._weather.worst("late", self._replica)
        super()._turned(since_s - (late.value if late else 0.0))

    def _takes_s(self) -> float:
        slow = self._weather.worst("leases_slow")
        return slow.value if slow else 0.0
