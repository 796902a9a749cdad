"""What is done to rows that are still in the write-ahead log. Each takes a copy and returns what was done."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from actors.base.canonical import b64, canonical_json
from actors.spans.adapters.wal import WriterIdentity
from actors.spans.conventions import SPAN_SCHEMA_VERSION
from actors.spans.frames import (
    Frame,
    FrameKind,
    SegmentHeader,
    decode_spans,
    encode_header,
    encode_spans,
    frame_header,
    read_header,
)
from actors.spans.record import read_envelope
from actors.spans.span import Span
from cluster.acceptance.tamper.people import DAY_S, NOW_S, deciding, envelope_of, key_of, measured
from cluster.acceptance.tamper.work import Mutation, Segment, Work, decisions_in, parts, respan

Made = Callable[[WriterIdentity, int, int], list[Span]]
"""Writer, number and time (Unix milliseconds) → rows from that number on."""
IN_HEADER = 0.1
"""Share of flipped bits that are of a segment's header."""


def identity_of(work: Work, writer_id: str) -> WriterIdentity:
    """Return a writer of the home."""
    return next(writer for writer in work.site.writers if writer.id == writer_id)


def _segment(work: Work, fits: Callable[[Segment], bool]) -> Segment:
    """Draw a segment with frames that nobody has taken in."""
    return work.rng.choice([segment for segment in work.layout.segments if segment.unread and fits(segment)])


def _replaced(work: Work, segment: Segment, frame: Frame, payload: bytes) -> None:
    """Write a segment in which one frame carries something else."""
    at = segment.frames.index(frame)
    frames = parts(segment.frames)
    frames[at] = (frame.kind, frame.first_seq, frame.count, payload)
    work.write(segment.path, segment.written(frames))


def _named(segment: Segment, what: str, frames: Sequence[Frame] = ()) -> Mutation:
    """Return a mutation that is located where an alarm names the writer."""
    told = f"{what}: {segment.path}"
    return Mutation(told, words=frozenset({segment.writer}), decisions=decisions_in(frames))


def _deciding(work: Work) -> tuple[Segment, Frame]:
    """Draw a frame that carries a decision, and its segment."""
    segment = _segment(work, lambda one: bool(decisions_in(one.unread)))
    return segment, work.rng.choice([frame for frame in segment.unread if decisions_in([frame])])


def edit_decision(work: Work) -> Mutation:
    """Change what a record says; its signature is another's."""
    segment, frame = _deciding(work)
    field = work.rng.choice(["prompt_commitment", "answer_sha256", "tenant"])

    def change(spans: list[Span]) -> list[Span]:
        envelope = read_envelope(spans[0].record)
        record = msgspec.structs.replace(envelope.read(), **{field: f"{work.rng.getrandbits(256):064x}"})
        forged = msgspec.structs.replace(envelope, payload=b64(canonical_json(record)))
        return [msgspec.structs.replace(spans[0], record=canonical_json(forged)), *spans[1:]]

    _replaced(work, segment, frame, respan(frame, change))
    return _named(segment, f"{field} of row {frame.first_seq}", [frame])


def edit_other(work: Work) -> Mutation:
    """Change what no signature covers."""
    segment = _segment(work, lambda _: True)
    frame = work.rng.choice(segment.unread)
    at = work.rng.randrange(frame.count)

    def change(spans: list[Span]) -> list[Span]:
        changed = msgspec.structs.replace(spans[at], **_other(work, spans[at]))
        return [*spans[:at], changed, *spans[at + 1 :]]

    _replaced(work, segment, frame, respan(frame, change))
    return _named(segment, f"row {frame.first_seq + at}", [frame])


def _other(work: Work, span: Span) -> dict[str, object]:
    """Draw another value of a field that nothing signs."""
    number = work.rng.getrandbits(32)
    return work.rng.choice(
        [
            {"attributes": span.attributes | {"note": f"{number:x}"}}, {"answer_kind": f"k{number}"},
            {"voter": f"m{number}"}, {"tenant": f"t-{number}"}, {"span_id": number.to_bytes(8, "big")},
        ]
    )  # fmt: skip


