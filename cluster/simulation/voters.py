"""Voters that answer by drawing: what they say, how long they take, and how they fail in the weather that is.

Rules:
- Every draw follows from the request, the voter and the number of the try, so two voters differ and a rerun does not.
- Some of what is hard is hard for all: with probability ``SHARED_DIFFICULTY`` voters draw from one number of the request, and
  those that are wrong give the same wrong answer ``SAME_ERROR`` of the time (arXiv 2506.07962: about 60 %).
- A fault that begins during a call strikes it at its end.
- The first token takes its share of what the whole answer takes: who is slow is slow from the first on.
- What a call costs is what it was billed by the provider's own count, kept apart from what our ledger believes.

Left out: engines and protocols; those are tested by themselves. A voter's own queue: what slows it is the weather, not how many
ask.
"""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from cluster.simulation.draws import Draws
from cluster.simulation.questions import ASKABLE, Says
from cluster.simulation.weather import GONE, Weather
from models.errors import VoterBusy, VoterError, VoterFailed, VoterTimeout
from models.providers.answer import Usage
from models.providers.cloud import Bill
from models.providers.prices import Price, cost_micro
from models.voter import Candidate, VoterInfo, VoterRequest

SHARED_DIFFICULTY = 0.5
SAME_ERROR = 0.6
REFUSED_S = 0.2
"""How long an error takes to come."""


Sent = dict[tuple[str, str], tuple[int, int] | None]
"""(the panel's request, voter) → tokens of the prompt and of the answer as the voter counts them, ``None`` without an answer."""


@dataclass(slots=True)
class Asked:
    """The request that a task works for."""

    number: int
    question: int
    prompt_tokens: int
    answer_tokens: int
    draws: Draws
    tries: dict[str, int] = field(default_factory=dict)
    began_s: float = 0.0
    sent: Sent = field(default_factory=dict)
    """Asks that reached a voter."""

    def another(self, what: str) -> int:
        """Return how often something was already drawn for this request."""
        before = self.tries.get(what, 0)
        self.tries[what] = before + 1
        return before

    def random_bytes(self, size: int) -> bytes:
        """Return bytes as an operating system would."""
        return self.draws.bytes(size, "os", self.another("os"))


ASKED: ContextVar[Asked] = ContextVar("asked")
"""Whose work the running task does; tasks inherit it."""


@dataclass(frozen=True, slots=True)
class Character:
    """What a voter is like in fair weather."""

    info: VoterInfo
    provider: str
    """Who runs it: what strikes the provider strikes it."""
    accuracy: float
    """Share of questions it answers rightly."""
    first_token_s: float
    per_token_s: float
    price: Price | None = None
    timeout_s: float = 120.0


class SimulatedVoter:
    """One voter. ``billed`` hears when each call began and what it cost by the provider's own count."""

    def __init__(
        self, character: Character, weather: Weather, wall_s: Callable[[], float], billed: Callable[[float, int], None]
    ) -> None:
        self.character = character
        self._weather = weather
        self._wall_s = wall_s
        self._billed = billed
        self.slow_until_s = 0.0
        """When the last answer ends that a slow spell holds up, by the loop's time."""

    @property
    def info(self) -> VoterInfo:
        """Who this is."""
        return self.character.info

    async def ask(self, request: VoterRequest) -> Candidate:
        """Answer, or fail."""
        return await self.ask_billed(request, Bill())

    async def ask_billed(self, request: VoterRequest, bill: Bill) -> Candidate:
        """Answer, or fail; the bill says what it may have cost."""
        asked, me, began_s = ASKED.get(), self.character, self._wall_s()
        key = ("ask", me.info.id, asked.another(me.info.id))
        bill.asked = True
        asked.sent.setdefault((request.request_id, me.info.id), None)
        try:
            await self._strike(asked, key, begins=True)
            first_s, rest_s = self._takes_s(asked, key)
            await asyncio.sleep(first_s + rest_s)
            await self._strike(asked, key, begins=False)
        finally:
            used = Usage(
                input_tokens=asked.prompt_tokens, output_tokens=min(asked.answer_tokens, request.sampling.max_tokens)
            )
            if me.price is not None:
                self._billed(began_s, cost_micro(me.price, used) or 0)
        bill.usage = used
        asked.sent[request.request_id, me.info.id] = asked.prompt_tokens, used.output_tokens or 0
        text = ASKABLE[asked.question].answer(*self._says(asked, key))
        return Candidate(text, "stop", asked.prompt_tokens, used.output_tokens or 0, round(first_s * 1000))

    async def _strike(self, asked: Asked, key: tuple[object, ...], *, begins: bool) -> None:
        """Fail as the weather has it; ``begins`` is whether the call is about to begin or to end."""
        name, provider = self.character.info.id, self.character.provider
        for fault in self._weather.of(name, provider):
            if fault.kind == "hung" and begins:
                await asyncio.sleep(self.character.timeout_s)
                raise VoterTimeout(name, "no answer in time")
            failure = self._failure(fault.kind, name, fault.value)
            if failure is None or (fault.kind == "failing" and asked.draws.unit(*key, "fails") >= fault.value):
                continue
            await asyncio.sleep(REFUSED_S if begins else 0.0)
            raise failure

    def _failure(self, kind: str, name: str, value: float) -> VoterError | None:
        if kind == "busy":
            return VoterBusy(name, "no room", value or None)
        return VoterFailed(name, "503") if kind in ("down", "failing", "hung", *GONE) else None

    def _takes_s(self, asked: Asked, key: tuple[object, ...]) -> tuple[float, float]:
        """Return how long the first token takes, and the others."""
        me = self.character
        slow = self._weather.worst("slow", me.info.id, me.provider)
        by = asked.draws.lognormal(1.0, 0.35, *key, "takes") * (slow.value if slow else 1.0)
        first_s, rest_s = me.first_token_s * by, me.per_token_s * asked.answer_tokens * by
        if slow is not None:
            self.slow_until_s = max(self.slow_until_s, asyncio.get_running_loop().time() + first_s + rest_s)
        return first_s, rest_s

    def _says(self, asked: Asked, key: tuple[object, ...]) -> tuple[Says, int]:
        name, draws = self.character.info.id, asked.draws
        kinds = {fault.kind for fault in self._weather.of(name)}
        if "poisoned" in kinds:
            return "poisoned", draws.below(2, *key, "poison")
        shared = draws.unit("ask", name, "shared") < SHARED_DIFFICULTY
        hard = draws.unit("difficulty") if shared else draws.unit("ask", name, "difficulty")
        if hard < self.character.accuracy and "wrong" not in kinds:
            return "right", draws.below(2, *key, "variant")
        return "wrong", 0 if draws.unit(*key, "error") < SAME_ERROR else 1 + draws.below(2, *key, "which")
