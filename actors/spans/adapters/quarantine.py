"""Rows that were set aside: kept whole, with what was found, out of the table's sight.

Rules:
- One file a frame, ``quarantine/rows/<writer id>-<number of its first such row>.json``, a list of rows; the same frame set
  aside again is the same file.
- Beside it, ``quarantine/investigations`` under the same name: what was found, and the rows around it (``investigation``).
- A frame that is judged anew, for a process ended before its commit, may have other such rows, and so another name: what lies
  there of it under the numbers of that frame goes once the new file is durable, so that no row lies there twice.
- Nothing else is ever removed but by hand. Together the files take ``max_bytes`` at most: beyond it no row is set aside any
  more, and whoever would set it aside waits. A row that leaves no evidence would be what a forger writes so many others for.
- What a row was stands in the log (``row_sha256`` in its entry): whoever changes it here has changed that it can be let go.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from actors.base.canonical import b64, unb64
from actors.base.digests import sha256_hex
from actors.base.errors import IntegrityError, StorageUnavailable
from actors.base.files import Folders
from actors.spans.adapters.room import NO_BOUND, Room, size
from actors.spans.adapters.segments import Disk
from actors.spans.checkers.finding import IntegrityResult
from actors.spans.columns import Rows
from actors.spans.span import Span, check_span

_NAME = re.compile(r"[0-9A-Za-z]{1,64}")
_FILE = re.compile(r"[0-9A-Za-z]{1,64}-\d+\.json")


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One finding."""

    checker: str
    kind: str
    severity: str
    evidence: dict[str, str]


class QuarantinedRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row and why it was set aside; ``span`` is base64 of its msgpack."""

    writer_id: str
    seq: int
    schema_version: int
    reason: str
    span: str
    score: float = 0.0
    findings: list[Said] = []

    def rows(self) -> Rows:
        """Return the row; raise ``IntegrityError`` if it is none."""
        try:
            span = msgspec.msgpack.decode(unb64(self.span, "span"), type=Span)
            check_span(span)
        except (msgspec.DecodeError, ValueError) as error:
            raise IntegrityError(f"row {self.seq} of {self.writer_id} in quarantine cannot be read: {error}") from error
        return Rows(self.writer_id, self.seq, self.schema_version, [span])


_decode = msgspec.json.Decoder(list[QuarantinedRow]).decode


class QuarantinedRows:
    """The directory they are kept in."""

    def __init__(self, path: Path, disk: Disk | None = None, max_bytes: int = NO_BOUND) -> None:
        self._path, self.room = path, Room(path, max_bytes)
        self._disk = disk or Disk()
        self._folders = Folders(path.parent.parent, self._disk.sync_directory)

    def put(self, rows: Rows, faults: Mapping[int, IntegrityResult]) -> None:
        """Keep the rows of a frame that have faults (number → what), durably.

        Raises ``OSError`` if the disk refuses, ``StorageUnavailable`` if there is no room: then nothing was kept.
        """
        kept = [_kept(rows, seq, faults[seq]) for seq in sorted(faults)]
        name, data = file_name(rows.writer_id, kept[0].seq), msgspec.json.encode(kept)
        more = len(data) - size(self._path / name)
        self.room.need(more)
        put_file(self._folders, self._path, self._disk, name, data)
        self.room.took(more - self._forget_earlier(rows, name))

    def _forget_earlier(self, rows: Rows, name: str) -> int:
        """Remove what was kept of a frame before it was judged anew; return how many bytes that had."""
        seqs = range(rows.first_seq, rows.first_seq + len(rows.spans))
        others = [self._path / other for seq in seqs if (other := file_name(rows.writer_id, seq)) != name]
        sizes = {path: size(path) for path in others if path.exists()}
        for path in sizes:
            self._disk.remove(path)
        if sizes:
            self._disk.sync_directory(self._path)
        return sum(sizes.values())

    def all(self, writer_id: str = "") -> Iterator[QuarantinedRow]:
        """Yield every row that was set aside, writer by writer, or those of one writer: no other's file is looked at then.

        Raises ``IntegrityError`` for a file that is none, ``StorageUnavailable`` where the disk does not give it.
        """
        begins = f"{writer_id}-" if writer_id else ""
        try:
            found = (path.name for path in self._path.iterdir() if _FILE.fullmatch(path.name))
            names = sorted(name for name in found if name.startswith(begins))
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageUnavailable(f"{self._path} cannot be read: {error.strerror}") from error
        for name in names:
            yield from self._read(name)

    def find(self, writer_id: str, seq: int) -> QuarantinedRow | None:
        """Return one row, if it was set aside."""
        return next((row for row in self.all(writer_id) if (row.writer_id, row.seq) == (writer_id, seq)), None)

    def _read(self, name: str) -> list[QuarantinedRow]:
        try:
            return _decode((self._path / name).read_bytes())
        except OSError as error:
            raise StorageUnavailable(f"{self._path / name} cannot be read: {error.strerror}") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise IntegrityError(f"{self._path / name} cannot be read: {error}") from error


def file_name(writer_id: str, seq: int) -> str:
    """Name the file of a frame; raise ``ValueError`` for what is no writer's id."""
    if _NAME.fullmatch(writer_id) is None:
        raise ValueError(f"{writer_id!r} is no writer's id")
    return f"{writer_id}-{seq:012d}.json"


def put_file(folders: Folders, folder: Path, disk: Disk, name: str, data: bytes) -> None:
    """Let a file appear whole, durably, in one of the folders."""
    folders.ensure(folder)
    fresh = folder / f".{name}"
    fresh.write_bytes(data)
    disk.sync_file(fresh)
    disk.rename(fresh, folder / name)
    disk.sync_directory(folder)


def row_sha256(span: Span, schema_version: int) -> str:
    """Return what the entry of a row that is set aside says of it, so that no other row can be let go in its place."""
    return sha256_hex(schema_version.to_bytes(4, "big") + msgspec.msgpack.encode(span))


def said(result: IntegrityResult) -> list[Said]:
    """Return what was found as plain values."""
    return [
        Said(one.checker, one.kind, one.severity.value, dict(one.evidence)) for one in result.individual_results
    ]  # fmt: skip


def _kept(rows: Rows, seq: int, result: IntegrityResult) -> QuarantinedRow:
    span = msgspec.msgpack.encode(rows.spans[seq - rows.first_seq])
    return QuarantinedRow(
        rows.writer_id, seq, rows.schema_version, result.why, b64(span), result.overall_score, said(result)
    )