def delete_amid(work: Work) -> Mutation:
    """Leave frames out, with some behind them."""
    segment = _segment(work, lambda one: len(one.unread) > 1)
    gone = work.rng.choice(segment.unread[:-1])
    work.write(segment.path, segment.written(parts([frame for frame in segment.frames if frame is not gone])))
    return _named(segment, f"row {gone.first_seq}", [gone])


def delete_first(work: Work) -> Mutation:
    """Leave out the first that the table does not have."""
    segment = _segment(work, lambda one: len(one.unread) > 1)
    gone = segment.unread[0]
    work.write(segment.path, segment.written(parts([frame for frame in segment.frames if frame is not gone])))
    return _named(segment, f"row {gone.first_seq}", [gone])


def delete_all(work: Work) -> Mutation:
    """Remove the write-ahead log."""
    shutil.rmtree(work.root / "wal")
    lost = frozenset().union(*(decisions_in(segment.unread) for segment in work.layout.segments))
    return Mutation("wal", words=frozenset({"wal"}), decisions=lost)


def _appended(work: Work, spans: Made, what: str) -> Mutation:
    """Write rows behind a writer's last."""
    segment = _segment(work, lambda one: one.is_last and not one.ended)
    last = segment.frames[-1]
    first_seq = last.first_seq + last.count
    made = spans(identity_of(work, segment.writer), first_seq, _next_ms(segment))
    frames = [*parts(segment.frames), (FrameKind.SPANS, first_seq, len(made), encode_spans(made))]
    work.write(segment.path, segment.written(frames))
    return _named(segment, f"{what} {first_seq}")


def _next_ms(segment: Segment) -> int:
    """Return a time at which a writer's next row may have been made (Unix)."""
    ends = [span.end_unix_nano for span in decode_spans(segment.frames[-1])]
    return max(ends) // 1_000_000 + 1_000


def insert_decision(work: Work) -> Mutation:
    """Write a decision under a key that nobody certified."""

    def forged(writer: WriterIdentity, seq: int, at_ms: int) -> list[Span]:
        spans, trust = deciding(writer, seq, at_ms, work.site.authority.trust()), work.site.authority.trust()
        envelope = envelope_of(writer, seq, at_ms, trust, key=key_of(work.rng.getrandbits(64)))
        return [msgspec.structs.replace(spans[0], record=canonical_json(envelope)), *spans[1:]]

    return _appended(work, forged, "forged row")


def insert_other(work: Work) -> Mutation:
    """Write rows that carry no record."""
    count = work.rng.randint(1, 3)

    def made(writer: WriterIdentity, seq: int, at_ms: int) -> list[Span]:
        return [measured(writer.id, seq + n, at_ms, "weavergen.breaker") for n in range(count)]

    return _appended(work, made, "row")


def reorder(work: Work, decides: bool) -> Mutation:
    """Let two frames change their places."""
    kind = [
        frame for segment in work.layout.segments for frame in segment.unread if bool(decisions_in([frame])) == decides
    ]
    segment = _segment(work, lambda one: sum(frame in kind for frame in one.unread[1:]) > 0 and len(one.unread) > 1)
    later = work.rng.choice([frame for frame in segment.unread[1:] if frame in kind])
    sooner = work.rng.choice(segment.unread[: segment.unread.index(later)])
    order = list(segment.frames)
    one, other = order.index(sooner), order.index(later)
    order[one], order[other] = order[other], order[one]
    work.write(segment.path, segment.written(parts(order)))
    return _named(segment, f"rows {sooner.first_seq} and {later.first_seq}", [sooner, later])


def duplicate(work: Work) -> Mutation:
    """Write a frame again, behind it or at the end."""
    segment = _segment(work, lambda one: one.is_last and not one.ended)
    again = work.rng.choice(segment.unread)
    frames = parts(segment.frames)
    frames.insert(work.rng.randint(segment.frames.index(again) + 1, len(frames)), parts([again])[0])
    work.write(segment.path, segment.written(frames))
    return _named(segment, f"row {again.first_seq}", [again])


