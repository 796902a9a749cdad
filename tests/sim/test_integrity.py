"""Nothing that the coordinator emits, whatever is struck, is odd to the checkers of rows."""

from collections.abc import Sequence

import pytest

from actors.base.certificates import WRITER_MAX_S
from actors.base.ids import ulid
from actors.spans.checkers.cryptographic import CryptographicIntegrityChecker
from actors.spans.checkers.finding import Arrivals
from actors.spans.checkers.temporal import Bounds, TemporalConsistencyValidator
from actors.spans.columns import Rows
from actors.spans.config import LogConfig, SpansConfig
from actors.spans.record import read_envelope
from actors.spans.span import Span
from cluster.simulation import authority
from cluster.simulation.invariants import Judge
from cluster.simulation.storm import play, schedule_of
from cluster.simulation.weather import Fault

LATE_S = LogConfig().merge_promise_s + SpansConfig().wal_max_age_s
BOUNDS = Bounds(SpansConfig().clock_skew_s, SpansConfig().max_span_s, LATE_S + WRITER_MAX_S)
OTHERS = ulid(authority.EPOCH_S * 1000, b"unrecorded")
"""Writer of rows that carry no record, which says whose they are."""


@pytest.mark.parametrize("seed", [2, 3, 7, 15])
def test_of_what_storms_leave_in_the_logs_nothing_is_found(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hedges, late and carried ballots, several layers, withheld answers, breakers: frame by frame, and in one."""
    frames: list[tuple[float, Rows]] = []
    durable, unrecorded = Judge.durable, [1]

    def heard(judge: Judge, spans: Sequence[Span]) -> None:
        durable(judge, spans)
        writer_id, seq = OTHERS, unrecorded[0]
        if spans[0].record:
            written = read_envelope(spans[0].record).read().writer
            writer_id, seq = written.id, written.seq
        else:
            unrecorded[0] += len(spans)
        frames.append((judge._clock.time(), Rows(writer_id, seq, 1, list(spans))))

    monkeypatch.setattr(Judge, "durable", heard)
    schedule = [event for event in schedule_of(seed) if not (isinstance(event, Fault) and event.kind == "clock_jump")]
    play(seed, schedule)
    checkers = [CryptographicIntegrityChecker(authority.trust, LATE_S, 10_000), TemporalConsistencyValidator(BOUNDS)]
    for at_s, rows in frames:
        arrivals = Arrivals([rows], at_s)
        assert [one for checker in checkers for one in checker.check(arrivals)] == []
        for checker in checkers:
            checker.learn(arrivals)
    together = Arrivals([rows for _, rows in frames], frames[-1][0] + 86_400)
    assert [one for one in TemporalConsistencyValidator(BOUNDS).check(together) if one.kind != "backwards"] == []
    assert sum(len(rows.spans) for _, rows in frames) > 200
