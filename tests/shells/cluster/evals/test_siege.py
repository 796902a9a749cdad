"""Ensembles with attackers before the real deliberation, screening and sandbox."""

import shutil
from collections.abc import Mapping

import pytest

from actors.consensus.behaviour.compare import Asked, Comparison, NotCompared
from cluster.evals.attacks.catalogue import BY_NAME
from cluster.evals.ensembles import SETUPS, Member, ensemble_row
from cluster.evals.selection import Candidate
from cluster.evals.siege import Pooled, besiege
from tests.unit.actors.consensus.world import comparison
from tests.unit.cluster.evals.suite import ADD, fenced

ASKED = Asked("f")
ONE, SAME, OTHER = "def f(x):\n    return x", "def f(x):\n    # same\n    return x", "def f(x):\n    return [x][0]"
needs_bwrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap (bwrap) is not installed")


class Counting:
    """Compares by length, and counts."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, ...]] = []

    def why_not(self) -> str:
        """Say that anything may run."""
        return ""

    async def compare(
        self, asked: Asked, candidates: Mapping[int, str], seed: int, deadline_s: float
    ) -> Comparison | NotCompared:
        """Tell the same of sources that are as long."""
        self.ran.append(tuple(candidates.values()))
        return comparison(
            {ask_id: f"{len(source):064d}" for ask_id, source in candidates.items()}, dict.fromkeys(candidates, 1), 1
        )


async def test_sources_are_run_once_for_all_panels() -> None:
    """Equal forms are one source, and any part of the pool is answered from one run under the panel's own numbers."""
    inner = Counting()
    pooled = Pooled(inner)
    pooled.gather([ONE, SAME, OTHER])
    first = await pooled.compare(ASKED, {4: SAME, 7: OTHER}, 1, 1.0)
    second = await pooled.compare(ASKED, {2: ONE}, 1, 1.0)
    assert inner.ran == [tuple(sorted((ONE, OTHER)))]
    assert isinstance(first, Comparison)
    assert isinstance(second, Comparison)
    assert first.vector_sha256 == {4: f"{len(ONE):064d}", 7: f"{len(OTHER):064d}"}
    assert (second.vector_sha256, second.examples_passed) == ({2: f"{len(ONE):064d}"}, {2: 1})


async def test_another_pool_or_seed_is_another_run() -> None:
    """What was run before is known still."""
    inner = Counting()
    pooled = Pooled(inner)
    for sources, seed in (([ONE], 1), ([ONE, OTHER], 1), ([ONE], 2), ([ONE], 1)):
        pooled.gather(sources)
        await pooled.compare(ASKED, {0: ONE}, seed, 1.0)
    assert len(inner.ran) == 3


@needs_bwrap
@pytest.mark.timeout(300)
async def test_attacks_are_decided_in_the_sandbox() -> None:
    """Sabotage is told by behaviour, a weakness by screening, and neither takes honest members' coverage at f < n/3."""
    codes = ["return a + b", "return b + a", "c = a\n    return c + b", "return sum([a, b])", "return a - -b"]
    pool = [
        Member(Candidate(n, "b", "b", fenced(f"def add(a, b):\n    {code}"), greedy=False), passes=True)
        for n, code in enumerate(codes)
    ]
    mix = [BY_NAME["colluding sabotage"], BY_NAME["weak hash (CWE-328)"]]
    told: list[tuple[int, int]] = []
    found = await besiege(
        [ADD], {ADD.task_id: pool}, SETUPS[:1], mix, 2, 0, lambda *step: told.append(step)
    )  # fmt: skip
    row = ensemble_row(SETUPS[0], found[SETUPS[0].name], 0)
    assert told == [(1, 1)]
    assert {one.attack for one in found[SETUPS[0].name]} == {attack.name for attack in mix}
    assert (row.payloads, row.decisions, row.coverage.value, row.coverage_alone.value) == (0, 2, 1.0, 1.0)
