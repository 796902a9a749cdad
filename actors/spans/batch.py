"""From rows to sealed batches: runs, digests, manifests.

Rules:
- A batch is a run of consecutive rows of one writer that went into the table together; its number in the log is the rows'
  ``log_index``.
- What a row says beside its decision envelope is digested as the msgpack of the fields that ``Span`` has in the row's
  schema version, the envelope empty: what the table holds turns back into the same bytes (``columns.rows_of``), and a field
  that a later version adds changes no digest of a row from before it.

Left out: how rows, batches and checkpoints are proven (``proof``), files (``adapters.log``).
"""

import hashlib
from collections.abc import Container, Iterable, Sequence
from typing import Any, Final

import msgspec

from actors.base.canonical import b64
from actors.base.errors import IntegrityError
from actors.spans.columns import Rows
from actors.spans.conventions import SPAN_SCHEMA_VERSION
from actors.spans.log.checkpoint import SignedCheckpoint
from actors.spans.log.entry_proof import EntryProof
from actors.spans.merkle import inclusion_path, leaf_hashes, tree_root
from actors.spans.proof import InclusionProof, Manifest, rows_data
from actors.spans.span import Span, check_version

_encode = msgspec.msgpack.Encoder().encode


FIELDS: Final[dict[int, tuple[str, ...]]] = {
    1: (
        "trace_id", "span_id", "parent_span_id", "name", "kind", "start_unix_nano", "end_unix_nano", "status",
        "decision_id", "tenant", "attributes", "voter", "family", "layer", "outcome", "latency_ms", "agreement",
        "answer_kind", "record",
    ),
    2: (
        "trace_id", "span_id", "parent_span_id", "name", "kind", "start_unix_nano", "end_unix_nano", "status",
        "decision_id", "tenant", "attributes", "voter", "family", "layer", "outcome", "latency_ms", "agreement",
        "answer_kind", "record", "sender", "otlp",
    ),
}  # fmt: skip
"""Version of ``Span`` → its fields, in the order they are digested. Sealed rows rest on it: lines are only ever added."""


def rest_digest(span: Span, schema_version: int) -> bytes:
    """Digest all that a row says beside its envelope, as a row of that version of ``Span``.

    Raises ``IntegrityError`` where it says what a row of that version cannot.
    """
    (digest,) = _rest_digests([span], schema_version)
    return digest


def _rest_digests(spans: Sequence[Span], schema_version: int) -> list[bytes]:
    try:
        check_version(spans, schema_version)
    except ValueError as error:
        raise IntegrityError(str(error), "row") from error
    fields = FIELDS.get(schema_version, FIELDS[SPAN_SCHEMA_VERSION])
    said: Iterable[Any]
    # As it stands a span packs like the list of its fields.
    if fields == Span.__struct_fields__ and {type(span) for span in spans} == {Span}:
        said = (msgspec.structs.replace(span, record=b"") if span.record else span for span in spans)
    else:
        said = ([b"" if name == "record" else getattr(span, name) for name in fields] for span in spans)
    return [hashlib.sha256(packed).digest() for packed in map(_encode, said)]


def row_hashes(rows: Rows) -> list[bytes]:
    """Return the leaf hash of each row."""
    rest = _rest_digests(rows.spans, rows.schema_version)
    envelopes = [span.record for span in rows.spans]
    return leaf_hashes(rows_data(rows.writer_id, rows.first_seq, rows.schema_version, envelopes, rest))


def manifest_of(rows: Rows) -> Manifest:
    """Return the manifest of a run of rows."""
    return Manifest(
        schema="weavergen.batch/1",
        writer_id=rows.writer_id,
        first_seq=rows.first_seq,
        last_seq=rows.first_seq + len(rows.spans) - 1,
        rows_root=tree_root(row_hashes(rows)).hex(),
        schema_version=rows.schema_version,
        first_unix_ms=min([span.start_unix_nano for span in rows.spans]) // 1_000_000,
        last_unix_ms=max([span.end_unix_nano for span in rows.spans]) // 1_000_000,
    )


def proof_of(
    batch: Rows, seq: int, manifest: bytes, leaf_path: Sequence[bytes], checkpoint: SignedCheckpoint
) -> InclusionProof:
    """Prove row ``seq`` of a sealed batch, whose canonical manifest is a leaf with ``leaf_path`` under the checkpoint.

    Raises ``IntegrityError`` if the batch has no such row. Whether the proof holds is for whoever checks it to find.
    """
    place = seq - batch.first_seq
    if batch.log_index is None or not 0 <= place < len(batch.spans):
        raise IntegrityError(f"row {seq} of {batch.writer_id} is in no sealed batch", "inclusion")
    return InclusionProof(
        rest_sha256=rest_digest(batch.spans[place], batch.schema_version).hex(),
        row_path=[item.hex() for item in inclusion_path(place, row_hashes(batch))],
        manifest=b64(manifest),
        log_proof=EntryProof(batch.log_index, tuple(leaf_path), checkpoint).text,
    )


def runs(rows: Iterable[Rows]) -> list[Rows]:
    """Join what follows on one another into runs: same writer, same schema, no number missing between them."""
    joined: dict[str, list[list[Rows]]] = {}
    for part in rows:
        if not part.spans:
            continue
        of_writer = joined.setdefault(part.writer_id, [])
        if of_writer and _follows(of_writer[-1][-1], part):
            of_writer[-1].append(part)
        else:
            of_writer.append([part])
    return [_joined(parts) for of_writer in joined.values() for parts in of_writer]


def without(rows: Rows, numbers: Container[int]) -> list[Rows]:
    """Return the runs that are left of consecutive rows when those with these numbers are taken out."""
    kept = [(seq, span) for seq, span in enumerate(rows.spans, rows.first_seq) if seq not in numbers]
    return runs(Rows(rows.writer_id, seq, rows.schema_version, [span]) for seq, span in kept)


def _follows(before: Rows, part: Rows) -> bool:
    goes_on = part.first_seq == before.first_seq + len(before.spans)
    return goes_on and part.schema_version == before.schema_version


def _joined(parts: Sequence[Rows]) -> Rows:
    spans = [span for part in parts for span in part.spans]
    return Rows(parts[0].writer_id, parts[0].first_seq, parts[0].schema_version, spans)
