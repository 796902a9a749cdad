"""Which candidates count, by which names, and with one voter poisoned."""

import pytest

from cluster.evals.budget import Budget, within
from cluster.evals.evaluation import Evaluation, Poisoning, yardsticks
from cluster.evals.report import SELF_CONSISTENCY, pools_of
from cluster.evals.scoring import Verdict, source_sha256
from tests.unit.cluster.evals.suite import ADD, TASKS, answers, fenced, recording

SUM, LEFT = fenced("def add(a, b):\n    return a + b"), fenced("def add(a, b):\n    return a")
RECORDINGS = [recording("m1", answers(ADD, "No.", "No.", SUM)), recording("m2", answers(ADD, LEFT))]


@pytest.mark.parametrize(("given", "right"), [(1, 0.0), (2, 1.0)])
def test_self_consistency_has_the_best_voters_own_answers_at_equal_budget(given: int, right: float) -> None:
    """As many as the others choose from, as without poison, though the budget takes fewer of them; and no more than that."""
    evaluation = Evaluation(TASKS, RECORDINGS, None)
    budget = Budget({"m1": 0.5, "m2": 0.5}, {}, {"m1": given, "m2": 1})
    passing = {source_sha256(job): SUM[10:-4] in job.code for job in evaluation.jobs()}
    verdicts = {digest: Verdict(digest, passed, "value") for digest, passed in passing.items()}
    honest = {row.name: row.pass_at_1 for row in evaluation.report(verdicts, budget, 0, {}).selections}
    poisoned = {row.name: row.pass_at_1 for row in Poisoning(evaluation, budget, verdicts, "m2", 0).rows("m1", 0, {})}
    assert poisoned[SELF_CONSISTENCY] == honest[SELF_CONSISTENCY]
    assert poisoned[SELF_CONSISTENCY].value == right
    assert list(poisoned) == list(honest)


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({"m1": 2, "m2": 1, "m3": 0}, "one greedy answer each"),
        ({"m1": 1, "m2": 0, "m3": 1}, "one sample each"),
        ({"m1": 1, "m2": 1, "m3": 0}, "one answer each (m2 greedy, m1 sample)"),
    ],
)
def test_a_majoritys_name_says_whose_answers_are_samples(budget: dict[str, int], said: str) -> None:
    """A voter gives its greedy answer last, and where it gives it that is its ballot."""
    pool = pools_of([ADD], [
        recording("m1", answers(ADD, LEFT)), recording("m1", answers(ADD, SUM, SUM)), recording("m2", answers(ADD, LEFT)),
        recording("m3", answers(ADD, SUM, LEFT)),
    ], 1)  # fmt: skip
    chosen = {task: within(budget, own) for task, own in pool.items()}
    assert f"bare majority of voters, {said}" in yardsticks(chosen)


def test_the_report_names_what_its_budget_takes() -> None:
    """A greedy answer that is recorded and not taken casts no ballot, and gives no name."""
    evaluation = Evaluation(TASKS, [RECORDINGS[0], recording("m1", answers(ADD, LEFT))], None)
    verdicts = {digest: Verdict(digest, False, "value") for digest in map(source_sha256, evaluation.jobs())}
    found = evaluation.report(verdicts, Budget({"m1": 0.5}, {}, {"m1": 1}), 0, {})
    assert "bare majority of voters, one sample each" in {row.name for row in found.selections}
