"""A simulated site from one moment to the next: replicas, weather, policy, requests, and a judge who looks on.

Rules:
- Everything that happens hangs on the loop's virtual time; the same settings, seed, faults and requests give the same outcomes.
- A request goes to the replica that the number of the request names, or to the next that lives; what a killed one was doing
  is lost to its client.
- Every outcome is handed to the judge before the client has it.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from actors.admission.adapters.kept_answers import KeptAnswers
from actors.base.errors import (
    GenerationHalted,
    IntegrityError,
    InvalidRequest,
    NoConsensus,
    Overloaded,
    RateLimited,
    ScreenedOut,
    WeaverGenError,
)
from actors.consensus.actor import Decision
from actors.consensus.request import GenerationRequest
from actors.consensus.weights import read_weights
from actors.policy.snapshot import PolicyName, PolicySnapshot
from actors.policy.transitions import halted, isolated, readmitted, resumed, successor
from actors.store.adapters.database import Database
from actors.store.auth import Principal
from cluster.simulation.admission import LEASES
from cluster.simulation.draws import Draws
from cluster.simulation.invariants import Judge
from cluster.simulation.loop import TICK_S, VirtualLoop
from cluster.simulation.questions import ASKABLE, BARE, WORDS
from cluster.simulation.replays import STATE, state_of, table_of
from cluster.simulation.replica import Replica
from cluster.simulation.settings import SiteSettings
from cluster.simulation.stacks import LOCAL, Baseline
from cluster.simulation.surroundings import Government, SimulatedClock
from cluster.simulation.voters import ASKED, Asked, SimulatedVoter
from cluster.simulation.weather import GONE, Fault, Weather
from models.voter import Message, Sampling
from serve_apps.gateway.idempotency import Replayed

Result = Literal["answered", "undecided", "halted", "overloaded", "limited", "unavailable", "lost", "cancelled"]
KEYS = ("key", "limited", "metered", "batches")
"""Ids of callers' keys, by tier: 0 is not limited."""
CALLERS = {
    key: Principal(key, "tenant", "client", frozenset({"strict", "evidence", "direct"}), tier) for tier, key in enumerate(KEYS)
}  # fmt: skip
BURST_MS, TRAFFIC_MS = 3000, 60_000
"""Deadlines of those who come in a burst, and in steady traffic."""
CALM_S, SOONEST_CALM_S = 4.0, 12.0
"""How long after the last deadline replicas go on looking who may come in, and after the last request at least."""
MOST_OF_A_BURST = 1000
"""Requests of bursts are numbered from the burst's beginning in milliseconds times this."""
NO_REPLICA = "no_replica"
"""What an outcome says where nothing listened."""
SETTLE_S = 1300.0
"""How long after the last of everything a world is looked at for what it leaked: longer than any call, retry or cool-down."""


class Arrival(msgspec.Struct, frozen=True, order=True):
    """A client's request."""

    at_s: float
    number: int
    question: int
    policy: PolicyName = "strict"
    deadline_ms: int = 60_000
    prompt_tokens: int = 100
    answer_tokens: int = 50
    leaves_after_s: float = 0.0
    """When the client hangs up; 0 if it waits."""
    key: str = KEYS[0]
    idempotency: str = ""
    """The client's ``Idempotency-Key``."""

    def __str__(self) -> str:
        leaves = f", hangs up after {self.leaves_after_s:g} s" if self.leaves_after_s else ""
        key = "" if self.key == KEYS[0] else f", key {self.key}"
        under = f", Idempotency-Key {self.idempotency}" if self.idempotency else ""
        what = f"{self.policy}, question {self.question}{key}{under}{leaves}"
        return f"{self.at_s:9.3f} s  client: request {self.number} ({what})"


class Outcome(msgspec.Struct, frozen=True):
    """How a request ended."""

    arrival: Arrival
    result: Result
    took_s: float
    code: str = ""
    layer: str = ""
    is_right: bool = False
    weather: tuple[str, ...] = ()
    """What was under way when it began or ended."""


