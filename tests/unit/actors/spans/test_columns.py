"""Spans as rows of the table."""

from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from actors.base.errors import IntegrityError
from actors.spans import columns
from actors.spans.columns import Rows, by_date, pinned_schema, prepare, rows_of, span_date, table_schema
from actors.spans.conventions import SCHEMA_URL
from actors.spans.otlp.mapping import frame_of, row_of
from actors.spans.span import Span
from tests.unit.actors.spans.otlp.sent import NOW_NS, pair, request, sent
from tests.unit.actors.spans.telemetry import span, spans_from

DAY_NS = 86_400_000_000_000

CONTRACT_COLUMNS = {
    "trace_id", "span_id", "parent_span_id", "name", "kind", "start_unix_nano", "end_unix_nano", "status", "writer_id",
    "writer_seq", "log_index", "decision_id", "attributes", "voter", "family", "layer", "outcome", "latency_ms",
    "agreement", "answer_kind", "tenant", "date",
}  # fmt: skip


def test_the_schema_holds_every_column_of_the_contract() -> None:
    """The table has the promised columns; the files all of them but the partition column."""
    assert set(table_schema().names) >= CONTRACT_COLUMNS
    assert set(table_schema().names) - set(pinned_schema().names) == {"date"}
    assert pinned_schema().field("trace_id").type == pa.binary(16)
    assert pinned_schema().field("voter").type == pa.dictionary(pa.int32(), pa.string())


def test_every_field_of_a_span_reaches_its_column() -> None:
    """A span that uses every field is found again in its row."""
    full = span(
        7, b"envelope", parent_span_id=b"p" * 8, voter="v", family="f", layer="primary", outcome="agreed",
        latency_ms=12, agreement=0.75, answer_kind="code",
    )  # fmt: skip
    ((_, table),) = by_date([Rows("W", 7, 1, [full])])
    (row,) = table.to_pylist()
    own = {"writer_id": "W", "writer_seq": 7, "log_index": None, "schema_url": SCHEMA_URL, "writer_schema_version": 1}
    external = dict.fromkeys(("sender", "otlp", "events"))
    expected = {name: getattr(full, name) for name in full.__struct_fields__} | own | external
    assert {**row, "attributes": dict(row["attributes"])} == expected
    assert table.schema == pinned_schema()


def test_what_does_not_apply_is_null() -> None:
    """Empty strings, empty ids and −1 are not values."""
    ((_, table),) = by_date([Rows("W", 1, 1, [span(1, decision_id="", tenant="")])])
    (row,) = table.to_pylist()
    names = ("parent_span_id", "decision_id", "voter", "latency_ms", "agreement", "tenant", "record")
    assert {name: row[name] for name in names} == dict.fromkeys(names)


def test_rows_are_parted_by_the_date_their_span_began_at() -> None:
    """Rows around midnight UTC go to two tables, each in the order of its writers' sequences."""
    midnight = 20_000 * DAY_NS
    late = [span(seq, start_unix_nano=midnight + offset) for seq, offset in ((1, -1), (2, 0), (3, -2), (4, 5))]
    parts = list(by_date([Rows("W", 1, 1, late)]))
    assert [(day, table["writer_seq"].to_pylist()) for day, table in parts] == [
        (date(2024, 10, 3), [1, 3]),
        (date(2024, 10, 4), [2, 4]),
    ]
    assert [span_date(row) for row in late[:2]] == [date(2024, 10, 3), date(2024, 10, 4)]


def test_numbers_go_on_across_the_rows_of_a_chunk() -> None:
    """Chunks of several writers keep their own numbering."""
    ((_, table),) = by_date([Rows("A", 5, 1, spans_from(5, 2)), Rows("B", 1, 1, spans_from(1, 1))])
    assert list(zip(table["writer_id"].to_pylist(), table["writer_seq"].to_pylist(), strict=True)) == [
        ("A", 5), ("A", 6), ("B", 1),
    ]  # fmt: skip


def changed(**columns: Any) -> pa.Table:
    """Return the table of two rows of batch 3, with other values in some columns of the second."""
    ((_, table),) = by_date([Rows("W", 7, 1, spans_from(7, 2), 3)])
    rows = table.to_pylist()
    return pa.Table.from_pylist([rows[0], rows[1] | columns], schema=pinned_schema())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("attributes", [("gen_ai.request.model", "other"), ("gen_ai.request.model", "consensus"), ("seq", "8")]),
        ("attributes", [("seq", None)]), ("attributes", None), ("voter", ""),
        ("decision_id", ""), ("latency_ms", -1), ("agreement", -1.0), ("record", b""), ("schema_url", None),
        ("schema_url", ""), ("schema_url", "https://opentelemetry.io/schemas/gen-ai/1.43.0"), ("tenant", ""),
    ],
)  # fmt: skip
def test_what_is_read_back_has_one_form_only(column: str, value: object) -> None:
    """Nothing, empty and −1 are not the same row, nor is one with a key twice: it is refused, and its batch named."""
    assert len(rows_of(changed())) == 2
    with pytest.raises(IntegrityError, match="row 8 of W in batch 3"):
        rows_of(changed(**{column: value}))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *((name, None) for name in ("trace_id", "span_id", "name", "kind", "start_unix_nano", "end_unix_nano", "status")),
        ("writer_id", None), ("writer_seq", None), ("writer_seq", 0), ("writer_seq", 2**53), ("kind", "other"),
        ("writer_schema_version", None), ("writer_schema_version", -1), ("start_unix_nano", -1), ("agreement", -2.0),
        ("agreement", float("nan")), ("latency_ms", -2), ("log_index", -1),
    ],
)  # fmt: skip
def test_what_no_row_can_say_is_refused_and_named(column: str, value: object) -> None:
    """As damage of its batch, never as an error of another kind."""
    with pytest.raises(IntegrityError, match=r"row .* in batch (3|-1)"):
        rows_of(changed(**{column: value}))


