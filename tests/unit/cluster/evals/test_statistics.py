from itertools import pairwise

import pytest

from cluster.evals.statistics import (
    CurvePoint,
    bootstrap,
    clopper_pearson,
    coverage_at,
    coverage_error,
    oracle,
    paired_difference,
    pass_at_1,
    rate,
    ratio,
    selective,
    share_of_tasks,
)


def test_pass_at_1_is_the_mean_over_tasks_of_the_share_that_passes() -> None:
    """Tasks weigh the same, however many samples each has."""
    found = pass_at_1([[True, False], [True], [False, False, False, False]], seed=1)
    assert found.value == pytest.approx(0.5)
    assert found.tasks == 3


def test_the_oracle_needs_one_candidate() -> None:
    """A task counts if any of its candidates passes."""
    assert oracle([[False, True], [False, False], [True], [False]], seed=1).value == 0.5


def test_an_interval_is_that_of_the_normal_approximation_for_many_tasks() -> None:
    """For a share of one half over 400 tasks the bootstrap gives ± 1.96 · 0.5 / √400, within a percentage point."""
    found = bootstrap([0.0, 1.0] * 200, seed=3)
    assert found.low == pytest.approx(0.451, abs=0.01)
    assert found.high == pytest.approx(0.549, abs=0.01)


def test_an_interval_depends_on_its_seed_alone() -> None:
    """The same seed gives the same interval."""
    values = [0.0, 1.0, 1.0, 0.2, 0.6]
    assert bootstrap(values, seed=5) == bootstrap(values, seed=5)


def test_a_constant_has_no_spread() -> None:
    """Where every task says the same the interval is that point."""
    found = bootstrap([1.0] * 10, seed=1)
    assert (found.low, found.value, found.high) == (1.0, 1.0, 1.0)


def test_nothing_can_be_estimated_from_nothing() -> None:
    """Without a task there is no mean and no interval."""
    with pytest.raises(ValueError, match="no task"):
        bootstrap([], seed=1)


def test_a_rate_over_decisions_is_as_sure_as_its_tasks() -> None:
    """Ten decisions that go the way of their task say no more than one of them."""
    tenfold, single = rate([10, 0] * 20, [10] * 40, seed=4), bootstrap([1.0, 0.0] * 20, seed=4)
    assert (tenfold.value, tenfold.low, tenfold.high) == (single.value, single.low, single.high)
    assert tenfold.high - tenfold.low > 2 * (clopper_pearson(200, 400)[1] - clopper_pearson(200, 400)[0])
    assert (tenfold.tasks, tenfold.exact) == (40, False)


@pytest.mark.parametrize(("hits", "low", "high"), [(0, 0.0, 0.30850), (7, 0.69150, 1.0)])
def test_a_rate_without_spread_has_the_exact_bounds_of_its_tasks(hits: int, low: float, high: float) -> None:
    """None of ten tasks, or all ten, say what none or all of ten draws say; a task with nothing to hit does not count."""
    found = rate([hits] * 10 + [0], [7] * 10 + [0], seed=1)
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)
    assert (found.value, found.tasks, found.exact) == (hits / 7, 10, True)


@pytest.mark.parametrize("share", [1, 10])
@pytest.mark.parametrize("tasks", [12, 40])
def test_more_hits_never_give_smaller_bounds(share: int, tasks: int) -> None:
    """From none to all, a task or a decision more each time, past what counts as few."""
    found = [rate([share] * hit + [0] * (tasks - hit), [10] * tasks, 1, 400) for hit in range(tasks + 1)]
    found += [rate([10] * hit + [share] * (tasks - hit), [10] * tasks, 1, 400) for hit in range(tasks + 1)]
    for before, after in pairwise(found):
        assert before.high <= after.high
        assert before.low <= after.low


@pytest.mark.parametrize("hit", range(1, 10))
def test_few_hit_tasks_are_no_surer_than_their_number(hit: int) -> None:
    """A bootstrap over 164 tasks of which one has a hit would be surer than where none has; and alike at the other end."""
    hits = [1] + [10] * (hit - 1) + [0] * (164 - hit)
    few, many = rate(hits, [10] * 164, seed=1), rate([10 - each for each in hits], [10] * 164, seed=1)
    low, high = clopper_pearson(hit, 164)
    assert (few.high, few.exact, many.exact) == (high, True, True)
    assert few.low <= low
    assert (many.low, many.high) == pytest.approx((1 - few.high, 1 - few.low), abs=2e-3)


def test_many_tasks_of_few_hits_are_a_bootstraps() -> None:
    """Eighty tasks that are hit once in ten are no eight that are wholly."""
    hits, of = [1, 0] * 82, [10] * 164
    assert rate(hits, of, seed=1) == ratio(hits, of, seed=1)


