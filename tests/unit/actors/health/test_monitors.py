"""Readings become checks, checks a score."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.health.config import HealthConfig
from actors.health.monitors import (
    Ballots,
    Check,
    InfrastructureHealthMonitor,
    ModelPerformanceMonitor,
    Unread,
    judge,
)

CONFIG = HealthConfig()
MACHINE = InfrastructureHealthMonitor(CONFIG.signals)
MODELS = ModelPerformanceMonitor(CONFIG)
GOOD = {"cpu": 0.1, "memory": 0.1, "disk": 0.1, "queue": 0.0}


def voter(**outcomes: float) -> Ballots:
    """Return ballots that took a second each."""
    return Ballots(outcomes, sum(outcomes.values()), sum(outcomes.values()))


def test_a_signal_scores_by_its_distance_to_the_limit() -> None:
    """One up to 80 % of the limit, none at it, evenly between."""
    found = {
        level: {c.name: c for c in MACHINE.check({**GOOD, "disk": level})}["disk"].score
        for level in (0.72, 0.81, 0.9, 1)
    }
    assert found == pytest.approx({0.72: 1.0, 0.81: 0.5, 0.9: 0.0, 1: 0.0}, abs=1e-9)


@pytest.mark.parametrize(
    "levels", [{**GOOD, "queue": Unread("gone")}, {name: GOOD[name] for name in ("cpu", "memory", "disk")}]
)
def test_what_cannot_be_read_is_a_failed_check(levels: dict[str, float | Unread]) -> None:
    """Whether a reader says so or says nothing at all; the whole scores zero for it."""
    checks = MACHINE.check(levels)
    blind = {check.name: check for check in checks}["queue"]
    assert (blind.score, blind.blind) == (0.0, True)
    assert judge(checks, MODELS.check({"a": voter(agreed=20)})).score == 0.0


def test_voters_that_cannot_be_read_are_a_failed_check() -> None:
    """Not an empty list of voters that are all well."""
    (check,) = MODELS.check(Unread("no metrics"))
    assert (check.score, check.blind, check.detail) == (0.0, True, "no metrics")
    assert judge(MACHINE.check(GOOD), (check,)).score == 0.0


@pytest.mark.parametrize(
    ("ballots", "well"),
    [
        (voter(agreed=20), True),
        (voter(agreed=10, dissented=10), True),
        (voter(failed=4), True),
        (voter(failed=3, timeout=2), False),
        (voter(failed=5, agreed=1), True),
        (voter(failed=6, agreed=5), False),
        (voter(invalid=6, late=5, agreed=9), False),
        (voter(cancelled=50, busy=50, failed=4), True),
        (Ballots({"agreed": 10}, 10, 601), False),
        (Ballots({"agreed": 9}, 9, 900), True),
        (Ballots(), True),
    ],
)
def test_a_voter_is_judged_by_failures_errors_and_latency(ballots: Ballots, well: bool) -> None:
    """Five failures and nothing else, half of at least ten bad, or a mean over the limit; cancellations say nothing."""
    (check,) = MODELS.check({"v": ballots})
    assert (check.score == 1.0, check.blind) == (well, False), check.detail


def test_one_sick_voter_of_three_takes_a_third() -> None:
    """The others decide; the machine's worst check counts in full."""
    voters = MODELS.check({"a": voter(agreed=20), "b": voter(agreed=20), "c": voter(failed=20)})
    assert judge(MACHINE.check(GOOD), voters).score == pytest.approx(2 / 3)
    assert judge(MACHINE.check({**GOOD, "disk": 0.9}), voters).score == 0.0


def test_nothing_checked_is_nothing_healthy() -> None:
    """No machine, no health; no voter that was asked is no fault."""
    assert judge((), ()).score == 0.0
    assert judge((Check("cpu", 1.0, ""),), ()).score == 1.0


@given(st.dictionaries(st.sampled_from([*GOOD, "other"]), st.floats(0, 2) | st.builds(Unread, st.text())))
def test_a_score_is_between_zero_and_one(levels: dict[str, float | Unread]) -> None:
    """Whatever is read."""
    assert 0 <= judge(MACHINE.check(levels), ()).score <= 1
