"""What a suite's recordings are worth: each voter, the ceiling, and every selector, on the same tasks. Pure.

Rules:
- Only tasks that every recording holds are looked at, so that all rows speak of the same tasks and differences are paired.
- Candidates of a task stand in a fixed order: greedy answers before samples, voters as their recordings are given.
- Selectors choose among the candidates that the budget takes; voters alone are told of with everything that is recorded.
- A selector is compared, task by task, with the best voter alone. Self-consistency of that voter is always among the
  selectors, with as many candidates as the others have or as are recorded; ``SelectionRow.candidates`` says how many.
- Every candidate has a verdict; one that has none is a fault of the caller's (``KeyError``).

Left out: how a selector comes to its ranking (``selection``, ``consensus``).
"""

from collections.abc import Mapping, Sequence

import msgspec

from cluster.evals.budget import Budget, within
from cluster.evals.poisoning import PoisonedRow
from cluster.evals.recording import Recording
from cluster.evals.scoring import Verdict, job_of, source_sha256
from cluster.evals.selection import Candidate, Ranking, Select, self_consistency
from cluster.evals.statistics import (
    CurvePoint,
    Estimate,
    Selective,
    bootstrap,
    coverage_at,
    coverage_error,
    oracle,
    paired_difference,
    pass_at_1,
    selective,
)
from cluster.evals.tasks import Task

SELF_CONSISTENCY = "self-consistency of the best voter"
MOST_ERROR = 0.05
"""Of served answers; the coverage that keeps it is reported."""

Pools = Mapping[str, tuple[Candidate, ...]]
"""Task id → its candidates, in order."""


class VoterRow(msgspec.Struct, frozen=True):
    """What one voter's answers are worth alone."""

    voter: str
    greedy: bool
    samples: int
    """For each task."""
    pass_at_1: Estimate
    """Mean over tasks of the share of samples that pass."""
    any_passes: Estimate
    """Share of tasks of which at least one sample passes."""


class SelectionRow(msgspec.Struct, frozen=True):
    """What a selector's first choice is worth."""

    name: str
    candidates: int
    """Most it chose from in a task."""
    pass_at_1: Estimate
    over_best_voter: Estimate
    """Difference to the best voter, task by task."""
    served: Selective
    """What comes of it if it abstains where it is not sure enough."""
    curve: tuple[CurvePoint, ...]
    """Error over coverage if only what it is surest of were served."""
    coverage_at_most_error: float
    """Largest coverage on that curve with an error of at most ``MOST_ERROR``."""
    chosen: dict[str, bool]
    """Task → whether its first choice passes."""


class Report(msgspec.Struct, frozen=True):
    """One suite's figures."""

    suite: str
    tasks: int
    lacking: dict[str, int]
    """Recording → how many it lacks of the tasks that some recording holds."""
    voters: tuple[VoterRow, ...]
    best_voter: str
    best_voter_greedy: bool
    oracle: Estimate
    """Share of tasks of which any candidate to choose from passes: the ceiling of every selection."""
    beta: float
    """1 − oracle."""
    candidates: int
    """Most that a task gives to choose from."""
    budget: Budget
    selections: tuple[SelectionRow, ...]
    poisoned: tuple[PoisonedRow, ...] = ()
    """The same selectors with one poisoned voter."""


def complete_tasks(tasks: Sequence[Task], recordings: Sequence[Recording]) -> tuple[Task, ...]:
    """Return the tasks that every recording holds, in the suite's order."""
    held = [{task.task_id for task in recording.tasks} for recording in recordings]
    return tuple(task for task in tasks if all(task.task_id in ids for ids in held))


def pools_of(tasks: Sequence[Task], recordings: Sequence[Recording], samples: int | None) -> Pools:
    """Return every task's candidates; of each recording the first ``samples``, or all of them."""
    ordered = sorted(recordings, key=lambda recording: not is_greedy(recording))
    answers = [{task.task_id: task.samples for task in recording.tasks} for recording in ordered]
    pools: dict[str, tuple[Candidate, ...]] = {}
    for task in tasks:
        found: list[Candidate] = []
        for recording, by_task in zip(ordered, answers, strict=True):
            head = recording.header
            for sample in by_task[task.task_id][:samples]:
                found.append(Candidate(len(found), head.voter, head.lineage, sample.content, is_greedy(recording)))
        pools[task.task_id] = tuple(found)
    return pools


