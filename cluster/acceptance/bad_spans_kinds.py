"""Kinds of bad spans: real decisions' rows, each changed in one way that no system in order makes. Pure.

Rules:
- An instance is frames of one writer of the campaign's own, whose certificate the home's issuer gave: the attacker who holds a
  writer's key. Where a record is changed it is signed again with that key; where only rows beside it are, the record stays.
- What is bad of an instance is told by row numbers, from before anything is judged.
- Nothing here knows what any checker looks for: a kind is what is done to rows.

Left out: changes that no single frame shows (``bad_spans_shifts``), and bytes that are no rows (segments, tables, the log), which
other campaigns change.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from msgspec.structs import replace

from actors.base.canonical import canonical_json
from actors.base.certificates import SignedCertificate
from actors.base.signing import SigningKey
from actors.spans import conventions as names
from actors.spans.columns import Rows
from actors.spans.counters import WriterCounts, counters_span
from actors.spans.record import BallotEntry, DecisionRecord, WriterRef, read_envelope, seal
from actors.spans.span import Span

_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Forger:
    """A writer whose key the attacker has."""

    id: str
    key: SigningKey
    certificate: SignedCertificate

    def frame(
        self, spans: Sequence[Span], seq: int, change: Callable[[DecisionRecord], DecisionRecord] | None = None
    ) -> list[Span]:
        """Return a decision's rows as this writer would have written them from row ``seq`` on, with a changed record if asked."""
        root, *others = spans
        record = replace(read_envelope(root.record).read(), writer=WriterRef(self.id, seq))
        sealed = seal(change(record) if change else record, self.key, self.certificate)
        return [replace(root, record=canonical_json(sealed)), *others]


@dataclass(frozen=True, slots=True)
class Instance:
    """One example of a kind."""

    frames: list[Rows]
    bad: frozenset[int]
    """Numbers of rows of which at least one must be set aside."""


@dataclass(frozen=True, slots=True)
class Source:
    """What instances are made from."""

    forger: Forger
    first_seq: int
    decisions: Sequence[Sequence[Span]]
    """Two decisions' rows or more, root first."""
    random: Random

    def rows(self, spans: Sequence[Span], seq: int | None = None) -> Rows:
        """Return rows of the forger's."""
        return Rows(self.forger.id, self.first_seq if seq is None else seq, names.SPAN_SCHEMA_VERSION, list(spans))


Maker = Callable[[Source], Instance]


def of_frame(change: Callable[[list[Span], Random], list[Span]]) -> Maker:
    """Change rows of one decision's frame, after it was signed."""

    def make(source: Source) -> Instance:
        whole = source.forger.frame(source.decisions[0], source.first_seq)
        spans = change(whole, source.random)
        return Instance([source.rows(spans)], frozenset(range(source.first_seq, source.first_seq + len(spans))))

    return make


def of_record(change: Callable[[DecisionRecord, Random], DecisionRecord]) -> Maker:
    """Change the record, and sign it again."""

    def make(source: Source) -> Instance:
        spans = source.forger.frame(source.decisions[0], source.first_seq, lambda record: change(record, source.random))
        return Instance([source.rows(spans)], frozenset(range(source.first_seq, source.first_seq + len(spans))))

    return make


def _at(spans: list[Span], places: list[int], random: Random, change: Callable[[Span], Span]) -> list[Span]:
    place = random.choice(places)
    return [*spans[:place], change(spans[place]), *spans[place + 1 :]]


def root(change: Callable[[Span], Span]) -> Maker:
    """Change the root."""
    return of_frame(lambda spans, _: [change(spans[0]), *spans[1:]])


def layer(change: Callable[[Span], Span]) -> Maker:
    """Change one layer's row."""
    return of_frame(lambda spans, random: _at(spans, _layers(spans), random, change))


def voter(change: Callable[[Span], Span]) -> Maker:
    """Change one voter's row."""
    return of_frame(lambda spans, random: _at(spans, _voters(spans), random, change))


def _layers(spans: Sequence[Span]) -> list[int]:
    return [place for place, span in enumerate(spans) if span.name == names.LAYER]


def _voters(spans: Sequence[Span]) -> list[int]:
    return [place for place, span in enumerate(spans) if span.voter]


def _dropped(places: Callable[[Sequence[Span]], list[int]]) -> Maker:
    def change(spans: list[Span], random: Random) -> list[Span]:
        place = random.choice(places(spans))
        return [*spans[:place], *spans[place + 1 :]]

    return of_frame(change)


def _doubled(places: Callable[[Sequence[Span]], list[int]]) -> Maker:
    def change(spans: list[Span], random: Random) -> list[Span]:
        return [*spans, replace(spans[random.choice(places(spans))], span_id=random.randbytes(8))]

    return of_frame(change)


def _attribute(name: str, value: str) -> Callable[[Span], Span]:
    return lambda span: replace(span, attributes=span.attributes | {name: value})


