"""Leaves and inclusion proofs of the transparency log, as anyone checks them.

Rules:
- A leaf of the log is the canonical JSON of the manifest of one sealed batch: a run of consecutive rows of one writer.
- A row's digest data is its writer, number, schema version, the SHA-256 of its decision envelope's bytes (of nothing where
  it has none) and the SHA-256 of all else in it. So one decision can be proven without showing what else the row says.
- Rows of a batch, and batches of the log, are RFC 6962 trees (``merkle``).
- From batch to checkpoint a proof is a text of C2SP's (``log.entry_proof``), which others' tools read as it stands.

Left out: making batches (``batch``), files (``adapters.log``), what a checkpoint is (``log.checkpoint``).
"""

import hashlib
import re
import struct
from collections.abc import Sequence
from typing import Literal

import msgspec

from actors.base.canonical import decode, unb64
from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError
from actors.base.ids import is_ulid
from actors.spans.conventions import MAX_SCHEMA_VERSION
from actors.spans.log.checkpoint import Checkpoint
from actors.spans.log.entry_proof import MAX_PATH, EntryProof, read_proof
from actors.spans.log.note import NoteKey
from actors.spans.merkle import HASH_BYTES, leaf_hash, root_of_path
from actors.spans.sequence import FIRST_SEQ, MAX_SEQ

_ROW = struct.Struct(">26sQI32s32s")
_OF_NOTHING = hashlib.sha256(b"").digest()
_NUMBER = rb"(0|[1-9][0-9]{0,14})"
_PLAIN = re.compile(
    rb'\{"first_seq":%b,"first_unix_ms":%b,"last_seq":%b,"last_unix_ms":%b,"rows_root":"([0-9a-f]{64})",'
    rb'"schema":"weavergen\.batch/1","schema_version":%b,"writer_id":"([0-9A-Z]{26})"\}' % ((_NUMBER,) * 5),
)
"""What nearly every leaf looks like: canonical as it stands, for all of it is ASCII and its numbers are below 2^53."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One leaf of the log: which rows, under which root, of which time."""

    schema: Literal["weavergen.batch/1"]
    writer_id: str
    first_seq: int
    last_seq: int
    rows_root: str
    """RFC 6962 root over the rows' digest data, hex."""
    schema_version: int
    """Version of ``Span`` the rows were written in."""
    first_unix_ms: int
    """When the earliest of the rows began."""
    last_unix_ms: int
    """When the latest of the rows ended."""

    @property
    def count(self) -> int:
        """Return how many rows it holds."""
        return self.last_seq - self.first_seq + 1


class InclusionProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That a row with this decision's envelope is in the log: from the row to its batch, from there to a checkpoint."""

    rest_sha256: str
    """SHA-256 of what the row says beside the envelope, hex."""
    row_path: list[str]
    manifest: str
    """The batch's canonical manifest, strict base64."""
    log_proof: str
    """That this manifest is a leaf of the log: a ``tlog-proof``, with the checkpoint that it leads to."""

    @property
    def entry(self) -> EntryProof:
        """Return the proof from the batch on; raise ``IntegrityError`` if it is none."""
        return read_proof(self.log_proof)


def row_data(writer_id: str, seq: int, schema_version: int, envelope: bytes, rest: bytes) -> bytes:
    """Return a row's digest data; raise ``IntegrityError`` where no row can have such a place."""
    (data,) = rows_data(writer_id, seq, schema_version, [envelope], [rest])
    return data


def rows_data(
    writer_id: str, first_seq: int, schema_version: int, envelopes: Sequence[bytes], rests: Sequence[bytes]
) -> list[bytes]:
    """Return the digest data of consecutive rows; raise ``IntegrityError`` where no row can have such a place."""
    for seq in {first_seq, first_seq + max(0, len(rests) - 1)}:
        _check_place(writer_id, seq, schema_version)
    writer = writer_id.encode("ascii")
    return [
        _ROW.pack(writer, seq, schema_version, hashlib.sha256(envelope).digest() if envelope else _OF_NOTHING, rest)
        for seq, (envelope, rest) in enumerate(zip(envelopes, rests, strict=True), first_seq)
    ]


def _check_place(writer_id: str, seq: int, schema_version: int) -> None:
    if not is_ulid(writer_id) or not FIRST_SEQ <= seq <= MAX_SEQ or not 0 <= schema_version <= MAX_SCHEMA_VERSION:
        raise IntegrityError(f"row {seq} of {writer_id[:32]!r} under schema {schema_version} is none", "row")


def read_manifest(data: bytes) -> Manifest:
    """Read a leaf of the log; raise ``IntegrityError`` unless it is a whole manifest's canonical bytes."""
    manifest = _plain(data) or decode(data, Manifest, "batch")
    if not FIRST_SEQ <= manifest.first_seq <= manifest.last_seq <= MAX_SEQ:
        raise IntegrityError(f"batch: rows {manifest.first_seq} to {manifest.last_seq} are none", "batch")
    if not 0 <= manifest.schema_version <= MAX_SCHEMA_VERSION:
        raise IntegrityError(f"batch: schema version {manifest.schema_version} is none", "batch")
    if not is_ulid(manifest.writer_id):
        raise IntegrityError(f"batch: {manifest.writer_id[:32]!r} is no writer's id", "batch")
    return manifest


def _plain(data: bytes) -> Manifest | None:
    """Read a leaf of the usual form, which takes a tenth of the time; ``None`` if it is of another."""
    if (found := _PLAIN.fullmatch(data)) is None:
        return None
    first, began, last, ended, root, version, writer = found.groups()
    return Manifest(
        "weavergen.batch/1", writer.decode(), int(first), int(last), root.decode(), int(version), int(began), int(ended)
    )


def check_inclusion(
    proof: InclusionProof,
    writer_id: str,
    seq: int,
    envelope: bytes,
    trust: TrustBundle,
    witnesses: Sequence[NoteKey] = (),
) -> tuple[Manifest, Checkpoint]:
    """Return batch and checkpoint if the proof holds for row ``seq`` of a writer; raise ``IntegrityError`` if it does not.

    ``envelope`` is the decision envelope's canonical bytes as they were logged, that is without a proof.
    """
    entry = proof.entry
    checkpoint = entry.checkpoint.verify(trust, witnesses)
    leaf = unb64(proof.manifest, "batch")
    manifest = read_manifest(leaf)
    if manifest.writer_id != writer_id or not manifest.first_seq <= seq <= manifest.last_seq:
        raise IntegrityError("the batch is not the one that the record's row is in", "inclusion")
    rest = _hash(proof.rest_sha256)
    row = leaf_hash(row_data(writer_id, seq, manifest.schema_version, envelope, rest))
    rows_root = root_of_path(seq - manifest.first_seq, manifest.count, row, _path(proof.row_path))
    if rows_root is None or rows_root.hex() != manifest.rows_root:
        raise IntegrityError("the row is not in the batch", "inclusion")
    root = root_of_path(entry.index, checkpoint.size, leaf_hash(leaf), entry.path)
    if root is None or root.hex() != checkpoint.root:
        raise IntegrityError("the batch is not in the log", "inclusion")
    return manifest, checkpoint


def _path(hashes: Sequence[str]) -> list[bytes]:
    if len(hashes) > MAX_PATH:
        raise IntegrityError("a path of a proof is too long", "inclusion")
    return [_hash(text) for text in hashes]


def _hash(text: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise IntegrityError("a hash of a proof is not hex", "inclusion") from error
    if len(data) != HASH_BYTES or data.hex() != text:
        raise IntegrityError("a hash of a proof is 64 lower-case hex characters", "inclusion")
    return data
