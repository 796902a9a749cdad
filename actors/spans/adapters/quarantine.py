"""Rows that were set aside: kept whole, with the reason, out of the table's sight.

One file a row, ``quarantine/rows/<writer id>-<sequence number>.json``; the same row set aside again is the same file.
"""

import re
from pathlib import Path

import msgspec

from actors.base.canonical import b64
from actors.spans.adapters.segments import Disk
from actors.spans.columns import Rows

_NAME = re.compile(r"[0-9A-Za-z]{1,64}")


class QuarantinedRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row and why it was set aside; ``span`` is base64 of its msgpack."""

    writer_id: str
    seq: int
    schema_version: int
    reason: str
    span: str


class QuarantinedRows:
    """The directory they are kept in."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path = path
        self._disk = disk

    def put(self, row: Rows, reason: str) -> None:
        """Keep a row, durably; raises ``OSError`` if the disk refuses."""
        (span,) = row.spans
        kept = QuarantinedRow(
            row.writer_id, row.first_seq, row.schema_version, reason, b64(msgspec.msgpack.encode(span))
        )
        if _NAME.fullmatch(row.writer_id) is None:
            raise ValueError(f"{row.writer_id!r} is no writer's id")
        if not self._path.is_dir():
            self._path.mkdir(parents=True)
            self._disk.sync_directory(self._path.parent)
            self._disk.sync_directory(self._path.parent.parent)
        name = f"{row.writer_id}-{row.first_seq:012d}.json"
        fresh = self._path / f".{name}"
        fresh.write_bytes(msgspec.json.encode(kept))
        self._disk.sync_file(fresh)
        self._disk.rename(fresh, self._path / name)
        self._disk.sync_directory(self._path)
