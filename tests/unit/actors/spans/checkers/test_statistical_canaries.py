"""Canaries of the StatisticalAnomalyDetector."""

from dataclasses import replace

from actors.spans.checkers.baseline import Baseline, to_bytes
from actors.spans.checkers.canaries import Given
from actors.spans.checkers.finding import Arrivals
from actors.spans.checkers.statistical import StatisticalAnomalyDetector
from actors.spans.checkers.statistical_canaries import statistical_canaries
from actors.spans.checkers.temporal import Bounds
from tests.unit.actors.spans.checkers.traffic import Traffic, arrivals
from tests.unit.actors.spans.telemetry import NOW_S

GIVEN = Given(NOW_S, Bounds(300, 3600, 86_400), None)


def test_each_is_found_by_a_detector_that_learned_nothing() -> None:
    """And nothing of them is kept, or counts as learned."""
    detector, made = StatisticalAnomalyDetector(Baseline()), statistical_canaries(GIVEN)
    for _ in range(3):
        found = detector.check(Arrivals([canary.rows for canary in made], NOW_S))
        said = {(one.writer_id, one.seq): one.kind for one in found}
        assert [said.get(canary.place) for canary in made] == ["odd", "moved", "another_voter"]
    assert to_bytes(detector.baseline) == to_bytes(Baseline())
    assert detector.warming == 0


def test_they_make_no_other_row_look_odd() -> None:
    """Beside hundreds of canaries that are odd, rows are believed as if they came alone."""
    detector, traffic = StatisticalAnomalyDetector(Baseline()), Traffic()
    detector.learn(arrivals(traffic.frames(3_000)))
    rows = [*traffic.frames(29), *traffic.frames(1, lambda call: replace(call, latency_ms=10_000))]
    alone = detector.check(arrivals(rows))
    canaries = [canary.rows for canary in statistical_canaries(GIVEN)]
    beside = detector.check(arrivals([*rows, *canaries]))
    assert [one for one in beside if one.writer_id == rows[0].writer_id] == alone
