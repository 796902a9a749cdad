"""From files of recordings and verdicts to a report: what ``weavergen eval`` does between its options and its print.

Recordings are read as they lie; which tasks and candidates count is decided in ``report``.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from actors.base.canonical import MICRO
from actors.base.errors import ConfigurationError
from actors.consensus.sandbox.protocol import Job
from actors.learning.counts import VoterSums
from actors.policy.snapshot import PolicyName
from cluster.evals.attacks.catalogue import ATTACKS
from cluster.evals.budget import Budget, allocate, one_ballot_each, weights_from, within
from cluster.evals.poisoning import PoisonedRow, poison, poisoned_row
from cluster.evals.recording import Recording, read_recording
from cluster.evals.report import SELF_CONSISTENCY, Pools, Report, complete_tasks, pools_of, report
from cluster.evals.scoring import Verdict, job_of, source_sha256
from cluster.evals.selection import (
    Candidate,
    Ranking,
    Select,
    first_candidate,
    first_of_each,
    majority_of_candidates,
    majority_of_voters,
    self_consistency,
)
from cluster.evals.tasks import DATASET_SHA256, PROMPT_VERSION, Task, question_sha256

MAX_FILE_BYTES = 32 << 20


class Evaluation:
    """The tasks and candidates that count."""

    def __init__(
        self, tasks: Sequence[Task], recordings: Sequence[Recording], samples: int | None, most: int | None = None
    ) -> None:
        """Take the tasks that every recording holds, the first ``most`` of them, and ``samples`` of each recording.

        Raises ``ConfigurationError`` where recordings are of another suite or wording, or share no task.
        """
        for recording in recordings:
            check_recording(recording, tasks)
        self.tasks = complete_tasks(tasks, recordings)[:most]
        if not recordings or not self.tasks:
            raise ConfigurationError(
                "there is no task that every recording holds; name fewer recordings with --answers"
            )
        self.recordings = recordings
        self.pools: Pools = pools_of(self.tasks, recordings, samples)
        self.lineages = {recording.header.voter: recording.header.lineage for recording in recordings}

    def jobs(self) -> list[Job]:
        """Return the run of every candidate."""
        return [job_of(task, candidate.content) for task in self.tasks for candidate in self.pools[task.task_id]]

    def single_ballots(self) -> Pools:
        """Return every task's candidates as a deployment would ask for them: one a voter."""
        return {task: tuple(one_ballot_each(pool)) for task, pool in self.pools.items()}

    def budget(self, sums: Mapping[str, VoterSums], total: int | None) -> Budget:
        """Divide ``total`` candidates a task, or all that are recorded, by the weights that ``sums`` teach."""
        weights = weights_from(self.lineages, sums)
        recorded = {
            voter: min(sum(one.voter == voter for one in pool) for pool in self.pools.values())
            for voter in self.lineages
        }
        given = allocate(weights, recorded, sum(recorded.values()) if total is None else total)
        decisions = {voter: sums[voter].n if voter in sums else 0 for voter in weights}
        return Budget({voter: weight / MICRO for voter, weight in weights.items()}, decisions, given)

    def choices(self, budget: Budget) -> Pools:
        """Return the candidates of every task that the budget takes."""
        return {task: within(budget.candidates, pool) for task, pool in self.pools.items()}

    def report(
        self, verdicts: Mapping[str, Verdict], budget: Budget, seed: int,
        by_consensus: Mapping[PolicyName, Mapping[str, Ranking]],
    ) -> Report:  # fmt: skip
        """Return the figures; there is a verdict for each of ``jobs``, and a ranking of each task under each policy named."""
        selectors = _selectors(self.choices(budget), by_consensus)
        return report(self.tasks, self.recordings, self.pools, budget, verdicts, selectors, seed)