def external() -> Span:
    """Return another service's row, with an attribute, an event and a schema."""
    event = {"time_unix_nano": NOW_NS, "name": "exception", "attributes": [pair("exception.type", "E")]}
    message = request(sent(attributes=[pair("http.route", "/cart"), pair("n", 5)], events=[event])).resource_spans[0]
    scope = message.scope_spans[0]
    return row_of(frame_of(message, scope), scope.spans[0], "key-1", "t-1")


def changed_external(**columns: Any) -> pa.Table:
    """Return the table of such a row, number 8 of batch 3, with other values in some columns."""
    ((_, table),) = by_date([Rows("W", 8, 2, [external()], 3)])
    (row,) = table.to_pylist()
    return pa.Table.from_pylist([row | columns], schema=pinned_schema())


def test_another_service_s_span_can_be_asked_for_in_the_table() -> None:
    """Attributes and events as text and the schema of their names, beside the message; nothing where only ours say something."""
    (row,) = changed_external().to_pylist()
    assert dict(row["attributes"]) == {"http.route": "/cart", "n": "5"}
    (event,) = row["events"]
    assert (event["time_unix_nano"], event["name"], dict(event["attributes"])) == (
        NOW_NS, "exception", {"exception.type": "E"},
    )  # fmt: skip
    assert (row["sender"], row["schema_url"], row["tenant"]) == ("key-1", "https://x.test/1", "t-1")
    assert rows_of(changed_external())[0].spans == [external()]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("attributes", [("http.route", "/other"), ("n", "5")]), ("attributes", []), ("attributes", None),
        ("events", None), ("events", []), ("events", [{"time_unix_nano": 1, "name": "exception", "attributes": []}]),
        ("schema_url", SCHEMA_URL), ("schema_url", None), ("sender", None), ("otlp", None), ("otlp", b"\xff"),
        ("decision_id", "01JD0000000000000000000000"), ("record", b"envelope"), ("voter", "m1"), ("outcome", "agreed"),
        ("latency_ms", 5), ("agreement", 0.5), ("writer_schema_version", 1), ("layer", "primary"),
        ("family", "f"), ("answer_kind", "code"),
    ],
)  # fmt: skip
def test_another_service_s_row_says_what_its_message_says_and_nothing_of_ours(column: str, value: object) -> None:
    """What is shown of a message is that, and no such row has a decision, a vote or a record, or passes for one of ours."""
    with pytest.raises(IntegrityError, match="row 8 of W in batch 3"):
        rows_of(changed_external(**{column: value}))


def test_a_row_of_ours_has_no_events_and_no_message() -> None:
    """Nor a sender: its digest of version 1 would not cover them."""
    for column, value in (("events", []), ("sender", "key-1"), ("otlp", b"x"), ("sender", "")):
        with pytest.raises(IntegrityError, match="row 8 of W in batch 3"):
            rows_of(changed(**{column: value}))


@pytest.mark.parametrize(
    "values", [[], [None], [b""], [b"", None, b"a" * 9, None, b"b"], [None] * 9 + [b"x"], [b"z"] * 17]
)
def test_bytes_are_put_together_as_pyarrow_does(values: list[bytes | None]) -> None:
    """Nothing, empty ones and nulls too."""
    made = columns._bytes(values)
    made.validate(full=True)
    assert made.equals(pa.array(values, pa.binary()))


def test_more_bytes_than_a_column_holds_are_pyarrow_s_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is cut."""
    monkeypatch.setattr(columns, "_MAX_BYTES", 3)
    assert columns._bytes([b"ab", b"cd"]).to_pylist() == [b"ab", b"cd"]


@pytest.mark.parametrize("values", [[], [{}], [{"b": "1", "a": "é"}, {}, {"b": ""}]])
def test_maps_are_put_together_as_pyarrow_does(values: list[dict[str, str]]) -> None:
    """Each in its own order."""
    kind = pa.map_(pa.string(), pa.string())
    made = columns._maps(values)
    made.validate(full=True)
    assert made.equals(pa.array([list(one.items()) for one in values], kind))


def test_nothing_is_made_ready_that_changes_a_row() -> None:
    """What pyarrow loads at first is loaded before."""
    prepare()
    ((_, table),) = by_date([Rows("W", 1, 1, [span(1)])])
    assert table.num_rows == 1
