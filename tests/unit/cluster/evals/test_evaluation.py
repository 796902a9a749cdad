"""Which candidates count with one voter poisoned."""

import pytest

from cluster.evals.budget import Budget
from cluster.evals.evaluation import Evaluation, Poisoning
from cluster.evals.report import SELF_CONSISTENCY
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
