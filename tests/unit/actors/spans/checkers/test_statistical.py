"""StatisticalAnomalyDetector: what it says of rows like those before, and of others."""

from collections import Counter
from copy import deepcopy
from dataclasses import replace

import pytest

from actors.spans.checkers.baseline import WARM, Baseline, from_bytes, to_bytes
from actors.spans.checkers.finding import Finding, Severity
from actors.spans.checkers.statistical import MAX_HELD, WINDOW, StatisticalAnomalyDetector
from tests.unit.actors.spans.checkers.traffic import A_FRAME, Call, Change, Traffic, arrivals, passed

TAUGHT = 3_000


@pytest.fixture(scope="module")
def learned() -> tuple[StatisticalAnomalyDetector, Traffic]:
    """Return a detector that has learned, and the traffic it learned from."""
    detector, traffic = StatisticalAnomalyDetector(Baseline()), Traffic()
    passed(detector, traffic.frames(TAUGHT))
    return detector, traffic


@pytest.fixture
def taught(learned: tuple[StatisticalAnomalyDetector, Traffic]) -> tuple[StatisticalAnomalyDetector, Traffic]:
    """Return copies of them."""
    return deepcopy(learned)


def said(found: list[Finding]) -> Counter[tuple[str, str]]:
    """Count what was found by kind and severity."""
    return Counter((finding.kind, finding.severity.value) for finding in found)


def only(voter: str, **factors: float) -> Change:
    """Change what one voter does."""

    def change(call: Call) -> Call:
        if call.voter != voter:
            return call
        return replace(call, **{name: int(getattr(call, name) * factor) for name, factor in factors.items()})

    return change


def flipped(call: Call) -> Call:
    """Have voter a dissent, always."""
    return replace(call, outcome="dissented") if call.voter == "a" else call


def test_nothing_is_said_before_anything_was_learned() -> None:
    """It is blind, and says of how many rows."""
    detector = StatisticalAnomalyDetector(Baseline())
    assert detector.check(arrivals(Traffic().frames(50))) == []
    assert detector.unjudged_rows == 50 * (A_FRAME + 1)
    assert detector.warming == 0


def test_a_cell_judges_once_enough_rows_are_older_than_the_window() -> None:
    """What is newest does not teach yet."""
    detector, traffic = StatisticalAnomalyDetector(Baseline()), Traffic()
    detector.learn(arrivals(traffic.frames(WINDOW)))
    assert [cell.n for cell in detector.baseline.cells.values()] == [0] * 5
    detector.learn(arrivals(traffic.frames(WARM - 1)))
    assert detector.warming == 5
    detector.learn(arrivals(traffic.frames(1)))
    assert (detector.warming, detector.baseline.warm) == (0, 5)


def test_rows_like_those_before_are_hardly_ever_called_odd(
    taught: tuple[StatisticalAnomalyDetector, Traffic],
) -> None:
    """In 12,000 rows nothing grave, and of the few notices none is more than one in a thousand."""
    detector, traffic = taught
    found = passed(detector, traffic.frames(3_000))
    assert {finding.severity for finding in found} <= {Severity.NOTICE}
    assert len(found) <= 12


def test_one_row_far_out_is_a_notice(taught: tuple[StatisticalAnomalyDetector, Traffic]) -> None:
    """By itself, in a small batch: it may be true."""
    detector, traffic = taught
    found = detector.check(arrivals([*traffic.frames(1), *traffic.frames(1, only("b", latency_ms=10_000))]))
    assert [(finding.kind, finding.severity) for finding in found] == [("odd", Severity.NOTICE)]
    assert (found[0].evidence["cell"], found[0].evidence["measure"]) == ("call|b|primary|code:python", "latency")


def test_a_voter_that_became_slow_is_a_warning_and_never_more(
    taught: tuple[StatisticalAnomalyDetector, Traffic],
) -> None:
    """A slow voter is not corruption, however slow, however long."""
    detector, traffic = taught
    found = passed(detector, traffic.frames(1_500, only("a", latency_ms=40)))
    assert said(found)["moved", "WARNING"] > 300
    assert {finding.severity for finding in found} <= {Severity.NOTICE, Severity.WARNING}


def test_what_moves_everybody_is_the_work(taught: tuple[StatisticalAnomalyDetector, Traffic]) -> None:
    """All voters slower and longer at once: odd rows are notices."""
    detector, traffic = taught

    def change(call: Call) -> Call:
        return replace(call, latency_ms=call.latency_ms * 8, output=call.output * 8, outcome="dissented")

    found = passed(detector, traffic.frames(400, change))
    assert {finding.severity for finding in found} <= {Severity.NOTICE}


