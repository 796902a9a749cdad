"""Decisions as gateways write them: a frame of rows each, and what can be made of one."""

from collections.abc import Callable

import msgspec

from actors.base.canonical import canonical_json
from actors.base.certificates import Certificate, certify
from actors.base.ids import ulid
from actors.consensus.choosing import choose_served
from actors.consensus.records import build_record
from actors.consensus.telemetry import Trace, decision_spans, withheld_spans
from actors.consensus.vocabulary import State
from actors.spans import conventions as names
from actors.spans.columns import Rows
from actors.spans.record import DecisionRecord, WriterRef, read_envelope, seal
from actors.spans.span import Span
from tests.unit.actors.consensus.courses import run
from tests.unit.actors.consensus.panels import FAILS
from tests.unit.actors.consensus.test_replay import FACTS
from tests.unit.actors.consensus.test_replay_layers import course
from tests.unit.actors.spans.signed import WRITER_KEY
from tests.unit.actors.spans.telemetry import ISSUER, NOW_S, writer_id

NOW_NS = int(NOW_S * 1e9)
WRITER = writer_id(1)
CERTIFICATE = certify(
    ISSUER,
    Certificate("writer", WRITER, WRITER_KEY.public.hex, ISSUER.public.key_id, int(NOW_S) - 3600, int(NOW_S) + 3600),
)
Change = Callable[[DecisionRecord], DecisionRecord]


def trace_of(number: int) -> Trace:
    """Return the ids and times of decision ``number``."""
    name = ulid(int(NOW_S * 1000) + number, b"decision!!")
    began = NOW_NS + number * 1_000_000
    return Trace(name, number.to_bytes(16, "big"), b"", "tenant", began, began + 12_000_000, "consensus", "")


def same(record: DecisionRecord) -> DecisionRecord:
    """Change nothing."""
    return record


def frame(state: State, number: int = 1, first_seq: int = 1, change: Change = same, writer: str = WRITER) -> Rows:
    """Return the rows of a deliberation, as its gateway writes them; ``change`` makes another record, signed all the same."""
    trace = trace_of(number)
    facts = msgspec.structs.replace(
        FACTS, decision_id=trace.decision_id, tenant=trace.tenant, tie_salt=state.tie_salt, now_ms=trace.ended_ns // 10**6
    )  # fmt: skip
    made = build_record(state, choose_served(state, state.tie_salt), facts, WriterRef(writer, first_seq))
    root, *others = decision_spans(state, trace)
    return Rows(writer, first_seq, names.SPAN_SCHEMA_VERSION, [signed(root, change(made)), *others])


def taken_back(state: State, number: int, first_seq: int, writer: str = WRITER) -> Rows:
    """Return the row that says that an answer did not leave after all."""
    (row,) = withheld_spans(state, trace_of(number))
    record = msgspec.structs.replace(
        read_envelope(frame(state, number).spans[0].record).read(), result="withheld", writer=WriterRef(writer, first_seq)
    )  # fmt: skip
    return Rows(writer, first_seq, names.SPAN_SCHEMA_VERSION, [signed(row, record)])


def signed(row: Span, record: DecisionRecord) -> Span:
    """Return a row with that record, signed by the writer."""
    return msgspec.structs.replace(row, record=canonical_json(seal(record, WRITER_KEY, CERTIFICATE)))


def agreed() -> State:
    """Return a deliberation of three voters, two of which agree."""
    return run(course(("a", "b", "c"), does={"a": "Paris", "b": "Paris", "c": "London"}), "abc")


def failed_over() -> State:
    """Return one of two layers: of the first only one voter answers, whose answer counts in the second."""
    does = {"a": "Paris", "b": FAILS, "c": FAILS, "d": "Paris"}
    return run(course(("a", "b", "c"), ("a", "d"), does=does), "abcd")