class Poisoning:
    """The same tasks with one voter poisoned."""

    def __init__(
        self, evaluation: Evaluation, budget: Budget, verdicts: Mapping[str, Verdict], voter: str, seed: int
    ) -> None:
        self._tasks = evaluation.tasks
        self._verdicts = verdicts
        self._voter = voter
        self._recorded = evaluation.pools
        choices = evaluation.choices(budget)
        self._poisoned = {
            task.task_id: poison(task, place, choices[task.task_id], voter, ATTACKS, self._passes, seed)
            for place, task in enumerate(evaluation.tasks)
        }
        self.pools: Pools = {task_id: one.pool for task_id, one in self._poisoned.items()}

    def rows(
        self, best: str, seed: int, by_consensus: Mapping[PolicyName, Mapping[str, Ranking]]
    ) -> tuple[PoisonedRow, ...]:
        """Return every selector's figures; ``by_consensus`` are rankings of ``pools``."""
        selectors = _selectors(self.pools, by_consensus)
        alone = self_consistency(best, max(map(len, self.pools.values())))
        return (
            *(self._row(name, select, self.pools, seed) for name, select in selectors.items()),
            self._row(SELF_CONSISTENCY, alone, self._recorded, seed),
        )

    def _row(self, name: str, select: Select, given: Pools, seed: int) -> PoisonedRow:
        rankings = {task.task_id: select(task, given[task.task_id]) for task in self._tasks}
        return poisoned_row(
            name, self._voter, self._tasks, self._poisoned, self._recorded, rankings, self._passes, seed
        )

    def _passes(self, task: Task, one: Candidate) -> bool:
        return self._verdicts[source_sha256(job_of(task, one.content))].passed


def yardsticks(pools: Pools) -> dict[str, Select]:
    """Return the selectors that run no code, by names that say what they choose from in these pools."""
    return {
        "first candidate": first_candidate,
        f"bare majority of voters, {_one_each(pools)}": majority_of_voters,
        "bare majority of candidates": majority_of_candidates,
    }


def _one_each(pools: Pools) -> str:
    """Say whether the one answer of each voter is a greedy one or a sample, which the budget decides."""
    kinds = {one.voter: "greedy" if one.greedy else "sample" for pool in pools.values() for one in first_of_each(pool)}
    if len(set(kinds.values())) == 1:
        return f"one {'greedy answer' if 'greedy' in kinds.values() else 'sample'} each"
    return f"one answer each ({', '.join(f'{voter} {kind}' for voter, kind in kinds.items())})"


def _selectors(pools: Pools, by_consensus: Mapping[PolicyName, Mapping[str, Ranking]]) -> dict[str, Select]:
    consensus = {f"consensus, {policy}": _looked_up(found) for policy, found in by_consensus.items()}
    return yardsticks(pools) | consensus


def _looked_up(found: Mapping[str, Ranking]) -> Select:
    return lambda task, _: found[task.task_id]


def load_recordings(paths: Iterable[Path], voters: Collection[str]) -> list[Recording]:
    """Read recordings, of ``voters`` alone unless there are none named; raises ``ConfigurationError``.

    One that is given twice is refused: its samples would count twice.
    """
    by_path = [(path, read_recording(read_bounded(path), str(path))) for path in paths]
    _refuse_repeated(by_path)
    found = [recording for _, recording in by_path]
    known = {recording.header.voter for recording in found}
    if unknown := sorted(set(voters) - known):
        raise ConfigurationError(f"no recording of {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
    return [recording for recording in found if not voters or recording.header.voter in voters]


def _refuse_repeated(found: Sequence[tuple[Path, Recording]]) -> None:
    """Refuse recordings of one header: the same draw, whichever of them is packed, a copy or further on, would count twice."""
    for (first, earlier), (path, recording) in combinations(found, 2):
        if recording.header == earlier.header:
            raise ConfigurationError(
                f"{path} is the recording of {recording.header.voter} that {first} holds, and its answers would count twice;"
                " name one of them with --answers"
            )


def read_bounded(path: Path) -> bytes:
    """Read a file; raises ``ConfigurationError`` where it is larger than any recording."""
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ConfigurationError(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB; that is no recording")
    return path.read_bytes()


def check_recording(recording: Recording, tasks: Sequence[Task]) -> None:
    """Raise ``ConfigurationError`` unless a recording answers these tasks, in this wording."""
    head = recording.header
    if (head.dataset_sha256, head.prompt_version) != (DATASET_SHA256, PROMPT_VERSION):
        raise ConfigurationError(f"the recording of {head.voter} is of other tasks or another wording; record it anew")
    asked = {task.task_id: question_sha256(task) for task in tasks}
    if wrong := [task.task_id for task in recording.tasks if asked.get(task.task_id) != task.prompt_sha256]:
        raise ConfigurationError(
            f"the recording of {head.voter} answers another question than {wrong[0]}'s; record it anew"
        )
