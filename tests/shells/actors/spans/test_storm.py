"""SpanActor with all its checkers: decisions as gateways write them come in; a storm of others freezes what may be learned."""

import pytest

from actors.spans.adapters.storm import pin_file, put_away, read_pin
from actors.spans.config import SpansConfig
from actors.spans.conventions import SPAN_SCHEMA_VERSION
from actors.spans.frames import encode_spans
from actors.spans.otlp.mapping import frame_of, row_of
from serve_apps.actors import span_gauges
from tests.unit.actors.spans.checkers.decisions import WRITER, agreed, failed_over, frame
from tests.unit.actors.spans.otlp.sent import request, sent
from tests.unit.actors.spans.telemetry import SMALL, Home, SegmentBytes, at, spans_from, writer_id

STATES = (agreed(), failed_over())


def decisions(count: int) -> tuple[SegmentBytes, int]:
    """Return a segment of so many decisions, and how many rows that is."""
    segment, seq = SegmentBytes(writer=WRITER), 1
    for number in range(count):
        rows = frame(STATES[number % 2], number, seq)
        segment.raw(seq, len(rows.spans), encode_spans(list(rows.spans)))
        seq += len(rows.spans)
    return segment, seq - 1


def garbage(writer: int, rows: int) -> SegmentBytes:
    """Return a segment of rows that call themselves decisions and carry no record."""
    segment = SegmentBytes(writer=writer_id(writer))
    return segment.raw(1, rows, encode_spans(spans_from(1, rows)))


def test_decisions_as_gateways_write_them_come_in_whole(home: Home) -> None:
    """Nothing is set aside, nothing is said, and what was learned of them is kept."""
    home.more = None
    segment, count = decisions(40)
    segment.save(home.wal)
    actor = home.actor(SpansConfig(**SMALL.model_dump() | {"baseline_keep_rows": 1}))
    report = actor.tick(at(1), flush=True)
    assert (report.rows_accepted, report.rows_quarantined) == (count, 0)
    assert home.incidents.kinds == []
    assert (home.path / "quarantine" / "baseline.json").exists()
    health = actor.health(at(1))
    assert (health["checkers_blind"], health["storm"]) == (0, "")
    actor.close()


def test_a_storm_of_bad_rows_is_pinned_where_the_log_was_clean(home: Home) -> None:
    """The log goes on, its size before the first bad row is kept, and the health says so until an operator put it away."""
    home.more = None
    decisions(10)[0].save(home.wal)
    actor = home.actor()
    actor.tick(at(1), flush=True)
    clean = actor.health(at(1))["log_size"]
    assert clean > 0
    garbage(2, 60).save(home.wal)
    report = actor.tick(at(2), flush=True)
    assert report.rows_quarantined == 60
    pin = read_pin(home.path)
    assert pin is not None
    assert (pin.log_size, pin.bad, pin.first_bad) == (clean, 60, f"{writer_id(2)} 1")
    assert len(pin.root) == 64
    assert "span_corruption_storm" in home.incidents.kinds
    health = actor.health(at(2))
    assert f"last clean at {clean} batches" in health["storm"]
    assert span_gauges(health)["span_storm"] == 1.0
    actor.close()


@pytest.mark.parametrize("judged", [False, True])
def test_who_ends_the_process_hides_no_storm(home: Home, judged: bool) -> None:
    """The next one knows from the table what had come in the window; but for what an operator has looked at since."""
    home.more = None
    decisions(10)[0].save(home.wal)
    actor = home.actor()
    actor.tick(at(1), flush=True)
    clean = actor.health(at(1))["log_size"]
    garbage(2, 40).save(home.wal)
    actor.tick(at(2), flush=True)
    assert read_pin(home.path) is None
    actor.close()  # as a kill leaves it: what it had seen is in the table, and nowhere else
    if judged:
        pin_file(home.path).write_bytes(b"{}")
        assert put_away(home.path) is not None
    garbage(3, 20).save(home.wal)
    actor = home.actor()
    actor.tick(at(3), flush=True)
    pin = read_pin(home.path)
    if judged:
        assert pin is None
    else:
        assert pin is not None
        assert (pin.log_size, pin.bad, pin.first_bad) == (clean, 60, f"{writer_id(2)} 1")
        assert pin.rows > 100  # with the decisions that came beside them
    actor.close()


def test_spans_of_other_services_hide_no_storm(home: Home) -> None:
    """Whoever holds a writer's key may send any number of them: they are no part of what a share is of."""
    home.more = None
    message = request(*(sent(number=n + 1) for n in range(4000))).resource_spans[0]
    around = frame_of(message, message.scope_spans[0])
    rows = [row_of(around, span, "key-1", "t-1") for span in message.scope_spans[0].spans]
    SegmentBytes(writer=writer_id(3), schema=SPAN_SCHEMA_VERSION).raw(1, len(rows), encode_spans(rows)).save(home.wal)
    garbage(2, 60).save(home.wal)
    actor = home.actor()
    report = actor.tick(at(1), flush=True)
    assert (report.rows_external, report.rows_quarantined, report.rows_read) == (4000, 60, 4060)
    pin = read_pin(home.path)
    assert pin is not None
    assert (pin.rows, pin.bad) == (60, 60)
    actor.close()


def test_a_few_bad_rows_are_no_storm(home: Home) -> None:
    """They are set aside, and learning goes on."""
    home.more = None
    garbage(2, 20).save(home.wal)
    actor = home.actor()
    assert actor.tick(at(1), flush=True).rows_quarantined == 20
    assert read_pin(home.path) is None
    assert span_gauges(actor.health(at(1)))["span_storm"] == 0.0
    actor.close()


def test_a_log_that_rots_is_a_storm(home: Home) -> None:
    """Rows that their writer numbered and that cannot be read any more are as bad as any: what is left is no fair sample."""
    home.more = None
    segment, count = decisions(60)
    rotten = bytearray(segment.data)
    for spot in segment.spots[2:58]:
        rotten[spot + 60] ^= 1
    segment.data = bytes(rotten)
    segment.save(home.wal)
    actor = home.actor()
    report = actor.tick(at(1), flush=True)
    assert report.lost_rows > 60
    pin = read_pin(home.path)
    assert pin is not None
    assert (pin.bad, pin.rows) == (report.lost_rows + report.rows_quarantined, count)
    assert pin.first_bad.startswith(f"{WRITER} ")
    actor.close()
