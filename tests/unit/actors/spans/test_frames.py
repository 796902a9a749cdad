"""The segment codec: everything written is read, everything changed is noticed."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.base.errors import IntegrityError
from actors.spans.frames import (
    FRAME_HEADER_BYTES,
    HEADER_MAX_BYTES,
    FrameKind,
    SegmentHeader,
    UnknownFormat,
    decode_spans,
    encode_header,
    encode_spans,
    read_header,
    scan,
)
from actors.spans.otlp.mapping import frame_of, row_of
from actors.spans.sequence import MAX_SEQ
from actors.spans.span import EXTERNAL_SINCE, Span
from tests.unit.actors.spans.otlp.sent import request, sent
from tests.unit.actors.spans.telemetry import SegmentBytes, flipped, segment_start, seqs, span, spans_from

words = st.text(max_size=20)
int64 = st.integers(min_value=0, max_value=2**63 - 1)
any_span = st.builds(
    Span,
    trace_id=st.binary(min_size=16, max_size=16),
    span_id=st.binary(min_size=8, max_size=8),
    parent_span_id=st.just(b"") | st.binary(min_size=8, max_size=8),
    name=words,
    kind=st.sampled_from(["internal", "server", "client"]),
    start_unix_nano=int64,
    end_unix_nano=int64,
    status=st.sampled_from(["unset", "ok", "error"]),
    decision_id=words,
    tenant=words,
    attributes=st.dictionaries(words, words, max_size=4),
    voter=words,
    latency_ms=st.integers(min_value=-1, max_value=2**63 - 1),
    agreement=st.just(-1.0) | st.floats(min_value=0),
    record=st.binary(max_size=60),
)
batches = st.lists(st.lists(st.integers(min_value=1, max_value=3), min_size=1, max_size=3), min_size=1, max_size=4)


def built(shape: list[list[int]], zeros: int = 0) -> SegmentBytes:
    """Build a segment of group commits of frames of that many rows."""
    segment, seq = SegmentBytes(), 1
    for batch in shape:
        frames = []
        for count in batch:
            frames.append((seq, count))
            seq += count
        segment.batch(*frames)
    return segment.zeros(zeros)


@given(st.lists(any_span, min_size=1, max_size=5), st.integers(1, MAX_SEQ - 4))
def test_spans_come_back_as_they_went_in(spans: list[Span], first_seq: int) -> None:
    """Any frame of well-formed spans is read back equal, under its sequence number."""
    segment = SegmentBytes().raw(first_seq, len(spans), encode_spans(spans))
    result = scan(segment.data, segment.start)
    assert [decode_spans(frame) for frame in result.frames] == [spans]
    assert (result.frames[0].first_seq, result.torn, result.damage) == (first_seq, False, ())


@pytest.mark.parametrize(("first_seq", "count"), [(0, 1), (MAX_SEQ + 1, 1), (MAX_SEQ, 2), (2**64 - 1, 1)])
def test_a_number_that_no_row_can_have_makes_no_frame(first_seq: int, count: int) -> None:
    """However well it checks: no table, manifest or record could say it."""
    segment = SegmentBytes().raw(first_seq, count, encode_spans(spans_from(1, count)))
    result = scan(segment.data, segment.start)
    assert (result.frames, result.reason) == ((), f"{count} rows from {first_seq} on are none")
    last = SegmentBytes().raw(MAX_SEQ, 1, encode_spans(spans_from(1, 1)))
    assert len(scan(last.data, last.start).frames) == 1


@given(batches, st.integers(min_value=0, max_value=200))
def test_zeros_behind_the_last_frame_are_a_clean_end(shape: list[list[int]], zeros: int) -> None:
    """What preallocation left is the end of a live segment, wherever that is."""
    segment = built(shape, zeros)
    result = scan(segment.data, segment.start)
    assert seqs(result.frames) == list(range(1, sum(map(sum, shape)) + 1))
    assert (result.torn, result.damage, result.ended) == (False, (), False)
    assert result.valid_bytes == len(segment.data) - zeros


@settings(max_examples=20)
@given(batches)
def test_every_truncation_leaves_whole_frames_and_says_so(shape: list[list[int]]) -> None:
    """Cut anywhere, a segment yields exactly the frames before the cut, and is torn unless cut between two."""
    segment = built(shape)
    ends = [*segment.spots, len(segment.data)]
    for cut in range(segment.start.frames_at, len(segment.data) + 1):
        result = scan(segment.data[:cut], segment.start)
        whole = sum(end <= cut for end in ends[1:])
        assert len(result.frames) == whole
        assert result.torn == (cut not in ends)
        assert result.valid_bytes == ends[whole]
        assert result.torn_bytes == len(segment.data[ends[whole] : cut].rstrip(b"\0"))
        assert bool(result.reason) == result.torn
        assert result.damage == ()


def test_every_bit_flip_is_noticed() -> None:
    """No single changed bit of frames, trailer or the zeros behind them passes unnoticed, and no good frame is altered."""
    segment = SegmentBytes().batch((1, 1), (2, 1)).batch((3, 1)).end(FrameKind.CLOSED, 4).zeros(24)
    good = scan(segment.data, segment.start)
    for bit in range(segment.start.frames_at * 8, len(segment.data) * 8):
        result = scan(flipped(segment.data, bit), segment.start)
        assert result.torn or result.damage, f"bit {bit}"
        assert set(result.frames) < set(good.frames) or result.torn_bytes


def test_every_bit_flip_of_a_header_is_noticed() -> None:
    """A segment header that differs in any bit is refused."""
    header, _ = segment_start()
    for bit in range(len(header) * 8):
        with pytest.raises(IntegrityError):
            read_header(flipped(header, bit))


@pytest.mark.parametrize("where", [0, FRAME_HEADER_BYTES + 3], ids=["header", "payload"])
def test_a_bad_frame_before_a_later_batch_is_damage(where: int) -> None:
    """A later batch proves that the bad frame was durable: it is reported with its place, and the rest is read."""
    segment = SegmentBytes().batch((1, 2)).batch((3, 2), (5, 1)).batch((6, 1)).zeros(100)
    bad = segment.spots[1]
    result = scan(flipped(segment.data, (bad + where) * 8), segment.start)
    assert seqs(result.frames) == [1, 2, 5, 6]
    assert [(item.offset, item.offset + item.length) for item in result.damage] == [(bad, segment.spots[2])]
    assert not result.torn


def test_a_bad_frame_in_the_last_batch_is_a_torn_tail() -> None:
    """A crash may leave any part of the last batch: it was not acknowledged, so all behind the bad frame is cut."""
    segment = SegmentBytes().batch((1, 1)).batch((2, 1), (3, 1)).zeros(100)
    result = scan(flipped(segment.data, segment.spots[1] * 8), segment.start)
    assert (seqs(result.frames), result.torn, result.damage) == ([1], True, ())
    assert (result.valid_bytes, result.torn_bytes) == (
        segment.spots[1],
        len(segment.data.rstrip(b"\0")) - segment.spots[1],
    )


def test_a_hole_of_zeros_before_a_later_batch_is_damage() -> None:
    """A write that the disk lost looks like an end, but a later batch says that it is none."""
    segment = SegmentBytes().batch((1, 1)).batch((2, 1)).batch((3, 1))
    hole = range(segment.spots[1], segment.spots[2])
    data = bytes(0 if at in hole else byte for at, byte in enumerate(segment.data))
    result = scan(data, segment.start)
    assert seqs(result.frames) == [1, 3]
    assert [item.reason for item in result.damage] == ["zeros where a frame was"]


def test_a_frame_inside_a_payload_is_never_taken() -> None:
    """A record that carries a frame of another segment cannot pass it off as one, even where damage made us search."""
    _, other = segment_start(nonce=b"x" * 16)
    forged = SegmentBytes()
    forged.start, forged.data = other, b"-" * other.frames_at
    forged.batch((77, 1))
    carrier = encode_spans([span(2, record=forged.data)])
    segment = SegmentBytes().batch((1, 1)).raw(2, 1, carrier).batch((3, 1)).zeros(64)
    result = scan(flipped(segment.data, segment.spots[1] * 8), segment.start)
    assert seqs(result.frames) == [1, 3]


@given(batches, st.data())
def test_reading_on_from_a_frame_equals_reading_all(shape: list[list[int]], data: st.DataObject) -> None:
    """A scan from any frame's offset finds what a scan from the start finds behind it."""
    segment = built(shape, 50)
    spot = data.draw(st.sampled_from(segment.spots))
    whole, rest = scan(segment.data, segment.start), scan(segment.data[spot:], segment.start, spot)
    assert rest.frames == tuple(frame for frame in whole.frames if frame.offset >= spot)
    assert rest.valid_bytes == whole.valid_bytes


