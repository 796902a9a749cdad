"""Ensembles with attackers, decided by the gateway's own deliberation in the sandbox.

Rules: the same candidates are compared once, whoever hands them in and however often; without a proven sandbox nothing is
decided.
"""

from collections.abc import Callable, Mapping, Sequence

from actors.base.errors import NotReady
from actors.consensus.adapters.clock import SystemClock
from actors.consensus.adapters.screener import build_screener
from actors.consensus.behaviour.adapters.service import BehaviourComparer
from actors.consensus.behaviour.compare import Asked, Comparison, NotCompared
from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.choosing import choose_served
from actors.consensus.ports import CodeScreener, Comparer
from actors.consensus.sandbox.config import SandboxConfig
from actors.consensus.screening.config import ScreeningConfig
from cluster.evals.arena import proven
from cluster.evals.attacks.poison import Attack
from cluster.evals.consensus import deliberate
from cluster.evals.ensembles import Decided, Member, Panel, Setup, decided, draw_panel
from cluster.evals.selection import Candidate
from cluster.evals.tasks import Task

MAX_REMEMBERED = 100_000
"""Comparisons kept; each is some kilobytes."""


class Remembering:
    """A comparer that runs the same sources with the same seed once."""

    def __init__(self, comparer: Comparer) -> None:
        self._comparer = comparer
        self._known: dict[tuple[Asked, tuple[str, ...], int], Comparison] = {}

    def why_not(self) -> str:
        """Return why nothing may run now; empty if it may."""
        return self._comparer.why_not()

    async def compare(
        self, asked: Asked, candidates: Mapping[int, str], seed: int, deadline_s: float
    ) -> Comparison | NotCompared:
        """Compare candidates, or return what the same ones did before; neither their order nor their numbers matter."""
        ids = sorted(candidates, key=lambda each: (candidates[each], each))
        key = (asked, tuple(candidates[each] for each in ids), seed)
        if (found := self._known.get(key)) is None:
            made = await self._comparer.compare(asked, dict(enumerate(key[1])), seed, deadline_s)
            if isinstance(made, NotCompared):
                return made
            found = made
            if len(self._known) < MAX_REMEMBERED:
                self._known[key] = found
        return _renumbered(found, ids)


def _renumbered(found: Comparison, ids: Sequence[int]) -> Comparison:
    """Return a comparison with its candidates' numbers put in place of their places."""
    return Comparison(
        groups={ids[place]: group for place, group in found.groups.items()},
        vector_sha256={ids[place]: digest for place, digest in found.vector_sha256.items()},
        faults={ids[place]: fault for place, fault in found.faults.items()},
        examples_total=found.examples_total,
        examples_passed={ids[place]: passed for place, passed in found.examples_passed.items()},
        gate_failed=frozenset(ids[place] for place in found.gate_failed),
        nondeterministic=frozenset(ids[place] for place in found.nondeterministic),
        calls=found.calls, rounds=found.rounds, complete=found.complete,
    )  # fmt: skip


async def besiege(
    tasks: Sequence[Task], members: Mapping[str, Sequence[Member]], setups: Sequence[Setup], attacks: Sequence[Attack],
    draws: int, seed: int, told: Callable[[int, int], None],
) -> dict[str, list[Decided]]:  # fmt: skip
    """Decide ``draws`` times on every task in every ensemble: ensemble → decisions. Raises ``NotReady`` where nothing may run."""
    screener = build_screener(SystemClock(), ScreeningConfig())
    found: dict[str, list[Decided]] = {setup.name: [] for setup in setups}
    try:
        async with proven(SandboxConfig()) as sandbox:
            for place, task in enumerate(tasks):
                comparer = Remembering(BehaviourComparer(sandbox, BehaviourConfig()))
                for setup in setups:
                    for number in range(draws):
                        panel = draw_panel(task, members[task.task_id], setup, attacks, place, number, seed)
                        if reason := comparer.why_not():
                            raise NotReady(f"nothing can be compared: {reason}")
                        found[setup.name].append(await decide(task, panel, screener, comparer))
                told(place + 1, len(tasks))
    finally:
        screener.close()
    return found


async def decide(task: Task, panel: Panel, screener: CodeScreener, comparer: Comparer) -> Decided:
    """Decide with everybody, and with the honest members alone."""
    served = await _served(task, panel.candidates, screener, comparer, panel.salt)
    alone = await _served(task, panel.honest, screener, comparer, panel.salt)
    return decided(task, panel, served, alone=alone is not None)


async def _served(
    task: Task, candidates: Sequence[Candidate], screener: CodeScreener, comparer: Comparer, salt: str
) -> int | None:
    """Return the place of the candidate that ``strict`` serves."""
    state = await deliberate(task, candidates, "strict", screener, comparer, salt)
    ballot = choose_served(state, salt)
    return None if ballot is None else ballot.ask_id