class World:
    """One site and its clients."""

    def __init__(
        self, settings: SiteSettings, seed: object, spend: Path | None = None, baselines: Sequence[Baseline] = ()
    ) -> None:  # fmt: skip
        self.settings = settings
        self.baselines = baselines
        self.loop = VirtualLoop()  # type: ignore[abstract]  # what is left out raises
        self.draws = Draws(seed)
        self.weather = Weather()
        self.clock = SimulatedClock(self.loop, settings.begins_s)
        self.government = Government(settings.first_policy(), self.loop)
        self.judge = Judge(settings, self.government, self.clock)
        self.outcomes: list[Outcome] = []
        self.others: dict[str, list[Outcome]] = {baseline.name: [] for baseline in baselines}
        """Outcomes of the baselines."""
        self._table = self._kept(settings, spend)
        self._weights = read_weights(settings.weights)
        self._spend = spend
        self._incarnations = 0
        self._is_calm = False
        self.voters = {
            one.info.id: SimulatedVoter(one, self.weather, self.clock.time, self.judge.billed)
            for one in settings.characters
        }
        self.replicas: list[Replica] = []
        for number in range(settings.replicas):
            self._start(number)
        self.loop.at_each_step = lambda: self.judge.step(self.replicas)
        self._under_way: dict[asyncio.Task[None], Replica] = {}

    def play(self, faults: Sequence[Fault], arrivals: Sequence[Arrival], until_s: float) -> None:
        """Let it all happen, and look at the end for what was leaked."""
        for fault in faults:
            self.loop.call_at(fault.at_s, self.strike, fault)
        for arrival in arrivals:
            self.loop.call_at(arrival.at_s, self.begin, arrival)
        deadlines_ms = [arrival.deadline_ms for arrival in arrivals] if self.settings.admission is not None else []
        deadlines_ms += [TRAFFIC_MS for fault in faults if fault.kind == "traffic"]
        self.loop.call_at(until_s + max(SOONEST_CALM_S, max(deadlines_ms, default=0) / 1000 + CALM_S), self._calm)
        with _quiet():
            self.loop.run(until_s + SETTLE_S)
        if self._database is not None:
            self._database.close()
        self.judge.at_rest(self.replicas, len(self._under_way), self._noted())

    def _kept(self, settings: SiteSettings, spend: Path | None) -> KeptAnswers | None:
        """Make the table of kept answers, where a site has one."""
        self._database: Database | None = None
        if settings.idempotency is None or spend is None:
            return None
        self._database = state_of(spend.with_name(STATE))
        return table_of(self._database, settings.idempotency)

    def _noted(self) -> bytes | None:
        """Return the note of what replicas leased, as it lies there."""
        note = None if self._spend is None else self._spend / "spend.json"
        return note.read_bytes() if note is not None and note.is_file() else None

    def strike(self, fault: Fault) -> None:
        """Let a fault begin, and end in time."""
        if self.judge.admission is not None and fault.kind in ("clock_jump", "killed", "leases_away", "leases_slow"):
            self.judge.admission.disturbed()
        match fault.kind:
            case "killed":
                self._begin(fault)
                self._kill(int(fault.target), fault.lasts_s)
            case "machine_off" | "node_gone":
                self._begin(fault)
                for number in range(self.settings.replicas):
                    self._kill(number, fault.lasts_s)
            case "clock_jump":
                self.clock.jumped_s += fault.value
            case "halt" | "isolate" | "invalidate":
                self._govern(fault)
            case "spend_away" | "leases_away":
                self._lose(fault)
            case "burst" | "traffic":
                self._load(fault)
            case "policy_away":
                self._begin(fault)
                self.judge.policy.source(away=True)
            case _:
                self._begin(fault)

    def _load(self, fault: Fault) -> None:
        """Let a key's requests come one after the other; what they ask follows from when that begins."""
        deadline_ms = BURST_MS if fault.kind == "burst" else TRAFFIC_MS
        first, count = round(fault.at_s * 1000) * MOST_OF_A_BURST, round(fault.value)
        for number in range(first, first + count):
            question = len(ASKABLE) - 1 - self.draws.below(len(BARE) + len(WORDS), "burst", number)
            at_s = fault.at_s + fault.lasts_s * (number - first) / count
            arrival = Arrival(at_s, number, question, "evidence", deadline_ms, answer_tokens=10, key=fault.target)
            self.loop.call_at(at_s, self.begin, arrival)

    def _calm(self) -> None:
        """Let replicas look no more who may come in: nobody comes."""
        self._is_calm = True
        for replica in self.replicas:
            if replica.admission is not None and not replica.is_dead:
                replica.admission.rest()
                replica.admission.end()

    def _begin(self, fault: Fault) -> None:
        self.weather.begin(fault)
        self.judge.content.began(fault)
        self.loop.call_later(fault.lasts_s, self._over, fault)

    def _over(self, fault: Fault) -> None:
        self.weather.end(fault)
        self.judge.content.ended(fault)
        if fault.kind == "policy_away" and self.weather.worst("policy_away") is None:
            self.judge.policy.source(away=False)

    def begin(self, arrival: Arrival) -> None:
        """Let a client ask, and the clients of the baselines beside him."""
        for baseline in self.baselines:
            self.loop.create_task(self._ask_baseline(baseline, arrival))
        living = [one for one in self.replicas if not one.is_dead]
        if not living:
            self._end(arrival, "unavailable", 0.0, NO_REPLICA)
            return
        replica = living[arrival.number % len(living)]
        task = self.loop.create_task(self._ask(replica, arrival))
        self._under_way[task] = replica
        task.add_done_callback(self._done)
        if arrival.leaves_after_s:
            self.loop.call_later(arrival.leaves_after_s, task.cancel)

    def _done(self, task: "asyncio.Task[None]") -> None:
        del self._under_way[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    def _asked(self, arrival: Arrival) -> Asked:
        draws = self.draws.sub("request", arrival.number)
        asked = Asked(arrival.number, arrival.question, arrival.prompt_tokens, arrival.answer_tokens, draws)
        asked.began_s = self.loop.now_s
        return asked

    async def _ask_baseline(self, baseline: Baseline, arrival: Arrival) -> None:
        began_s = self.loop.now_s
        before = self.weather.names
        ASKED.set(self._asked(arrival))
        came = await baseline.ask(self.voters, ASKABLE[arrival.question].text)
        took_s, during = self.loop.now_s - began_s, tuple(sorted({*before, *self.weather.names}))
        self.others[baseline.name].append(
            Outcome(arrival, "answered" if came else "unavailable", took_s, weather=during)
        )

    async def _ask(self, replica: Replica, arrival: Arrival) -> None:
        began_s, before = self.loop.now_s, self.weather.names
        asked = self._asked(arrival)
        ASKED.set(asked)
        request = GenerationRequest(
            model="consensus", messages=(Message("user", ASKABLE[arrival.question].text),),
            sampling=Sampling(max_tokens=self.settings.consensus.default_max_tokens), deadline_ms=arrival.deadline_ms,
            policy=arrival.policy,
        )  # fmt: skip
        try:
            decision = await self._served(replica, request, arrival, asked)
        except asyncio.CancelledError:
            self._end(arrival, "lost" if replica.is_dead else "cancelled", self.loop.now_s - began_s, before=before)
            raise
        except WeaverGenError as error:
            took_s = self.loop.now_s - began_s
            self.judge.refused(replica, arrival.deadline_ms, took_s, error)
            self._end(arrival, _result(error), took_s, error.code, before=before)
            return
        took_s = self.loop.now_s - began_s
        if isinstance(decision, Replayed):
            self.judge.replayed(replica, arrival.deadline_ms, took_s, decision)
        else:
            self.judge.delivered(replica, arrival.deadline_ms, took_s, decision)
        record = decision.committed.record
        if arrival.idempotency:
            self.judge.replay.delivered((arrival.key, arrival.idempotency), record.id)
        right = decision.candidate.content in ASKABLE[arrival.question].right
        self._end(arrival, "answered", took_s, layer=record.layer.name, is_right=right, before=before)

    async def _served(
        self, replica: Replica, request: GenerationRequest, arrival: Arrival, asked: Asked
    ) -> Decision | Replayed:
        try:
            return await replica.serve(request, CALLERS[arrival.key], arrival.idempotency)
        finally:
            self.judge.asked(asked.tries)

    def _end(
        self, arrival: Arrival, result: Result, took_s: float, code: str = "", *, layer: str = "", is_right: bool = False,
        before: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        during = tuple(sorted({*before, *self.weather.names}))
        self.outcomes.append(Outcome(arrival, result, took_s, code, layer, is_right, during))

    def _start(self, number: int) -> None:
        gone_s = max((one.ends_s for one in self.weather.of(LOCAL) if one.kind in GONE), default=0.0)
        if gone_s > self.loop.now_s + TICK_S:
            self.loop.call_at(gone_s, self._start, number)
            return
        self._incarnations += 1
        replica = Replica(
            number, self._incarnations, self.settings, self.voters, self._weights, self.government, self.weather, self.clock,
            self._spend, self.judge,
        )  # fmt: skip
        if self._table is not None and self.settings.idempotency is not None:
            replica.keep_answers(self._table, self.settings.idempotency, self.weather, self.judge.breach)
        if replica.admission is not None and not self._is_calm:
            replica.admission.begin(self.loop)
        self.judge.started(replica)
        self.replicas = [one for one in self.replicas if one.number != number] + [replica]
        self.replicas.sort(key=lambda one: one.number)

    def _kill(self, number: int, restart_s: float) -> None:
        replica = next(one for one in self.replicas if one.number == number)
        if replica.is_dead:
            return
        replica.kill()
        for task in [task for task, owner in self._under_way.items() if owner is replica]:
            task.cancel()
        self.loop.call_later(restart_s, self._start, number)

    def _govern(self, fault: Fault) -> None:
        """Halt or isolate, and take it back when the fault is over."""

        def halting(policy: PolicySnapshot, now_ms: int) -> PolicySnapshot:
            return halted(policy, "simulated", "detector", now_ms)

        def isolating(policy: PolicySnapshot, now_ms: int) -> PolicySnapshot:
            return isolated(policy, fault.target, now_ms)

        def resuming(policy: PolicySnapshot, now_ms: int) -> PolicySnapshot:
            return resumed(policy, "simulated", "operator", now_ms)

        def readmitting(policy: PolicySnapshot, now_ms: int) -> PolicySnapshot:
            return readmitted(policy, fault.target, now_ms)

        def invalidating(policy: PolicySnapshot, now_ms: int) -> PolicySnapshot:
            epochs = policy.invalidation_epochs
            risen = {**epochs.voter, fault.target: epochs.voter.get(fault.target, 0) + 1}
            return successor(policy, now_ms, invalidation_epochs=msgspec.structs.replace(epochs, voter=risen))

        if fault.kind == "invalidate":
            self._publish(invalidating)
            return
        halts = fault.kind == "halt"
        if self._publish(halting if halts else isolating, by_operator=False):
            self.loop.call_later(fault.lasts_s, self._publish, resuming if halts else readmitting)

    def _publish(self, change: Callable[[PolicySnapshot, int], PolicySnapshot], *, by_operator: bool = True) -> bool:
        """Put a transition in force; false if somebody was faster."""
        try:
            snapshot = change(self.government.current, self.clock.time_ns() // 1_000_000)
        except InvalidRequest:
            return False
        self.government.publish(snapshot, by_operator=by_operator)
        return True

    def _lose(self, fault: Fault) -> None:
        """Let what replicas share be away: a file lies where its folder was."""
        if self._spend is None:
            return
        folder = self._spend if fault.kind == "spend_away" else self._spend.with_name(LEASES)
        if not folder.is_dir():
            return
        aside = folder.with_suffix(".aside")
        folder.rename(aside)
        folder.touch()
        self.loop.call_later(fault.lasts_s, _bring_back, aside, folder)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let nothing be logged of what goes wrong on purpose."""
    log = logging.getLogger("weavergen")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)


def _bring_back(aside: Path, folder: Path) -> None:
    folder.unlink()
    aside.rename(folder)


def _result(error: WeaverGenError) -> Result:
    if isinstance(error, GenerationHalted):
        return "halted"
    if isinstance(error, NoConsensus | ScreenedOut):
        return "undecided"
    if isinstance(error, IntegrityError):
        raise error
    if isinstance(error, RateLimited):
        return "limited"
    return "overloaded" if isinstance(error, Overloaded) else "unavailable"