def rival(work: Work) -> Mutation:
    """Write another frame under the number of a decision, before it or behind it: without a record, or with a forged one."""
    segment, frame = _deciding(work)
    count = work.rng.randint(1, frame.count + 1)
    at_ms = min(span.start_unix_nano for span in decode_spans(frame)) // 1_000_000
    forged = [
        measured(segment.writer, frame.first_seq + n, at_ms, f"weavergen.{work.rng.getrandbits(32)}")
        for n in range(count)
    ]
    if work.rng.random() < OF_RECORDS:
        writer, trust = identity_of(work, segment.writer), work.site.authority.trust()
        envelope = envelope_of(writer, frame.first_seq, at_ms, trust, key=key_of(work.rng.getrandbits(64)))
        forged[0] = msgspec.structs.replace(
            forged[0], record=canonical_json(envelope), decision_id=decode_spans(frame)[0].decision_id
        )  # fmt: skip
    frames = parts(segment.frames)
    at = segment.frames.index(frame)
    place = at if work.rng.random() < OF_RECORDS else work.rng.randint(at + 1, len(frames) - segment.ended)
    frames.insert(place, (FrameKind.SPANS, frame.first_seq, count, encode_spans(forged)))
    work.write(segment.path, segment.written(frames))
    return _named(segment, f"a rival of row {frame.first_seq}", [frame])


OF_RECORDS = 0.5
"""Share of rivals that carry a record, and of those that come before what they are to displace."""


def truncate(work: Work, decides: bool) -> Mutation:
    """Cut a killed writer's last segment, where the first frame that goes is one of decisions, or behind the last of them."""
    segment = _segment(work, lambda one: one.is_last and not one.ended and bool(_cuts(one, decides)))
    first = work.rng.choice(_cuts(segment, decides))
    end = segment.frames[-1].end
    cut = work.rng.randrange(first.offset, first.end)
    data = segment.data[:cut]
    keeps_space = work.rng.random() < 0.5
    work.write(segment.path, data + bytes(len(segment.data) - cut if keeps_space else 0))
    gone = [frame for frame in segment.unread if frame.offset >= first.offset]
    return _named(segment, f"cut at {cut} of {end}", gone)


def _cuts(segment: Segment, decides: bool) -> list[Frame]:
    """Return the frames that a cut may begin in."""
    frames = segment.unread
    return [
        frame for at, frame in enumerate(frames)
        if (bool(decisions_in([frame])) if decides else not decisions_in(frames[at:]))
    ]  # fmt: skip


def set_back(work: Work) -> Mutation:
    """Put an older copy of a killed writer's last segment in its place: whole frames, and the last of them are not there."""
    segment = _segment(work, lambda one: one.is_last and not one.ended and bool(_cuts(one, decides=True)))
    first = work.rng.choice(_cuts(segment, decides=True))
    kept = [frame for frame in segment.frames if frame.offset < first.offset]
    work.write(segment.path, segment.written(parts(kept)))
    return _named(segment, f"as before row {first.first_seq}", [f for f in segment.unread if f.offset >= first.offset])


def fork(work: Work) -> Mutation:
    """Put other rows in the place of a killed writer's last decisions."""
    segment = _segment(work, lambda one: one.is_last and not one.ended and bool(_cuts(one, decides=True)))
    first = work.rng.choice(_cuts(segment, decides=True))
    gone = [frame for frame in segment.unread if frame.offset >= first.offset]
    at_ms = max(span.start_unix_nano for span in decode_spans(first)) // 1_000_000
    other = [measured(segment.writer, first.first_seq, at_ms, f"weavergen.{work.rng.getrandbits(32)}")]
    kept = parts([frame for frame in segment.frames if frame.offset < first.offset])
    work.write(segment.path, segment.written([*kept, (FrameKind.SPANS, first.first_seq, 1, encode_spans(other))]))
    return _named(segment, f"other rows from {first.first_seq} on", gone)


def replay_segment(work: Work) -> Mutation:
    """Give a segment's frames another segment behind it."""
    segment = _segment(work, lambda one: one.is_last and not one.ended)
    read = read_header(segment.data).header
    number = segment.number + 1 + work.rng.randrange(3)
    head = encode_header(SegmentHeader(read.writer_id, number, read.schema_version, read.nonce, read.certificate))
    again = Segment(segment.path, segment.writer, number, head, segment.frames, [], is_last=True, ended=False)
    work.write(segment.path.with_name(f"{number:08d}.wal"), again.written(parts(segment.frames)))
    return _named(segment, f"again as segment {number}", segment.unread)


