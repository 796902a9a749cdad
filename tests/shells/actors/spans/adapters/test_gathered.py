"""What is read together: where it is cut, and how much rows count."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue

from actors.spans.adapters.gathered import SHOWN_TIMES, Gathered, Piece, cut, frames_of
from actors.spans.adapters.reader import SegmentRead, SegmentRef
from actors.spans.conventions import SPAN_SCHEMA_VERSION
from actors.spans.frames import FrameKind, encode_spans, scan
from actors.spans.otlp.mapping import frame_of, row_of
from actors.spans.otlp.message import shown
from tests.unit.actors.spans.otlp.sent import pair, request, requests, sent
from tests.unit.actors.spans.telemetry import SegmentBytes, flipped, writer_id

W = writer_id(1)


def look(segment: SegmentBytes, next_seq: int = 1, *, free: bool = True) -> Piece:
    """Return a look at a segment, as ingest takes it."""
    number = segment.start.header.number
    read = SegmentRead(segment.start.header, scan(segment.data, segment.start), free)
    ref = SegmentRef(W, number, Path(f"{number:08}.wal"))
    return Piece(ref, (), read, frames_of(ref, read, next_seq))


def three() -> SegmentBytes:
    """Return a segment of three frames, finished."""
    return SegmentBytes(1).batch((1, 2)).batch((3, 2)).batch((5, 2)).end(FrameKind.CLOSED, 7)


def kept(*pieces: Piece, room: int, alone: bool = True) -> tuple[list[tuple[int, int]], Gathered]:
    """Cut pieces; return segment and first number of every frame that is left, and what was gathered."""
    gathered = Gathered(list(pieces))
    cut(gathered, 0, room, alone=alone)
    left = [(piece.ref.number, fresh.frame.first_seq) for piece in gathered.pieces for fresh in piece.frames]
    return left, gathered


def test_what_has_room_is_left_as_it_is() -> None:
    """All frames, the trailer among them, and nothing more is to come."""
    piece = look(three())
    size = sum(fresh.bytes for fresh in piece.frames)
    left, gathered = kept(piece, room=size)
    assert left == [(1, 1), (1, 3), (1, 5), (1, 7)]
    assert (gathered.pieces, gathered.more, gathered.count, gathered.bytes) == ([piece], False, 6, size)


def test_frames_behind_the_bound_are_read_as_if_they_were_not_there_yet() -> None:
    """The segment is neither finished nor abandoned, the next look begins behind the last frame, and there is more."""
    piece = look(three())
    size = piece.frames[0].bytes + piece.frames[1].bytes
    left, gathered = kept(piece, room=size)
    assert (left, gathered.more, gathered.count, gathered.bytes) == ([(1, 1), (1, 3)], True, 4, size)
    (short,) = gathered.pieces
    assert short.read is not None
    assert (short.read.finished, short.read.abandoned, short.read.scan.torn) == (False, False, False)
    assert short.read.scan.valid_bytes == piece.frames[1].frame.end
    assert [frame.first_seq for frame in short.read.scan.frames] == [1, 3]


@pytest.mark.parametrize(("alone", "left"), [(True, [(1, 1)]), (False, [])])
def test_a_frame_that_is_too_large_comes_alone(left: list[tuple[int, int]], *, alone: bool) -> None:
    """Only where nothing else is in its commit; else it waits for the next."""
    found, gathered = kept(look(three()), room=1, alone=alone)
    assert (found, gathered.more) == (left, True)


def test_a_later_segment_is_left_whole() -> None:
    """What lies behind the cut is not looked at now."""
    second = SegmentBytes(2).batch((7, 1)).end(FrameKind.CLOSED, 8)
    first = look(three())
    size = sum(fresh.bytes for fresh in first.frames)
    left, gathered = kept(first, look(second, 7), room=size)
    assert left == [(1, 1), (1, 3), (1, 5), (1, 7)]
    assert (gathered.more, gathered.pieces) == (True, [first])


def test_damage_before_the_cut_is_told_now_and_behind_it_later() -> None:
    """The next look begins before it and sees it then."""
    segment = SegmentBytes(1).batch((1, 1)).batch((2, 1)).batch((3, 1)).batch((4, 1)).batch((5, 1))
    for spot in (segment.spots[1], segment.spots[3]):
        segment.data = flipped(segment.data, 8 * (spot + 60))
    piece = look(segment)
    assert piece.read is not None
    assert [item.offset for item in piece.read.scan.damage] == [segment.spots[1], segment.spots[3]]
    _, gathered = kept(piece, room=piece.frames[0].bytes + piece.frames[1].bytes)
    (short,) = gathered.pieces
    assert short.read is not None
    assert [item.offset for item in short.read.scan.damage] == [segment.spots[1]]
    again = scan(segment.data[short.read.scan.valid_bytes :], segment.start, short.read.scan.valid_bytes)
    assert [item.offset for item in again.damage] == [segment.spots[3]]


def test_two_frames_of_one_number_are_taken_together() -> None:
    """Else the one that is passed over would look like rows that were read before, and nobody would keep it."""
    piece = look(three())
    first, second, third, end = piece.frames
    passed = msgspec.structs.replace(third, rival="another stays", bytes=0)
    piece = replace(piece, frames=(first, second, passed, end))
    left, gathered = kept(piece, room=1)
    assert left == [(1, 1), (1, 3), (1, 5), (1, 7)]
    assert not gathered.more


def test_rows_that_were_read_before_take_no_room() -> None:
    """However large they are: nothing of them goes on."""
    assert [fresh.bytes for fresh in look(three(), 5).frames[:2]] == [0, 0]
    assert look(three(), 5).frames[2].bytes > 0


def test_rows_of_other_services_count_with_what_the_table_shows_of_them() -> None:
    """And with themselves."""
    message = request(sent(attributes=[pair("a", "x" * 1000)])).resource_spans[0]
    rows = [row_of(frame_of(message, scope), span, "k", "t") for scope in message.scope_spans for span in scope.spans]
    payload = encode_spans(rows)
    (fresh,) = look(SegmentBytes(1, schema=SPAN_SCHEMA_VERSION).raw(1, 1, payload)).frames
    assert fresh.bytes == (1 + SHOWN_TIMES) * len(payload)


def text_bytes(data: bytes) -> int:
    """Return how much text the table shows of a message."""
    view = shown(data)
    pairs = [view.attributes, *(event.attributes for event in view.events)]
    names = sum(len(event.name.encode()) for event in view.events)
    return names + sum(len(key.encode()) + len(value.encode()) for each in pairs for key, value in each.items())


@settings(deadline=None)
@given(requests)
def test_no_message_shows_more_than_is_reckoned(message: ExportTraceServiceRequest) -> None:
    """Whatever is in it."""
    for resource in message.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                row = row_of(frame_of(resource, scope), span, "k", "t")
                assert text_bytes(row.otlp) <= SHOWN_TIMES * len(row.otlp)


@pytest.mark.parametrize(
    "value",
    [
        AnyValue(string_value="\x01" * 500), AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="\x01" * 500)])),
        AnyValue(array_value=ArrayValue(values=[AnyValue()] * 500)), AnyValue(bytes_value=b"x" * 500),
        AnyValue(array_value=ArrayValue(values=[AnyValue(double_value=-1.2345678901234567e-300)] * 500)),
        AnyValue(array_value=ArrayValue(values=[AnyValue(bool_value=False)] * 500)),
        AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=-(2**63))] * 500)),
    ],
)  # fmt: skip
def test_what_becomes_longest_as_text_is_reckoned(value: AnyValue) -> None:
    """Control characters in a list, six letters each, and what is short on the wire."""
    message = request(sent(attributes=[KeyValue(key="a", value=value)])).resource_spans[0]
    row = row_of(frame_of(message, message.scope_spans[0]), message.scope_spans[0].spans[0], "k", "t")
    assert text_bytes(row.otlp) <= SHOWN_TIMES * len(row.otlp)
