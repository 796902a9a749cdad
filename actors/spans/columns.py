"""The spans table: columns, types, and how spans become Arrow rows.

Rules:
- One row a span, under the names of the span contract; ids are fixed-size binary, times int64 nanoseconds, hot
  attributes dictionary-coded strings, the rest a map. What does not apply is null.
- ``log_index`` is the number of the sealed batch a row is in; null in rows from before there was a log.
- Every row has exactly one form. What is read back and is not what ``by_date`` makes of the same span ("" or −1 where null
  belongs, a key twice, another schema's URL) is refused: it would have the digest of a row that it is not.
- A row's partition is the UTC date its span began at; the partition column is not in the files.
- Of another service's span the message is the fact, and ``attributes``, ``events`` and ``schema_url`` are shown from it for
  whoever asks the table: they are no second word, for a row in which they say anything else is refused.

Left out: writing files and committing them (``adapters.table``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import accumulate, chain, repeat
from typing import Any, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from actors.base.errors import IntegrityError
from actors.spans.conventions import MAX_SCHEMA_VERSION, SCHEMA_URL, SCHEMA_URLS
from actors.spans.otlp.message import Shown, shown
from actors.spans.sequence import FIRST_SEQ, MAX_SEQ
from actors.spans.span import EXTERNAL_SINCE, Span, check_span, check_version

PARTITION = "date"
_DAY_NS = 86_400_000_000_000
_MAX_BYTES = 2**31 - 1
"""Of one column in one table: Arrow counts them in 32 bits."""
_WORD = pa.dictionary(pa.int32(), pa.string())
_MAP = pa.map_(pa.string(), pa.string())
_PINNED = pa.schema(
    [
        ("trace_id", pa.binary(16)),
        ("span_id", pa.binary(8)),
        ("parent_span_id", pa.binary(8)),
        ("name", _WORD),
        ("kind", _WORD),
        ("start_unix_nano", pa.int64()),
        ("end_unix_nano", pa.int64()),
        ("status", _WORD),
        ("writer_id", _WORD),
        ("writer_seq", pa.int64()),
        ("log_index", pa.int64()),
        ("decision_id", pa.string()),
        ("attributes", _MAP),
        ("voter", _WORD),
        ("family", _WORD),
        ("layer", _WORD),
        ("outcome", _WORD),
        ("latency_ms", pa.int64()),
        ("agreement", pa.float64()),
        ("answer_kind", _WORD),
        ("tenant", _WORD),
        ("record", pa.binary()),
        ("schema_url", _WORD),
        ("writer_schema_version", pa.int32()),
        ("sender", _WORD),
        ("otlp", pa.binary()),
        ("events", pa.list_(pa.struct([("time_unix_nano", pa.int64()), ("name", pa.string()), ("attributes", _MAP)]))),
    ]
)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Span).decode
_decode_all = msgspec.msgpack.Decoder(list[Span]).decode
_WORDS = ("name", "decision_id", "tenant", "voter", "family", "layer", "outcome", "answer_kind", "sender")


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive rows of one writer."""

    writer_id: str
    first_seq: int
    schema_version: int
    spans: Sequence[Span]
    log_index: int | None = None
    """Number of their batch in the log, once they have one."""


def pinned_schema() -> pa.Schema:
    """Return the schema of every file of the table, for whatever reads them. The partition column is not in it."""
    return _PINNED


def table_schema() -> pa.Schema:
    """Return the schema of the Delta table, which knows neither dictionaries nor fixed sizes; partition column last."""
    return pa.schema([*((field.name, _plain(field.type)) for field in _PINNED), (PARTITION, pa.date32())])


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return kind.value_type
    return pa.binary() if pa.types.is_fixed_size_binary(kind) else kind