def _moved(by_ns: int) -> Callable[[Span], Span]:
    return lambda span: replace(
        span, start_unix_nano=span.start_unix_nano + by_ns, end_unix_nano=span.end_unix_nano + by_ns
    )


def _flipped(span: Span) -> Span:
    return replace(span, outcome="dissented" if span.outcome == "agreed" else "agreed", status="ok")


def _slower(span: Span) -> Span:
    return replace(span, latency_ms=span.latency_ms + 250, end_unix_nano=span.end_unix_nano + 250_000_000)


def _bit_flipped(spans: list[Span], random: Random) -> list[Span]:
    data = bytearray(spans[0].record)
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return [replace(spans[0], record=bytes(data)), *spans[1:]]


def _unsigned(spans: list[Span], _: Random) -> list[Span]:
    """Put another record into the envelope and leave the signature."""
    envelope = read_envelope(spans[0].record)
    changed = replace(envelope.read(), degraded=not envelope.read().degraded)
    other = seal(changed, SigningKey.from_seed(b"o" * 32), envelope.certificates[0])
    return [replace(spans[0], record=canonical_json(replace(other, signature=envelope.signature))), *spans[1:]]


def _stranger(spans: list[Span], _: Random) -> list[Span]:
    envelope = read_envelope(spans[0].record)
    other = seal(envelope.read(), SigningKey.from_seed(b"o" * 32), envelope.certificates[0])
    return [replace(spans[0], record=canonical_json(other)), *spans[1:]]


def _other_row(source: Source) -> Instance:
    """Write a decision that was signed for another row."""
    spans = source.forger.frame(source.decisions[0], source.first_seq + 7)
    return Instance([source.rows(spans)], frozenset(range(source.first_seq, source.first_seq + len(spans))))


def _other_s_record(source: Source) -> Instance:
    """Put the record of one decision on the root of another."""
    mine = source.forger.frame(source.decisions[0], source.first_seq)
    other = source.forger.frame(source.decisions[1], source.first_seq)
    spans = [replace(mine[0], record=other[0].record), *mine[1:]]
    return Instance([source.rows(spans)], frozenset(range(source.first_seq, source.first_seq + len(spans))))


def _twice(source: Source) -> Instance:
    """Write a decision again, signed for its new place."""
    first = source.forger.frame(source.decisions[0], source.first_seq)
    seq = source.first_seq + len(first)
    again = [
        replace(span, span_id=source.random.randbytes(8)) for span in source.forger.frame(source.decisions[0], seq)
    ]
    root_id = again[0].span_id
    layers = {span.layer: span.span_id for span in again if span.name == names.LAYER}
    again = [again[0], *(_hung(span, root_id, layers) for span in again[1:])]
    bad = frozenset(range(source.first_seq, seq + len(again)))
    return Instance([source.rows(first), source.rows(again, seq)], bad)


def _hung(span: Span, root_id: bytes, layers: Mapping[str, bytes]) -> Span:
    return replace(span, parent_span_id=layers[span.layer] if span.voter else root_id)


def _counted(source: Source, change: Callable[[list[list[Span]]], list[list[Span]]]) -> Instance:
    """Count three decisions, then change what is written of them and number it anew; the row of counts comes last."""
    counts, seq, frames = WriterCounts(), source.first_seq, list[list[Span]]()
    for decision in source.decisions[:3]:
        frames.append(list(decision))
        counts.built(seq, decision)
        seq += len(decision)
    told = counters_span(
        counts.before(seq), bytes(16), source.random.randbytes(8), source.decisions[2][0].end_unix_nano
    )
    rows, at = list[Rows](), source.first_seq
    for frame in change(frames):
        rows.append(source.rows(source.forger.frame(frame, at), at))
        at += len(frame)
    rows.append(source.rows([told], at))
    return Instance(rows, frozenset({at}))


def _taken_out(source: Source) -> Instance:
    return _counted(source, lambda frames: [frames[0], frames[2]])


def _put_in(source: Source) -> Instance:
    extra = list(source.decisions[3])
    return _counted(source, lambda frames: [*frames[:1], extra, *frames[1:]])


def _other_winner(record: DecisionRecord, _: Random) -> DecisionRecord:
    return replace(record, tally=replace(record.tally, winner=record.tally.winner + 1))


def _more_support(record: DecisionRecord, random: Random) -> DecisionRecord:
    return replace(record, tally=replace(record.tally, support=f"0.{random.randrange(100_000, 660_000):06d}"))


def _ballot(change: Callable[[BallotEntry], BallotEntry]) -> Maker:
    def changed(record: DecisionRecord, random: Random) -> DecisionRecord:
        place = random.randrange(len(record.ballots))
        ballots = list(record.ballots)
        ballots[place] = change(ballots[place])
        return replace(record, ballots=ballots)

    return of_record(changed)


def _more_lineages(record: DecisionRecord, _: Random) -> DecisionRecord:
    return replace(record, tally=replace(record.tally, lineages=record.tally.lineages + 3))


def _other_result(record: DecisionRecord, _: Random) -> DecisionRecord:
    return replace(record, result="no_consensus" if record.result == "answered" else "answered")