def replay_decision(work: Work) -> Mutation:
    """Write a decision again, under the number that comes next, of the same writer or another."""
    _, frame = _deciding(work)
    return _appended(work, lambda *_: respanned(frame), f"row {frame.first_seq} again as")


def respanned(frame: Frame) -> list[Span]:
    """Return the spans of a frame."""
    return msgspec.msgpack.decode(frame.payload, type=list[Span])


def late(work: Work) -> Mutation:
    """Write a decision with the key of a writer whose certificate ended days ago."""
    writer = work.site.authority.writer(7_000 + work.rng.randrange(500), NOW_S - 9 * DAY_S)
    at_ms = (NOW_S - 9 * DAY_S + 60) * 1000
    spans = deciding(writer, 1, at_ms, work.site.authority.trust())
    write_segment(work, writer, [spans])
    return Mutation(f"row 1 of {writer.id}", words=frozenset({writer.id}))


def write_segment(work: Work, writer: WriterIdentity, frames: Sequence[list[Span]]) -> Path:
    """Write the first segment of a writer."""
    header = SegmentHeader(writer.id, 1, SPAN_SCHEMA_VERSION, bytes(16), canonical_json(writer.certificate))
    data, seq = encode_header(header), 1
    seed = read_header(data).seed
    for spans in frames:
        payload = encode_spans(spans)
        data += frame_header(FrameKind.SPANS, seq, len(spans), payload, len(data), seed) + payload
        seq += len(spans)
    path = Path("wal") / writer.id / "00000001.wal"
    work.write(path, data)
    return path


def resign(work: Work) -> Mutation:
    """Put another decision under the same number and id, signed with the writer's own key."""
    segment, frame = _deciding(work)
    writer = identity_of(work, segment.writer)

    def change(spans: list[Span]) -> list[Span]:
        at_ms = read_envelope(spans[0].record).read().issued_at
        other = envelope_of(writer, frame.first_seq, at_ms, work.site.authority.trust(), f"{work.rng.getrandbits(64)}")
        return [msgspec.structs.replace(spans[0], record=canonical_json(other)), *spans[1:]]

    _replaced(work, segment, frame, respan(frame, change))
    return _named(segment, f"row {frame.first_seq} signed again", [frame])


def sign_new(work: Work) -> Mutation:
    """Write a decision that nobody made, with the writer's own key."""

    def made(writer: WriterIdentity, seq: int, at_ms: int) -> list[Span]:
        return deciding(writer, seq, at_ms + work.rng.randrange(1000), work.site.authority.trust())

    return _appended(work, made, "new row")


def swap(work: Work) -> Mutation:
    """Let two segments change their places, of one writer or of two."""
    one = _segment(work, lambda _: True)
    other = work.rng.choice([segment for segment in work.layout.segments if segment.path != one.path])
    work.write(one.path, other.data)
    work.write(other.path, one.data)
    told = f"{one.path} and {other.path}"
    return Mutation(told, words=frozenset({one.writer, other.writer}), decisions=decisions_in(one.unread))


def flip(work: Work) -> Mutation:
    """Flip a bit of a frame that a later commit follows, or of the header."""
    segment = _segment(work, lambda one: len(one.frames) > 1 and one.unread[0] is not one.frames[-1])
    in_header = work.rng.random() < IN_HEADER
    begin = (0, segment.frames_at) if in_header else (segment.unread[0].offset, segment.frames[-1].offset)
    at = work.flip(segment.path, *begin)
    return _named(segment, f"bit at {at}", segment.unread)


def flip_last(work: Work) -> Mutation:
    """Flip a bit of the last frame of a killed writer whose last rows are a decision's."""
    segment = _segment(work, lambda one: one.is_last and not one.ended and bool(decisions_in(one.unread[-1:])))
    last = segment.frames[-1]
    at = work.flip(segment.path, last.offset, last.end)
    return _named(segment, f"bit at {at}", [last])


def roll_home_back(work: Work) -> Mutation:
    """Say what is lost when home is as it was before the last rows: the copy is of that moment."""
    kept = frozenset(row.decision for row in work.layout.rows if row.decision)
    there = frozenset().union(*(decisions_in(segment.unread) for segment in work.layout.segments)) | kept
    return Mutation(
        f"home as it was {work.layout.moment}", frozenset({-1}), decisions=frozenset(work.site.kept) - there
    )
