"""What a home means, read without the checker: whether a mutant is one at all.

Rules:
- A file of the table and a file of the log mean their bytes. Delta's log means what its reader makes of it: which files, with
  which statistics and dates, under which schema and properties, how far each application id is, and what it says with the log's
  key of batches that are not sealed. Other bytes of it (times, who wrote it, blanks, how long it is kept, which SpanActor sets
  anew when it begins) mean nothing.
- The write-ahead log means the rows that its frames hold and that the table does not have, each writer's in their order, the
  first of each number; whoever is to take them in is not asked.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans.adapters.table import SpanTable
from actors.spans.committed import about, read_said
from actors.spans.frames import read_header, scan
from actors.spans.log.checkpoint import read_checkpoint
from actors.spans.sequence import MAX_SEQ

Meaning = tuple[str, ...]
UNREADABLE: Meaning = ("unreadable",)
_APPS = ("log", "log-sealed")
KEPT_FILES = 256
_ROWS: dict[str, list[tuple[str, str]]] = {}
"""Digest of a file → its rows, of those that were read last."""
_KNOWN: dict[tuple[int, int, int], str] = {}
"""File's inode, size and time → its digest: copies are links."""


def stored(root: Path, writers: Iterable[str], trust: TrustBundle) -> Meaning:
    """Return what table and log of a home mean."""
    tiles = sorted(path for path in (root / "log").rglob("*") if path.is_file())
    log = [f"{path.relative_to(root)} {_digest(path)}" for path in tiles]
    try:
        return (*log, *_table(root / "spans", writers), *_said(root, trust))
    except (DeltaError, OSError, ValueError, pa.ArrowException, StorageUnavailable) as error:
        return (*log, *UNREADABLE, type(error).__name__)


def _table(path: Path, writers: Iterable[str]) -> list[str]:
    if not path.exists():
        return ["none"]
    delta = DeltaTable(path)
    actions = pa.table(delta.get_add_actions(flatten=True))
    ignored = {"modification_time", "data_change"}
    said = [{name: value for name, value in row.items() if name not in ignored} for row in actions.to_pylist()]
    metadata = delta.metadata()
    schema = f"{delta.schema().to_json()} {metadata.partition_columns} {sorted(metadata.configuration)}"
    found = [schema, *sorted(json.dumps(row, default=str, sort_keys=True) for row in said)]
    found += [f"{name} {delta.transaction_version(name)}" for name in (*_APPS, *sorted(writers))]
    return [*found, *(_digest(path / row["path"]) for row in said)]


def _said(root: Path, trust: TrustBundle) -> list[str]:
    """Return what commits say of batches that are not sealed, as far as it is believed."""
    if not (root / "spans").exists():
        return []
    try:
        sealed = read_checkpoint((root / "log" / "checkpoint").read_bytes()).head.size
    except (OSError, IntegrityError):
        sealed = 0
    told = SpanTable(root / "spans", 1000).said()
    return [
        f"{index} {digest.hex()}" for index, digest in sorted(read_said(about(told, sealed, MAX_SEQ), trust).items())
    ]


def waiting(root: Path) -> Meaning:
    """Return what a home's write-ahead log means."""
    found: list[str] = []
    folders = sorted(path for path in (root / "wal").glob("*") if path.is_dir())
    try:
        delta = DeltaTable(root / "spans") if (root / "spans").exists() else None
        for folder in folders:
            reached = None if delta is None else delta.transaction_version(folder.name)
            found += _frames(folder, 0 if reached is None else reached)
    except (DeltaError, OSError, ValueError, pa.ArrowException) as error:
        return (*UNREADABLE, type(error).__name__)
    return tuple(found)


def _frames(folder: Path, reached: int) -> list[str]:
    """Return the rows of a writer's segments behind a number."""
    held: dict[int, str] = {}
    for path in sorted(folder.glob("*.wal")):
        data = path.read_bytes()
        try:
            start = read_header(data)
        except IntegrityError:
            continue
        if (start.header.writer_id, f"{start.header.number:08d}") != (folder.name, path.stem):
            continue
        for frame in scan(data[start.frames_at :], start, start.frames_at).frames:
            spans = msgspec.msgpack.decode(frame.payload) if frame.payload else []
            for seq, span in enumerate(spans, frame.first_seq):
                if seq > reached:
                    held.setdefault(seq, hashlib.sha256(msgspec.msgpack.encode(span)).hexdigest())
    return [f"{folder.name} {seq} {digest}" for seq, digest in held.items()]


def rows(root: Path, writers: Iterable[str]) -> Meaning:
    """Return the rows of some writers in a home's table, whatever batches and files they are in."""
    known = set(writers)
    found: list[tuple[str, str]] = []
    try:
        files = DeltaTable(root / "spans").file_uris() if (root / "spans").exists() else []
        for name in files:
            found += _rows(Path(name))
    except (DeltaError, OSError, ValueError, pa.ArrowException) as error:
        return (*UNREADABLE, type(error).__name__)
    return tuple(sorted(row for writer, row in found if writer in known))


def _rows(path: Path) -> list[tuple[str, str]]:
    """Return a file's rows, each with its writer, without the numbers of their batches."""
    digest = _digest(path)
    if digest not in _ROWS:
        table = pq.read_table(path, partitioning=None).drop_columns(["log_index"]).to_pylist()
        _ROWS[digest] = [(row["writer_id"], hashlib.sha256(repr(row).encode()).hexdigest()) for row in table]
        while len(_ROWS) > KEPT_FILES:
            _ROWS.pop(next(iter(_ROWS)))
    return _ROWS[digest]


def _digest(path: Path) -> str:
    if not path.exists():
        return "none"
    stat = path.stat()
    key = stat.st_ino, stat.st_size, stat.st_mtime_ns
    if key not in _KNOWN:
        _KNOWN[key] = hashlib.sha256(path.read_bytes()).hexdigest()
    return _KNOWN[key]