def test_a_voter_whose_verdicts_turned_is_a_warning(taught: tuple[StatisticalAnomalyDetector, Traffic]) -> None:
    """It may be right, or worse than it was: learning may know it."""
    detector, traffic = taught
    found = said(passed(detector, traffic.frames(400, flipped)))
    assert found["moved", "WARNING"] > 200
    assert not any(severity == "CRITICAL" for _, severity in found)


def another(call: Call) -> Call:
    """Have voter a be somebody else: other verdicts, and eight times as much to say."""
    return flipped(replace(call, output=call.output * 8)) if call.voter == "a" else call


def test_a_voter_that_is_another_one_is_critical(taught: tuple[StatisticalAnomalyDetector, Traffic]) -> None:
    """Its rows, and nobody else's."""
    detector, traffic = taught
    found = [one for one in passed(detector, traffic.frames(600, another)) if one.severity is Severity.CRITICAL]
    assert {finding.kind for finding in found} == {"another_voter"}
    assert {finding.seq % A_FRAME for finding in found} == {2}
    assert len(found) > 400


def test_a_voter_that_stays_another_one_is_learned_anew(taught: tuple[StatisticalAnomalyDetector, Traffic]) -> None:
    """After so many rows that were set aside its cell is forgotten, and what it is now becomes the baseline."""
    detector, traffic = taught
    found = passed(detector, traffic.frames(MAX_HELD + 600, another))
    critical = [one for one in found if one.severity is Severity.CRITICAL]
    assert MAX_HELD < len(critical) <= MAX_HELD + 100
    passed(detector, traffic.frames(WINDOW + WARM, another))
    assert {one.severity for one in passed(detector, traffic.frames(300, another))} <= {Severity.NOTICE}


def test_rows_that_wait_are_as_bad_at_every_look(taught: tuple[StatisticalAnomalyDetector, Traffic]) -> None:
    """Judged again at each tick, set aside at none: no look wears the baseline out, and it goes on teaching nothing."""
    detector, traffic = taught
    frames = arrivals(traffic.frames(150, another))
    looks = [said(detector.check(frames))["another_voter", "CRITICAL"] for _ in range(20)]
    assert looks == [150] * 20


def test_a_backlog_is_given_way_to_only_as_it_is_set_aside(taught: tuple[StatisticalAnomalyDetector, Traffic]) -> None:
    """More bad rows at once than may be held: what waits is judged by the old baseline until so many were set aside."""
    detector, traffic = taught
    backlog, critical = traffic.frames(MAX_HELD + 200, another), list[int]()
    while backlog:
        found = detector.check(arrivals(backlog))
        bad = [one for one in found if one.severity is Severity.CRITICAL]
        critical.append(len(bad))
        first = {one.seq for one in bad[:256]}
        detector.set_aside(one for one in found if one.seq in first)
        backlog = backlog[256:]
    assert critical == [MAX_HELD + 200 - 256 * place for place in range(4)] + [0]


def test_a_kept_baseline_goes_on_where_it_was(taught: tuple[StatisticalAnomalyDetector, Traffic]) -> None:
    """Read back, it judges at once."""
    detector, traffic = taught
    again = StatisticalAnomalyDetector(from_bytes(to_bytes(detector.baseline)))
    assert again.warming == 0
    assert said(passed(again, traffic.frames(600, another)))["another_voter", "CRITICAL"] > 300


def test_judging_teaches_nothing(taught: tuple[StatisticalAnomalyDetector, Traffic]) -> None:
    """The same rows may come again; only what was accepted counts."""
    detector, traffic = taught
    frames, before = arrivals(traffic.frames(100)), to_bytes(detector.baseline)
    assert detector.check(frames) == detector.check(frames)
    assert to_bytes(detector.baseline) == before


def test_a_restart_knows_what_was_moving(taught: tuple[StatisticalAnomalyDetector, Traffic]) -> None:
    """The newest rows are not in the baseline that was kept: told of them it goes on where it was, and teaches it nothing."""
    before, traffic = taught
    turned = traffic.frames(100, flipped)
    passed(before, turned)
    kept, few = to_bytes(before.baseline), traffic.frames(10, flipped)
    forgetful, recalling = (StatisticalAnomalyDetector(from_bytes(kept)) for _ in range(2))
    recalling.recall(arrivals(turned), {})
    assert said(recalling.check(arrivals(few)))["moved", "WARNING"] >= 10
    assert said(forgetful.check(arrivals(few)))["moved", "WARNING"] == 0
    assert to_bytes(recalling.baseline) == kept