def test_there_may_be_more_hits_than_there_was_to_hit() -> None:
    """What is kept is that: a ratio above 1 has bounds still, and tasks without anything to keep count in it alone."""
    found = rate([3, 2, 1], [2, 2, 0], seed=1)
    assert (found.value, found.tasks) == (1.5, 2)
    assert found.low <= 1.25 <= found.high


def test_a_ratio_is_resampled_by_task() -> None:
    """Both sums come from the same tasks: two that go together in every task have a sure ratio, however unlike tasks are."""
    found = ratio([1.0, 2.0, 4.0], [2.0, 4.0, 8.0], seed=1)
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)
    assert ratio([3.0, 0.0], [1.0, 1.0], seed=1).high == 3.0


def test_resamples_without_a_whole_are_left_out() -> None:
    """A task that adds nothing to the whole may be all that is drawn; the others' bounds are numbers still."""
    found = ratio([1.0, 0.0, 0.0], [2.0, 0.0, 0.0], seed=1)
    assert (found.low, found.value, found.high, found.tasks) == (0.5, 0.5, 0.5, 3)


def test_nothing_has_no_rate() -> None:
    """Neither a share of nothing nor a ratio to nothing is a number."""
    with pytest.raises(ValueError, match="no rate"):
        rate([0, 0], [0, 0], seed=1)
    with pytest.raises(ValueError, match="no rate"):
        ratio([1.0], [0.0], seed=1)


def test_a_share_of_tasks_has_exact_bounds() -> None:
    """Tasks are independent draws."""
    found = share_of_tasks(1, 100)
    assert (found.value, found.tasks, found.exact) == (0.01, 100, True)
    assert (found.low, found.high) == pytest.approx((0.00025, 0.05446), abs=6e-5)


def test_a_paired_difference_has_the_smaller_spread() -> None:
    """Two selectors that err on the same tasks differ surely, though each alone is uncertain."""
    theirs = [0.0, 1.0] * 50
    ours = [1.0, 1.0, 0.0, 1.0] * 25
    found = paired_difference(ours, theirs, seed=2)
    alone = bootstrap(ours, seed=2)
    assert found.value == pytest.approx(0.25)
    assert found.low > 0
    assert found.high - found.low < alone.high - alone.low + 1e-9


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        (0, 10, 0.0, 0.30850),
        (10, 10, 0.69150, 1.0),
        (5, 10, 0.18709, 0.81291),
        (1, 100, 0.00025, 0.05446),
        (82, 164, 0.42106, 0.57894),
    ],
)
def test_exact_bounds_are_the_published_ones(hits: int, trials: int, low: float, high: float) -> None:
    """Clopper-Pearson at 95 %: 0 of n gives 1 − 0.025^(1/n), and so on."""
    found = clopper_pearson(hits, trials)
    assert found == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize(("hits", "trials"), [(0, 0), (-1, 4), (5, 4)])
def test_exact_bounds_of_nonsense_are_refused(hits: int, trials: int) -> None:
    """More hits than trials, fewer than none, and no trial at all have no rate."""
    with pytest.raises(ValueError, match="no rate"):
        clopper_pearson(hits, trials)


def test_exact_bounds_stand_for_many_trials() -> None:
    """Thousands of trials neither overflow nor lose the rule of three."""
    low, high = clopper_pearson(0, 5000)
    assert low == 0.0
    assert high == pytest.approx(1 - 0.025 ** (1 / 5000), rel=1e-6)


def test_abstaining_is_failure_and_no_error() -> None:
    """Of four tasks two are served and one of these is wrong: coverage 1/2, pass@1 1/4, error of what is served 1/2."""
    found = selective([True, False, None, None])
    assert (found.coverage, found.pass_at_1, found.error) == (0.5, 0.25, 0.5)
    assert found.error_high == pytest.approx(clopper_pearson(1, 2)[1])


def test_an_error_of_nothing_is_not_a_number() -> None:
    """Who serves nothing has no error rate, and no coverage either."""
    found = selective([None, None])
    assert (found.coverage, found.pass_at_1, found.error, found.error_high) == (0.0, 0.0, None, None)


def test_the_curve_has_a_point_for_every_confidence() -> None:
    """From the surest down; tasks of equal confidence come in together."""
    curve = coverage_error([0.5, 0.9, 0.5, 0.1], [False, True, True, False])
    assert curve == (
        CurvePoint(0.9, 0.25, 0.0),
        CurvePoint(0.5, 0.75, pytest.approx(1 / 3)),
        CurvePoint(0.1, 1.0, 0.5),
    )


def test_coverage_at_an_error_is_the_widest_point_that_keeps_it() -> None:
    """The curve may rise and fall: the largest coverage within the error counts, and none is 0."""
    curve = (CurvePoint(0.9, 0.2, 0.0), CurvePoint(0.8, 0.4, 0.1), CurvePoint(0.7, 0.6, 0.04))
    assert coverage_at(curve, 0.05) == 0.6
    assert coverage_at(curve[1:2], 0.05) == 0.0