def is_greedy(recording: Recording) -> bool:
    """Tell whether a recording's answers were drawn greedily."""
    return recording.header.sampling.temperature == 0


def report(
    tasks: Sequence[Task], recordings: Sequence[Recording], pools: Pools, budget: Budget,
    verdicts: Mapping[str, Verdict], selectors: Mapping[str, Select], seed: int,
) -> Report:  # fmt: skip
    """Return the figures of ``tasks``, all of which every recording holds; raises ``ValueError`` without a task."""
    passes = {task.task_id: _passes(task, pools[task.task_id], verdicts) for task in tasks}
    choices = {task: within(budget.candidates, pool) for task, pool in pools.items()}
    ceiling = oracle([[passes[task][one.id] for one in pool] for task, pool in choices.items()], seed)
    voters = tuple(_voter_rows(pools, passes, seed))
    best = max(voters, key=lambda row: row.pass_at_1.value)
    alone = [_share(hits) for hits in _own_hits(pools, passes, best.voter, greedy=best.greedy)]
    most = max(map(len, choices.values()))
    rows = []
    for name, select, given in (
        *((name, select, choices) for name, select in selectors.items()),
        (SELF_CONSISTENCY, self_consistency(best.voter, most), pools),
    ):
        rankings = {task.task_id: select(task, given[task.task_id]) for task in tasks}
        rows.append(_selection_row(name, rankings, passes, alone, seed))
    return Report(
        suite=recordings[0].header.suite, tasks=len(tasks), lacking=_lacking(recordings), voters=voters,
        best_voter=best.voter, best_voter_greedy=best.greedy, oracle=ceiling, beta=1 - ceiling.value, candidates=most,
        budget=budget, selections=tuple(rows),
    )  # fmt: skip


_Passes = Mapping[str, Mapping[int, bool]]
"""Task id → candidate id → whether it passes."""


def _passes(task: Task, pool: Sequence[Candidate], verdicts: Mapping[str, Verdict]) -> dict[int, bool]:
    return {one.id: verdicts[source_sha256(job_of(task, one.content))].passed for one in pool}


def _voter_rows(pools: Pools, passes: _Passes, seed: int) -> list[VoterRow]:
    rows = []
    for voter, greedy in dict.fromkeys((one.voter, one.greedy) for pool in pools.values() for one in pool):
        hits = _own_hits(pools, passes, voter, greedy=greedy)
        rows.append(VoterRow(voter, greedy, max(map(len, hits)), pass_at_1(hits, seed), oracle(hits, seed)))
    return rows


def _own_hits(pools: Pools, passes: _Passes, voter: str, *, greedy: bool) -> list[list[bool]]:
    """Return for every task which of a voter's answers of one kind pass."""
    return [
        [passes[task][one.id] for one in pool if one.voter == voter and one.greedy == greedy]
        for task, pool in pools.items()
    ]


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits)


def _selection_row(
    name: str, rankings: Mapping[str, Ranking], passes: _Passes, alone: Sequence[float], seed: int
) -> SelectionRow:
    chosen = {task: passes[task][ranking.ids[0]] for task, ranking in rankings.items()}
    values = [float(hit) for hit in chosen.values()]
    served = [chosen[task] if ranking.served else None for task, ranking in rankings.items()]
    curve = coverage_error([ranking.confidence for ranking in rankings.values()], list(chosen.values()))
    return SelectionRow(
        name, max(len(ranking.ids) for ranking in rankings.values()), bootstrap(values, seed),
        paired_difference(values, alone, seed), selective(served), curve, coverage_at(curve, MOST_ERROR), chosen,
    )  # fmt: skip


def _lacking(recordings: Sequence[Recording]) -> dict[str, int]:
    held = {task.task_id for recording in recordings for task in recording.tasks}
    return {
        f"{recording.header.voter} {'greedy' if is_greedy(recording) else 'samples'}": missing
        for recording in recordings
        if (missing := len(held) - len(recording.tasks))
    }
