"""What other replicas saw may only tighten."""

from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.breakers.breaker import Breaker
from actors.consensus.breakers.config import BreakerConfig
from actors.consensus.breakers.merging import Report, longest_left_s, pooled
from actors.consensus.breakers.vocabulary import Permit, Verdict
from actors.consensus.breakers.window import Counts

CONFIG = BreakerConfig(window_calls=10, minimum_calls=6, failure_rate=0.5, half_open_permits=2)
REPORTS = st.lists(
    st.builds(
        lambda failed, well, left_s: Report(Counts(failed + well, failed, 0), left_s),
        st.integers(0, 50),
        st.integers(0, 50),
        st.sampled_from((0.0, 0.0, 5.0, 9000.0)),
    ),
    max_size=4,
).map(tuple)


def led(verdicts: list[Verdict], now_s: float = 0.0) -> Breaker:
    """Return a breaker after calls that ended so."""
    breaker = Breaker(CONFIG)
    for verdict in verdicts:
        permit, _ = breaker.admit(now_s)
        if isinstance(permit, Permit):
            breaker.settle(permit, verdict, now_s)
    return breaker


@given(st.lists(st.sampled_from(("healthy", "sick")), max_size=20), REPORTS, st.sampled_from((0.0, 30.0, 60.0)))
def test_hearing_never_loosens(verdicts: list[Verdict], reports: tuple[Report, ...], now_s: float) -> None:
    """Whatever is heard in whatever state: what is denied stays denied, for as long at least, and no failure is forgotten."""
    alone, hearing = led(verdicts), led(verdicts)
    if now_s == 60.0:
        alone.admit(now_s), hearing.admit(now_s)
    before = alone.view(now_s)
    hearing.hear(reports, now_s)
    after = hearing.view(now_s)
    if after.state == before.state:
        assert (after.calls, after.failed, after.permits_left) == (before.calls, before.failed, before.permits_left)
    else:
        assert after.state == "open"
    assert after.open_left_s >= before.open_left_s
    assert isinstance(alone.admit(now_s)[0], Permit) or not isinstance(hearing.admit(now_s)[0], Permit)


def test_counts_of_all_open_sooner() -> None:
    """Three failures here and three there are six calls, all failures; three here alone are too few."""
    breaker = led(["sick"] * 3)
    assert breaker.hear((), 1.0) == ()
    (move,) = breaker.hear((Report(Counts(3, 3, 0)),), 1.0)
    assert (move.after, move.cause, move.until_s) == ("open", "replicas", 61.0)


def test_healthy_replicas_keep_nothing_closed() -> None:
    """A hundred good calls elsewhere do not keep closed what opens here."""
    breaker = led(["healthy"] * 3 + ["sick"] * 2)
    assert breaker.hear((Report(Counts(100, 0, 0)),), 1.0) == ()
    permit, _ = breaker.admit(1.0)
    assert isinstance(permit, Permit)
    assert [move.after for move in breaker.settle(permit, "sick", 1.0)] == ["open"]


def test_a_cool_down_elsewhere_is_kept_here() -> None:
    """As long as it lasts there, however it began, and in half-open, too."""
    breaker = led([])
    assert [move.until_s for move in breaker.hear((Report(Counts(), 40.0),), 0.0)] == [40.0]
    breaker.admit(40.0)
    assert [move.before for move in breaker.hear((Report(Counts(), 10.0),), 41.0)] == ["half_open"]


def test_replicas_that_echo_each_other_recover() -> None:
    """One opens for 60 s, both tell each other every second: both are probed when these are over."""
    first, second = led(["sick"] * 6), led([])
    for second_s in range(60):
        told = first.report(second_s), second.report(second_s)
        first.hear((told[1],), second_s)
        second.hear((told[0],), second_s)
    assert (first.view(59.5).state, second.view(59.5).state) == ("open", "open")
    assert isinstance(first.admit(60.0)[0], Permit)
    assert isinstance(second.admit(60.0)[0], Permit)


def test_what_opened_it_is_not_reported_again() -> None:
    """A closed breaker reports its counts, an open one what is left, a half-open one nothing."""
    breaker = led(["sick"] * 2)
    assert breaker.report(0.0) == Report(Counts(2, 2, 0), 0.0)
    breaker = led(["sick"] * 6)
    assert breaker.report(20.0) == Report(Counts(), 40.0)
    probe, _ = breaker.admit(60.0)
    assert isinstance(probe, Permit)
    breaker.settle(probe, "sick", 60.0)
    assert (breaker.view(60.0).failed, breaker.report(60.0)) == (1, Report(Counts(), 0.0))


def test_damaged_reports_count_as_none() -> None:
    """More failures than calls, or fewer than none, are no counts; a time beyond every bound is cut, and no number is none."""
    assert pooled(
        Counts(1, 1, 0), [Report(Counts(2, 9, 0)), Report(Counts(-3, -4, 0)), Report(Counts(2, 1, 3))]
    ) == Counts(1, 1, 0)
    assert longest_left_s([Report(Counts(), float("nan")), Report(Counts(), -5.0)]) == 0.0
    assert longest_left_s([Report(Counts(), 1e12), Report(Counts(), 5.0)]) == 3600.0


def test_what_an_operator_forced_is_not_overheard() -> None:
    """Forced closed stays closed whatever others say."""
    breaker = led([])
    breaker.force("closed", 0.0)
    assert breaker.hear((Report(Counts(50, 50, 0), 100.0),), 1.0) == ()
    assert breaker.view(1.0).state == "forced_closed"
