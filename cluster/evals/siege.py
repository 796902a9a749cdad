"""Ensembles with attackers, decided by the gateway's own deliberation in the sandbox.

Rules: the same candidates are compared once, whoever hands them in and however often; without a proven sandbox nothing is
decided.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from actors.base.errors import NotReady
from actors.consensus.adapters.clock import SystemClock
from actors.consensus.adapters.screener import build_screener
from actors.consensus.behaviour.adapters.service import BehaviourComparer
from actors.consensus.behaviour.compare import Asked, Comparison, NotCompared
from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.choosing import choose_served
from actors.consensus.ports import CodeScreener, Comparer
from actors.consensus.reading.code import code_of, look_for_code, normal_code
from actors.consensus.reading.context import context_of, in_context
from actors.consensus.reading.examples import entry_point_of
from actors.consensus.sandbox.config import SandboxConfig
from actors.consensus.screening.config import ScreeningConfig
from cluster.evals.arena import proven
from cluster.evals.attacks.poison import Attack
from cluster.evals.consensus import deliberate
from cluster.evals.ensembles import Decided, Member, Panel, Setup, attack_of, decided, draw_panel
from cluster.evals.selection import Candidate
from cluster.evals.tasks import Task, question_of

WORKERS = 2
"""Warm parents of the sandbox: an evaluation has the machine for itself."""
_T = TypeVar("_T")


class Pooled:
    """A comparer that runs what may be compared of one task together, once, and answers for any part of it.

    Sources of one normal form do the same, so one of them is run for all. Calls are drawn from the whole pool, as they
    would be from a panel.
    """

    def __init__(self, comparer: Comparer) -> None:
        self._comparer = comparer
        self._pool: tuple[str, ...] = ()
        self._first: dict[str, str] = {}
        self._known: dict[tuple[Asked, tuple[str, ...], int], Comparison] = {}

    def why_not(self) -> str:
        """Return why nothing may run now; empty if it may."""
        return self._comparer.why_not()

    def gather(self, sources: Iterable[str]) -> None:
        """Take other sources as the pool; what was run before is still known."""
        self._pool = tuple(map(self._same, sources))

    async def compare(
        self, asked: Asked, candidates: Mapping[int, str], seed: int, deadline_s: float
    ) -> Comparison | NotCompared:
        """Compare candidates, or return what they did before."""
        same = {ask_id: self._same(source) for ask_id, source in candidates.items()}
        sources = tuple(sorted({*self._pool, *same.values()}))
        found = self._known.get((asked, sources, seed))
        if found is None:
            made = await self._comparer.compare(asked, dict(enumerate(sources)), seed, deadline_s)
            if isinstance(made, NotCompared):
                return made
            found = self._known[asked, sources, seed] = made
        return _part(found, {ask_id: sources.index(source) for ask_id, source in same.items()})

    def _same(self, source: str) -> str:
        """Return the first source of the same normal form."""
        try:
            form = normal_code(look_for_code(source, "python")) or source
        except (ValueError, RecursionError):  # it parses, but holds what cannot be written down
            form = source
        return self._first.setdefault(form, source)


def _part(found: Comparison, places: Mapping[int, int]) -> Comparison:
    """Return what a comparison says of some of its candidates, under other numbers."""

    def of(values: Mapping[int, _T]) -> dict[int, _T]:
        return {ask_id: values[place] for ask_id, place in places.items() if place in values}

    def among(members: Collection[int]) -> frozenset[int]:
        return frozenset(ask_id for ask_id, place in places.items() if place in members)

    return replace(
        found, groups=of(found.groups), vector_sha256=of(found.vector_sha256), faults=of(found.faults),
        examples_passed=of(found.examples_passed), gate_failed=among(found.gate_failed),
        nondeterministic=among(found.nondeterministic),
    )  # fmt: skip


async def besiege(
    tasks: Sequence[Task], members: Mapping[str, Sequence[Member]], setups: Sequence[Setup], attacks: Sequence[Attack],
    draws: int, seed: int, told: Callable[[int, int], None],
) -> dict[str, list[Decided]]:  # fmt: skip
    """Decide ``draws`` times on every task in every ensemble: ensemble → decisions. Raises ``NotReady`` where nothing may run."""
    screener = build_screener(SystemClock(), ScreeningConfig())
    found: dict[str, list[Decided]] = {setup.name: [] for setup in setups}
    try:
        async with proven(SandboxConfig(workers=WORKERS)) as sandbox:
            for place, task in enumerate(tasks):
                comparer = Pooled(BehaviourComparer(sandbox, BehaviourConfig()))
                for number in range(draws):
                    if reason := comparer.why_not():
                        raise NotReady(f"nothing can be compared: {reason}")
                    attack = attack_of(attacks, place, number)
                    panels = [draw_panel(task, members[task.task_id], setup, attack, number, seed) for setup in setups]
                    comparer.gather(await _sources(task, panels, screener))
                    for setup, panel in zip(setups, panels, strict=True):
                        found[setup.name].append(await decide(task, panel, screener, comparer))
                told(place + 1, len(tasks))
    finally:
        screener.close()
    return found


async def _sources(task: Task, panels: Iterable[Panel], screener: CodeScreener) -> list[str]:
    """Return what may be run of all panels' answers, as it is run."""
    question = question_of(task)
    context = context_of(question, entry_point_of(question))
    codes = dict.fromkeys(_code(one.content) for panel in panels for one in panel.candidates)
    return [
        in_context(context, code)
        for code in codes
        if code and (await screener.screen(code, "python")).verdict != "reject"
    ]


def _code(content: str) -> str:
    try:
        return code_of(content, "python")
    except (ValueError, RecursionError):  # no ballot is cast with it
        return ""


async def decide(task: Task, panel: Panel, screener: CodeScreener, comparer: Comparer) -> Decided:
    """Decide with everybody, and with the honest members alone."""
    served = await _served(task, panel.candidates, screener, comparer, panel.salt)
    alone = await _served(task, panel.honest, screener, comparer, panel.salt)
    return decided(task, panel, served, alone=alone is not None)


async def _served(
    task: Task, candidates: Sequence[Candidate], screener: CodeScreener, comparer: Comparer, salt: str
) -> int | None:
    """Return the place of the candidate that ``strict`` serves."""
    state = await deliberate(task, candidates, "strict", {}, screener, comparer, salt)
    ballot = choose_served(state, salt)
    return None if ballot is None else ballot.ask_id
