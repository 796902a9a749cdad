"""Rows that were set aside: kept whole, with the reason, out of the table's sight.

One file a frame, ``quarantine/rows/<writer id>-<number of its first such row>.json``, a list of rows; the same frame set
aside again is the same file.
"""

import re
from collections.abc import Mapping
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

    def put(self, rows: Rows, faults: Mapping[int, str]) -> None:
        """Keep the rows of a frame that have faults (number → why), durably; raises ``OSError`` if the disk refuses."""
        if _NAME.fullmatch(rows.writer_id) is None:
            raise ValueError(f"{rows.writer_id!r} is no writer's id")
        kept = [_kept(rows, seq, faults[seq]) for seq in sorted(faults)]
        if not self._path.is_dir():
            self._path.mkdir(parents=True)
            self._disk.sync_directory(self._path.parent)
            self._disk.sync_directory(self._path.parent.parent)
        name = f"{rows.writer_id}-{kept[0].seq:012d}.json"
        fresh = self._path / f".{name}"
        fresh.write_bytes(msgspec.json.encode(kept))
        self._disk.sync_file(fresh)
        self._disk.rename(fresh, self._path / name)
        self._disk.sync_directory(self._path)


def _kept(rows: Rows, seq: int, reason: str) -> QuarantinedRow:
    span = msgspec.msgpack.encode(rows.spans[seq - rows.first_seq])
    return QuarantinedRow(rows.writer_id, seq, rows.schema_version, reason, b64(span))