def _turned(ballot: BallotEntry) -> BallotEntry:
    return replace(ballot, outcome="dissented" if ballot.outcome == "agreed" else "agreed")


def _actor_s(spans: list[Span], random: Random) -> list[Span]:
    name = random.choice([names.WAL_ADOPTED, names.WAL_DAMAGED, names.ROW_QUARANTINED])
    return [*spans, replace(spans[1], name=name, decision_id="")]


KINDS: Mapping[str, Maker] = {
    "record: one bit flipped": of_frame(_bit_flipped),
    "record: changed, signature kept": of_frame(_unsigned),
    "record: signed by a stranger": of_frame(_stranger),
    "record: of another row": _other_row,
    "record: of another decision": _other_s_record,
    "record: removed": root(lambda s: replace(s, record=b"")),
    "record: another group won, signed again": of_record(_other_winner),
    "record: another support, signed again": of_record(_more_support),
    "record: more lineages, signed again": of_record(_more_lineages),
    "record: another result, signed again": of_record(_other_result),
    "record: another answer, signed again": of_record(lambda r, x: replace(r, answer_sha256=x.randbytes(32).hex())),
    "record: another tenant, signed again": of_record(lambda r, _: replace(r, tenant="0" * 32)),
    "record: a ballot of a stranger, signed again": _ballot(lambda b: replace(b, voter=f"{b.voter}-x")),
    "record: a ballot turned, signed again": _ballot(_turned),
    "record: a ballot's latency, signed again": _ballot(lambda b: replace(b, latency_ms=b.latency_ms + 40)),
    "record: a ballot's candidate, signed again": _ballot(lambda b: replace(b, candidate_sha256="0" * 64)),
    "root: another outcome": root(lambda s: replace(s, outcome="deadline")),
    "root: another agreement": root(lambda s: replace(s, agreement=s.agreement / 2 + 0.01)),
    "root: another tenant": root(lambda s: replace(s, tenant="0" * 32)),
    "root: another kind of answer": root(lambda s: replace(s, answer_kind="json")),
    "root: another latency": root(lambda s: replace(s, latency_ms=s.latency_ms + 90)),
    "root: dropped": of_frame(lambda spans, _: spans[1:]),
    "root: another decision's name": root(lambda s: replace(s, decision_id="7" + s.decision_id[1:])),
    "layer: another outcome": layer(lambda s: replace(s, outcome="screened_out")),
    "layer: another agreement": layer(lambda s: replace(s, agreement=s.agreement / 2 + 0.01)),
    "layer: another parent": layer(lambda s: replace(s, parent_span_id=b"elsewher")),
    "layer: doubled": _doubled(_layers),
    "layer: dropped": _dropped(_layers),
    "voter: another outcome": voter(_flipped),
    "voter: another latency": voter(_slower),
    "voter: another voter's name": voter(lambda s: replace(s, voter="somebody", name="chat somebody")),
    "voter: another family": voter(lambda s: replace(s, family="somebody")),
    "voter: another lineage": voter(_attribute(names.LINEAGE, "somebody")),
    "voter: another candidate": voter(_attribute(names.CANDIDATE_SHA256, "0" * 64)),
    "voter: another layer": voter(lambda s: replace(s, layer="elsewhere")),
    "voter: another kind of answer": voter(lambda s: replace(s, answer_kind="json")),
    "voter: another trace": voter(lambda s: replace(s, trace_id=b"another trace id")),
    "voter: another decision's": voter(lambda s: replace(s, decision_id="7" + s.decision_id[1:])),
    "voter: dropped": _dropped(_voters),
    "voter: doubled": _doubled(_voters),
    "voter: all dropped": of_frame(lambda spans, _: [span for span in spans if not span.voter]),
    "voter: a ballot as a client's word": of_frame(
        lambda spans, _: [*spans, replace(spans[_voters(spans)[0]], name=names.FEEDBACK, span_id=b"feedback")]
    ),
    "times: ended before it began": voter(lambda s: replace(s, start_unix_nano=s.end_unix_nano + 1_000_000)),
    "times: of a voter outside its decision": voter(_moved(40 * _S)),
    "times: an hour ahead": of_frame(lambda spans, _: [_moved(3_600 * _S)(span) for span in spans]),
    "times: ten days before its writer began": of_frame(lambda spans, _: [_moved(-864_000 * _S)(span) for span in spans]),
    "times: a day long": root(lambda s: replace(s, end_unix_nano=s.end_unix_nano + 86_400 * _S)),
    "names: a row that only the actor enters": of_frame(_actor_s),
    "names: a row that decisions do not have": of_frame(
        lambda spans, _: [*spans, replace(spans[1], name="weavergen.other", span_id=b"anything")]
    ),
    "decision: written twice": _twice,
    "decision: taken out, the rest numbered anew": _taken_out,
    "decision: put in, the rest numbered anew": _put_in,
}  # fmt: skip
"""What is done → how."""