@pytest.mark.parametrize("kind", [FrameKind.ROTATED, FrameKind.CLOSED])
def test_a_trailer_says_that_the_writer_finished(kind: FrameKind) -> None:
    """A segment with a trailer has ended and names the next sequence number."""
    segment = SegmentBytes().batch((1, 2)).end(kind, 3).zeros(10)
    result = scan(segment.data, segment.start)
    assert result.ended
    assert (result.frames[-1].kind, result.frames[-1].first_seq, result.frames[-1].count) == (kind, 3, 0)


@pytest.mark.parametrize(
    "payload",
    [b"\xc1", encode_spans(spans_from(1, 2)), b"\x91\x93\x01\x02\x03"],
    ids=["no msgpack", "count", "no span"],
)
def test_a_payload_that_checks_but_is_no_list_of_spans_is_refused(payload: bytes) -> None:
    """A good checksum does not make rows of anything: count and types are checked."""
    segment = SegmentBytes().raw(1, 1, payload)
    frame = scan(segment.data, segment.start).frames[0]
    with pytest.raises(IntegrityError, match="frame at"):
        decode_spans(frame)


def test_a_frame_holds_no_span_that_its_version_cannot_say() -> None:
    """A row of version 1 has no sender: its digest would not cover it."""
    message = request(sent()).resource_spans[0]
    scope = message.scope_spans[0]
    external = row_of(frame_of(message, scope), scope.spans[0], "key-1", "t-1")
    segment = SegmentBytes().raw(1, 2, encode_spans([span(1), external]))
    (frame,) = scan(segment.data, segment.start).frames
    assert decode_spans(frame, EXTERNAL_SINCE)[1] == external
    with pytest.raises(IntegrityError, match="version 1"):
        decode_spans(frame, EXTERNAL_SINCE - 1)


