import pytest

from cluster.evals.budget import Budget
from cluster.evals.report import SELF_CONSISTENCY, complete_tasks, pools_of, report
from cluster.evals.scoring import Verdict, job_of, source_sha256
from cluster.evals.selection import first_candidate, majority_of_candidates
from cluster.evals.tasks import Task
from tests.unit.cluster.evals.suite import ADD, NEGATE, TASKS, answers, fenced, recording

SUM, LEFT = fenced("def add(a, b):\n    return a + b"), fenced("def add(a, b):\n    return a")
SUM_TOO = fenced("def add(x, y):\n    # sum\n    return x + y")
MINUS, PLUS = fenced("def negate(a):\n    return -a"), fenced("def negate(a):\n    return a")
RIGHT = {SUM, SUM_TOO, MINUS}

GREEDY = recording("m1", answers(ADD, LEFT), answers(NEGATE, MINUS))
SAMPLES = recording("m1", answers(ADD, SUM, SUM, LEFT), answers(NEGATE, PLUS, PLUS, MINUS))
OTHER = recording("m2", answers(NEGATE, PLUS), answers(ADD, LEFT))
ALL = [SAMPLES, GREEDY, OTHER]
BUDGET = Budget({"m1": 0.5, "m2": 0.5, "m3": 0.5}, {}, {"m1": 4, "m2": 1, "m3": 1})


def verdict(task: Task, content: str) -> Verdict:
    """Judge an answer of this file."""
    return Verdict(source_sha256(job_of(task, content)), content in RIGHT, "value")


VERDICTS = {
    found.source_sha256: found
    for task, contents in ((ADD, (SUM, LEFT)), (NEGATE, (MINUS, PLUS)))
    for found in (verdict(task, content) for content in contents)
}


def test_candidates_stand_greedy_first_and_voters_as_given() -> None:
    """A task's candidates are numbered in one order, whatever order their recordings were finished in."""
    pool = pools_of(TASKS, ALL, None)[ADD.task_id]
    assert [(one.voter, one.greedy, one.content) for one in pool] == [
        ("m1", True, LEFT), ("m2", True, LEFT), ("m1", False, SUM), ("m1", False, SUM), ("m1", False, LEFT),
    ]  # fmt: skip
    assert [one.id for one in pool] == [0, 1, 2, 3, 4]


def test_fewer_samples_can_be_looked_at() -> None:
    """A budget of samples takes the first of them and leaves greedy answers."""
    assert [one.content for one in pools_of(TASKS, ALL, 1)[ADD.task_id]] == [LEFT, LEFT, SUM]


def test_only_tasks_of_every_recording_count() -> None:
    """A recording that is not whole takes its missing tasks out for all, and the report says so."""
    partial = recording("m3", answers(ADD, SUM))
    tasks = complete_tasks(TASKS, [*ALL, partial])
    assert tasks == (ADD,)
    found = report(tasks, [*ALL, partial], pools_of(tasks, [*ALL, partial], None), BUDGET, VERDICTS, {}, seed=1)
    assert found.tasks == 1
    assert found.lacking == {"m3 greedy": 1}


def test_voters_ceiling_and_selectors_are_told() -> None:
    """Known answers: m1 greedy 1/2, its samples 1/2, m2 0; the oracle 1, the majority 0."""
    selectors = {"first": first_candidate, "majority": majority_of_candidates}
    found = report(TASKS, ALL, pools_of(TASKS, ALL, None), BUDGET, VERDICTS, selectors, seed=1)
    assert [(row.voter, row.greedy, row.pass_at_1.value) for row in found.voters] == [
        ("m1", True, 0.5), ("m2", True, 0.0), ("m1", False, 0.5),
    ]  # fmt: skip
    assert (found.best_voter, found.best_voter_greedy) == ("m1", True)
    assert (found.oracle.value, found.beta, found.candidates) == (1.0, 0.0, 5)
    rows = {row.name: row for row in found.selections}
    assert rows["first"].chosen == {ADD.task_id: False, NEGATE.task_id: True}
    assert rows["majority"].chosen == {ADD.task_id: False, NEGATE.task_id: False}
    assert rows[SELF_CONSISTENCY].chosen == {ADD.task_id: True, NEGATE.task_id: False}
    assert rows[SELF_CONSISTENCY].candidates == 4
    assert rows[SELF_CONSISTENCY].over_best_voter.value == 0.0
    assert rows["majority"].over_best_voter.value == -0.5


def test_a_selectors_confidence_makes_its_curve() -> None:
    """Served from the surest down: m1's majority has 3 of 5 and is wrong, both times."""
    found = report(
        TASKS, ALL, pools_of(TASKS, ALL, None), BUDGET, VERDICTS, {"majority": majority_of_candidates}, seed=1
    )
    row = found.selections[0]
    assert [(point.coverage, point.error) for point in row.curve] == [(1.0, 1.0)]
    assert row.coverage_at_most_error == 0.0
    assert (row.served.coverage, row.served.pass_at_1, row.served.error) == (1.0, 0.0, 1.0)


def test_abstaining_is_told() -> None:
    """Self-consistency has two of four on both tasks, no majority, and serves neither."""
    found = report(TASKS, ALL, pools_of(TASKS, ALL, None), BUDGET, VERDICTS, {}, seed=1)
    row = found.selections[0]
    assert row.name == SELF_CONSISTENCY
    assert (row.served.coverage, row.served.pass_at_1, row.served.error) == (0.0, 0.0, None)


def test_a_candidate_without_a_verdict_is_no_failure() -> None:
    """Nothing is scored as wrong because nobody ran it."""
    with pytest.raises(KeyError):
        report(TASKS, ALL, pools_of(TASKS, ALL, None), BUDGET, {}, {}, seed=1)


def test_selectors_choose_within_the_budget() -> None:
    """One candidate a voter: the first sample of m1 and the answer of m2 are all there is to choose from."""
    budget = Budget({"m1": 0.5, "m2": 0.5}, {}, {"m1": 1, "m2": 1})
    found = report(TASKS, ALL, pools_of(TASKS, ALL, None), budget, VERDICTS, {"first": first_candidate}, seed=1)
    assert (found.candidates, found.oracle.value) == (2, 0.5)
    assert [(row.name, row.candidates) for row in found.selections] == [("first", 2), (SELF_CONSISTENCY, 2)]
    assert [row.samples for row in found.voters] == [1, 1, 3]
