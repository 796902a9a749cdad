"""Runs, manifests and proofs of batches."""

import hashlib
from dataclasses import replace
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.base.canonical import canonical_json
from actors.base.errors import IntegrityError
from actors.spans.batch import FIELDS, manifest_of, proof_of, rest_digest, row_hashes, runs
from actors.spans.columns import Rows, by_date, rows_of
from actors.spans.conventions import SPAN_SCHEMA_VERSION
from actors.spans.log.checkpoint import origin, sign_checkpoint
from actors.spans.proof import read_manifest
from actors.spans.span import Span
from tests.unit.actors.spans.telemetry import NOW_S, Authority, span, spans_from, writer_id

NOW_MS = int(NOW_S * 1000)
W, V = writer_id(1), writer_id(2)
FULL = span(
    7, b"envelope", parent_span_id=b"p" * 8, voter="v", family="f", layer="primary", outcome="agreed", latency_ms=12,
    agreement=0.75, answer_kind="code", attributes={"z": "1", "a": ""},
)  # fmt: skip


def test_a_run_ends_where_a_number_is_missing_or_the_schema_changes() -> None:
    """Writers do not mix; what follows on is joined, whatever came between."""
    parts = [
        Rows(W, 1, 1, spans_from(1, 2)), Rows(V, 1, 1, spans_from(1, 1)), Rows(W, 3, 1, spans_from(3, 1)),
        Rows(W, 5, 1, spans_from(5, 1)), Rows(W, 6, 2, spans_from(6, 1)), Rows(V, 2, 1, []),
    ]  # fmt: skip
    found = [(run.writer_id, run.first_seq, len(run.spans), run.schema_version) for run in runs(parts)]
    assert found == [(W, 1, 3, 1), (W, 5, 1, 1), (W, 6, 1, 2), (V, 1, 1, 1)]
    assert [row.attributes for row in runs(parts)[0].spans] == [row.attributes for row in spans_from(1, 3)]


@pytest.mark.parametrize("row", [span(7), FULL, span(7, decision_id="", tenant="", latency_ms=0, agreement=0.0)])
def test_a_row_s_digest_is_the_same_before_the_table_and_behind_it(row: Span) -> None:
    """What was sealed can be recomputed from the table, to the bit."""
    before = Rows(W, 7, 1, [row], 3)
    ((_, table),) = by_date([before])
    (after,) = rows_of(table)
    assert after == before
    assert row_hashes(after) == row_hashes(before)


class Wider(Span, frozen=True, array_like=True):
    """What ``Span`` may be one day."""

    later: str = ""


def test_the_digest_of_a_row_of_schema_1_never_changes() -> None:
    """What was sealed years ago still checks; a field that ``Span`` gets needs a version of its own."""
    assert rest_digest(FULL, 1).hex() == "2e2fcd242852a0c3d338623b3a1a3acaeddd0494478ad0baca9ffa9313cabdca"
    assert (
        row_hashes(Rows(W, 7, 1, [FULL]))[0].hex() == "a58c1f62a14e36219d83a9ad067a96caf9320dac12b9af9ddc625dae50ce1d4c"
    )
    wider = Wider(**{name: getattr(FULL, name) for name in FULL.__struct_fields__})
    assert rest_digest(wider, 1) == rest_digest(FULL, 1)
    with pytest.raises(IntegrityError, match="version 1"):
        rest_digest(msgspec.structs.replace(FULL, sender="key-1"), 1)
    assert rest_digest(wider, SPAN_SCHEMA_VERSION) == rest_digest(FULL, SPAN_SCHEMA_VERSION)
    assert FIELDS[SPAN_SCHEMA_VERSION] == Span.__struct_fields__
    assert set(FIELDS) == set(range(1, SPAN_SCHEMA_VERSION + 1))