def span_date(span: Span) -> date:
    """Return the UTC date a span began at."""
    return datetime.fromtimestamp(span.start_unix_nano // 1_000_000_000, UTC).date()


def by_date(rows: Sequence[Rows]) -> Iterator[tuple[date, pa.Table]]:
    """Turn rows into one Arrow table a date, oldest date first, rows in their order."""
    spans = [span for chunk in rows for span in chunk.spans]
    days = [span.start_unix_nano // _DAY_NS for span in spans]
    whose = list(chain.from_iterable(repeat(chunk, len(chunk.spans)) for chunk in rows))
    numbers = list(chain.from_iterable(range(one.first_seq, one.first_seq + len(one.spans)) for one in rows))
    if len(set(days)) == 1:
        yield span_date(spans[0]), _to_table(spans, whose, numbers)
        return
    for day in sorted(set(days)):
        chosen = [at for at, found in enumerate(days) if found == day]
        of_day = [spans[at] for at in chosen]
        yield span_date(of_day[0]), _to_table(of_day, [whose[at] for at in chosen], [numbers[at] for at in chosen])


def _to_table(spans: Sequence[Span], whose: Sequence[Rows], numbers: Sequence[int]) -> pa.Table:
    columns = _columns(spans, whose, numbers)
    arrays = [_array(columns[field.name], field.type) for field in _PINNED]
    return pa.Table.from_arrays(arrays, schema=_PINNED)


def _columns(spans: Sequence[Span], whose: Sequence[Rows], numbers: Sequence[int]) -> dict[str, list[Any]]:
    """Return the values of every column; of attributes, whole dicts."""
    return _own_columns(spans, whose, numbers) | _shown_columns(spans, whose)


def _own_columns(spans: Sequence[Span], whose: Sequence[Rows], numbers: Sequence[int]) -> dict[str, list[Any]]:
    """Return what is said of every row alike."""
    return {
        "trace_id": [span.trace_id for span in spans],
        "span_id": [span.span_id for span in spans],
        "parent_span_id": [span.parent_span_id or None for span in spans],
        "name": [span.name for span in spans],
        "kind": [span.kind for span in spans],
        "start_unix_nano": [span.start_unix_nano for span in spans],
        "end_unix_nano": [span.end_unix_nano for span in spans],
        "status": [span.status for span in spans],
        "writer_id": [chunk.writer_id for chunk in whose],
        "writer_seq": [*numbers],
        "log_index": [chunk.log_index for chunk in whose],
        "decision_id": [span.decision_id or None for span in spans],
        "voter": [span.voter or None for span in spans],
        "family": [span.family or None for span in spans],
        "layer": [span.layer or None for span in spans],
        "outcome": [span.outcome or None for span in spans],
        "latency_ms": [span.latency_ms if span.latency_ms >= 0 else None for span in spans],
        "agreement": [span.agreement if span.agreement >= 0 else None for span in spans],
        "answer_kind": [span.answer_kind or None for span in spans],
        "tenant": [span.tenant or None for span in spans],
        "record": [span.record or None for span in spans],
        "writer_schema_version": [chunk.schema_version for chunk in whose],
    }


def _shown_columns(spans: Sequence[Span], whose: Sequence[Rows]) -> dict[str, list[Any]]:
    """Return what other services' messages show where a row is one of theirs."""
    urls: list[str | None] = [SCHEMA_URLS.get(chunk.schema_version, SCHEMA_URL) for chunk in whose]
    attributes = [span.attributes for span in spans]
    messages = [span.otlp or None for span in spans]
    senders, events = [span.sender or None for span in spans], list[Any]([None]) * len(spans)
    for at, message in enumerate(messages):
        if message is not None:
            view = shown(message)
            urls[at], attributes[at], events[at] = view.schema_url or None, view.attributes, _events(view)
    return {"schema_url": urls, "attributes": attributes, "sender": senders, "otlp": messages, "events": events}


def _events(view: Shown) -> list[dict[str, Any]]:
    return [
        {"time_unix_nano": event.time_unix_nano, "name": event.name, "attributes": list(event.attributes.items())}
        for event in view.events
    ]


def rows_of(table: pa.Table) -> list[Rows]:
    """Turn Arrow rows back into spans, as they were before ``by_date``: one ``Rows`` a row, in the table's order.

    Raises ``IntegrityError`` naming batch, writer and number of a row that ``by_date`` never made.
    """
    try:
        given = {name: _listed(table[name]) for name in _PINNED.names}
    except ValueError as error:  # bytes that are no UTF-8 where words belong
        raise IntegrityError(f"{_batches(table)} cannot be read: {error}", "row") from error
    try:
        found = _all_rows(given)
    except (msgspec.MsgspecError, TypeError, ValueError, IntegrityError):  # one after another tells which it is
        found = [_row(dict(zip(given, values, strict=True))) for values in zip(*given.values(), strict=True)]
    made = _columns([rows.spans[0] for rows in found], found, [rows.first_seq for rows in found])
    made["attributes"] = [list(attributes.items()) for attributes in made["attributes"]]
    for name, values in made.items():
        if values != given[name]:
            place = next(at for at, value in enumerate(values) if value != given[name][at])
            row = {key: given[key][place] for key in _PLACE}
            raise IntegrityError(f"{_where(row)}: {name} is not in the form it is written in", "row")
    return found


def _listed(column: pa.ChunkedArray) -> list[Any]:
    """Return a column's values: words and ids as they are coded take ten times as long."""
    kind = column.type
    if pa.types.is_dictionary(kind) or pa.types.is_fixed_size_binary(kind):
        column = column.cast(_plain(kind))
    return cast("list[Any]", column.to_pylist())


def _all_rows(given: Mapping[str, list[Any]]) -> list[Rows]:
    """Read rows like ``_row`` does, column by column; whatever is wrong with one is an error that does not tell which."""
    writers, seqs, versions, indices = (
        given[name] for name in ("writer_id", "writer_seq", "writer_schema_version", "log_index")
    )
    numbered = [index for index in indices if index is not None]
    if not FIRST_SEQ <= min(seqs, default=FIRST_SEQ) <= max(seqs, default=FIRST_SEQ) <= MAX_SEQ:
        raise ValueError("a number is out of bounds")
    if not 0 <= min(versions, default=0) <= max(versions, default=0) <= MAX_SCHEMA_VERSION:
        raise ValueError("a schema is out of bounds")
    if None in writers or min(numbered, default=0) < 0:
        raise ValueError("whose a row is, or which batch's, is not said")
    spans = _decode_all(_encode(list(map(Span, *(_values_of(name, given) for name in Span.__struct_fields__)))))
    for span, version in zip(spans, versions, strict=True):
        check_span(span)
        if version < EXTERNAL_SINCE:
            check_version([span], version)
    return [Rows(*row) for row in zip(writers, seqs, versions, ([span] for span in spans), indices, strict=True)]


def _values_of(name: str, given: Mapping[str, list[Any]]) -> list[Any]:
    """Return the values of a span's field, as ``_span`` makes them."""
    values = given[name]
    if name == "attributes":
        return [
            {} if sender else dict(pairs) for sender, pairs in zip(given["sender"], values, strict=True)
        ]  # fmt: skip
    if name not in _NOTHING:
        return values
    nothing = _NOTHING[name]
    return [nothing if value is None else value for value in values]


_NOTHING: dict[str, Any] = dict.fromkeys(_WORDS, "") | {
    "parent_span_id": b"", "latency_ms": -1, "agreement": -1.0, "record": b"", "otlp": b""
}  # fmt: skip
_PLACE = ("log_index", "writer_seq", "writer_id")


def _row(row: dict[str, Any]) -> Rows:
    """Read one row; whatever is of another type or out of bounds is an ``IntegrityError``."""
    writer_id, seq, version, index = (
        row[name] for name in ("writer_id", "writer_seq", "writer_schema_version", "log_index")
    )
    try:
        if writer_id is None or seq is None or version is None:
            raise ValueError("whose row it is, which number or which schema is not said")
        if (
            not FIRST_SEQ <= seq <= MAX_SEQ
            or not 0 <= version <= MAX_SCHEMA_VERSION
            or (index is not None and index < 0)
        ):
            raise ValueError(f"number {seq}, schema {version} or batch {index} is out of bounds")
        span = _decode(_encode(_span(row)))  # a struct believes the types it is given, a decoder does not
        check_span(span)
        check_version([span], version)
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise IntegrityError(f"{_where(row)} cannot be read: {error}", "row") from error
    return Rows(writer_id, seq, version, [span], index)


def _batches(table: pa.Table) -> str:
    span = pc.min_max(table["log_index"]).as_py()
    return "rows of no batch" if span["min"] is None else f"rows of batches {span['min']} to {span['max']}"


def _where(row: dict[str, Any]) -> str:
    batch = "no batch" if row["log_index"] is None else f"batch {row['log_index']}"
    return f"row {row['writer_seq']} of {row['writer_id']} in {batch}"


def _span(row: dict[str, Any]) -> Span:
    words = {name: row[name] or "" for name in _WORDS}
    return Span(
        trace_id=row["trace_id"],
        span_id=row["span_id"],
        parent_span_id=row["parent_span_id"] or b"",
        kind=row["kind"],
        status=row["status"],
        start_unix_nano=row["start_unix_nano"],
        end_unix_nano=row["end_unix_nano"],
        attributes={} if row["sender"] else dict(row["attributes"]),
        latency_ms=-1 if row["latency_ms"] is None else row["latency_ms"],
        agreement=-1.0 if row["agreement"] is None else row["agreement"],
        record=row["record"] or b"",
        otlp=row["otlp"] or b"",
        **words,
    )


def prepare() -> None:
    """Have pyarrow load what it loads when it is first used: some tenths of a second that rows need not wait for."""
    pa.array([""])


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode()
    if kind == _MAP:
        return _maps(values)
    return _bytes(values) if kind == pa.binary() else pa.array(values, kind)


def _maps(values: Sequence[Mapping[str, str]]) -> pa.Array:
    """Return a column of maps: all keys, all items and where each row's begin, without a pair of Python for each of them."""
    ends = accumulate(map(len, values), initial=0)
    keys = list(chain.from_iterable(values))
    items = list(chain.from_iterable(one.values() for one in values))
    return pa.MapArray.from_arrays(
        pa.array(list(ends), pa.int32()), pa.array(keys, pa.string()), pa.array(items, pa.string()), type=_MAP
    )


def _bytes(values: Sequence[bytes | None]) -> pa.Array:
    """Return a column of bytes, put together at once: a builder that grows copies records several times."""
    if not any(values):
        return pa.array(values, pa.binary())
    lengths = [0 if value is None else len(value) for value in values]
    ends = np.cumsum([0, *lengths])
    if ends[-1] > _MAX_BYTES:
        return pa.array(values, pa.binary())
    there = np.packbits([value is not None for value in values], bitorder="little")
    parts = [there, ends.astype(np.int32), b"".join(value for value in values if value)]
    return pa.Array.from_buffers(pa.binary(), len(values), list(map(pa.py_buffer, parts)))