@pytest.mark.parametrize(
    "changes",
    [{"trace_id": b"x"}, {"span_id": b""}, {"parent_span_id": b"123"}, {"start_unix_nano": 2**63}, {"latency_ms": -2}],
)
def test_a_span_that_no_table_takes_is_refused_by_writer_and_reader(changes: dict[str, object]) -> None:
    """Ids of wrong length and numbers out of range neither enter a log nor leave it."""
    with pytest.raises(ValueError, match="invoke_workflow"):
        encode_spans([span(1, **changes)])


def test_a_header_of_another_format_says_which_version_it_needs() -> None:
    """A segment of a newer program is refused by its version, not misread."""
    header, _ = segment_start()
    changed = header[:8] + b"\x02\x00" + header[10:-32]
    with pytest.raises(IntegrityError, match="segment format 2"):
        read_header(changed + hashlib.sha256(changed).digest())


def test_a_header_with_words_that_are_not_utf8_is_refused_whatever_its_digest_says() -> None:
    """Whoever can write a log can write a digest."""
    made = encode_header(SegmentHeader("w", 1, 1, b"", b""))
    assert b"\xa1w" in made
    changed = made[:-32].replace(b"\xa1w", b"\xa1\xff", 1)
    with pytest.raises(IntegrityError, match="cannot be read"):
        read_header(changed + hashlib.sha256(changed).digest())


def test_a_header_of_a_newer_schema_says_which_version_it_needs() -> None:
    """Its spans may have fields that this version would drop; older ones are read."""
    made = {version: encode_header(SegmentHeader("w", 1, version, b"", b"")) for version in (0, 1, 2, 3)}
    assert [read_header(made[version]).header.schema_version for version in (0, 1, 2)] == [0, 1, 2]
    with pytest.raises(UnknownFormat, match="schema 3"):
        read_header(made[3])


def test_a_header_that_a_reader_would_refuse_is_not_written() -> None:
    """Bound on both sides: a header beyond the limit is an error of the writer."""
    with pytest.raises(ValueError, match="at most"):
        encode_header(SegmentHeader("w", 1, 1, b"", bytes(HEADER_MAX_BYTES)))