def test_a_span_packs_like_the_list_of_its_fields() -> None:
    """Its record left out: what is digested as it stands is what is digested field by field."""
    row = msgspec.structs.replace(FULL, sender="key-1", otlp=b"message")
    for one in (row, FULL, span(7)):
        fields = [b"" if name == "record" else getattr(one, name) for name in FIELDS[SPAN_SCHEMA_VERSION]]
        expected = hashlib.sha256(msgspec.msgpack.encode(fields)).digest()
        assert rest_digest(one, SPAN_SCHEMA_VERSION) == expected
        wider = Wider(**{name: getattr(one, name) for name in one.__struct_fields__}, later="more")
        assert row_hashes(Rows(W, 7, SPAN_SCHEMA_VERSION, [one, wider]))[0] == row_hashes(Rows(W, 7, 2, [one]))[0]
        assert rest_digest(wider, SPAN_SCHEMA_VERSION) == expected


@given(st.data())
def test_any_difference_of_a_row_is_another_digest(data: st.DataObject) -> None:
    """Every field counts, and so do the row's writer, number and schema."""
    field = data.draw(st.sampled_from(FIELDS[1]))
    value = getattr(FULL, field)
    changed = {
        str: lambda: value + "x", bytes: lambda: bytes([value[0] ^ 1]) + value[1:], int: lambda: value + 1,
        float: lambda: value / 2, dict: lambda: value | {"a": "2"},
    }[type(value)]()  # fmt: skip
    rows = Rows(W, 7, 1, [FULL])
    others = [
        replace(rows, spans=[msgspec.structs.replace(FULL, **{field: changed})]), replace(rows, writer_id=V),
        replace(rows, first_seq=8), replace(rows, schema_version=2),
    ]  # fmt: skip
    assert all(row_hashes(other) != row_hashes(rows) for other in others)


def test_a_manifest_says_which_rows_and_when() -> None:
    """The batch's leaf is its canonical JSON; a batch of no rows is none."""
    manifest = manifest_of(Rows(W, 5, 1, spans_from(5, 3)))
    assert (manifest.first_seq, manifest.last_seq, manifest.count) == (5, 7, 3)
    assert manifest.first_unix_ms == NOW_MS
    assert read_manifest(canonical_json(manifest)) == manifest
    assert read_manifest(canonical_json(msgspec.structs.replace(manifest, schema_version=2**32 - 1)))
    impossible: list[dict[str, object]] = [
        {"last_seq": 4}, {"first_seq": 0}, {"last_seq": 2**53}, {"schema_version": -1}, {"schema_version": 2**32},
        {"writer_id": W.lower()}, {"writer_id": W + "0"},
    ]  # fmt: skip
    for changes in impossible:
        with pytest.raises(IntegrityError):
            read_manifest(canonical_json(msgspec.structs.replace(manifest, **changes)))


@pytest.mark.parametrize(
    "changes", [{"first_seq": 0}, {"first_seq": 2**53}, {"schema_version": -1}, {"schema_version": 2**32},
                {"writer_id": W + "0"}, {"writer_id": "é" * 26}]
)  # fmt: skip
def test_a_row_without_a_possible_place_has_no_digest(changes: dict[str, Any]) -> None:
    """It would be cut to one that another row has, or be no error of ours."""
    with pytest.raises(IntegrityError, match="is none"):
        row_hashes(replace(Rows(W, 7, 1, [FULL]), **changes))


def test_a_row_that_is_in_no_batch_cannot_be_proven() -> None:
    """Neither outside the batch's numbers nor before the batch has one."""
    batch = Rows(W, 5, 1, spans_from(5, 1), 0)
    authority = Authority()
    checkpoint = sign_checkpoint(authority.key(), origin(authority.trust()), 1, bytes(32), NOW_MS)
    for rows, seq in ((batch, 6), (batch, 4), (replace(batch, log_index=None), 5)):
        with pytest.raises(IntegrityError, match="no sealed batch"):
            proof_of(rows, seq, b"", [], checkpoint)


def test_rows_without_a_number_keep_none() -> None:
    """Rows from before there was a log are still rows."""
    ((_, table),) = by_date([Rows(W, 1, 1, [span(1)])])
    assert table["log_index"].null_count == 1
    assert rows_of(table)[0].log_index is None
    assert isinstance(table, pa.Table)
