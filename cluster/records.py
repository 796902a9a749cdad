"""Decision records as they lie on a home's disk: write-ahead logs and spans table, with no process of the system asked.

Rules:
- The log is read before the table: rows leave the log only after they are in the table, so nothing is missed while a
  system runs. What both hold comes twice, and so does what a file held that was merged with others meanwhile.
- What cannot be read is a place and a reason beside the rows, never a row that is silently not there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from actors.base.errors import IntegrityError, StorageUnavailable
from actors.consensus.audit import Recorded
from actors.spans.adapters.parquet import FileGone
from actors.spans.adapters.reader import SegmentRef, WalReader
from actors.spans.adapters.stores import SpanStores
from actors.spans.config import SpansConfig
from actors.spans.frames import FrameKind, decode_spans
from actors.spans.place import Place
from actors.spans.span import Span

_COLUMNS = ["writer_id", "writer_seq", "decision_id", "record", "log_index"]


@dataclass(frozen=True, slots=True)
class Unread:
    """Bytes on disk that hold records and cannot be read."""

    place: str
    """Path below the home; of a backup storage or a bucket all of it."""
    why: str


def read_records(root: Path, config: SpansConfig, since_ns: int = 0) -> Iterator[Recorded | Unread]:
    """Yield every record of a request that began at ``since_ns`` (Unix nanoseconds) or later, in the home at ``root``."""
    yield from _in_logs(root, config, since_ns)
    yield from _in_table(root, config, since_ns)


def _in_logs(root: Path, config: SpansConfig, since_ns: int) -> Iterator[Recorded | Unread]:
    reader = WalReader(root / "wal", config.lookup_max_bytes)
    for writer_id in reader.writers():
        for ref in reader.segments(writer_id):
            try:
                yield from _in_segment(reader, ref, since_ns)
            except (IntegrityError, StorageUnavailable) as error:
                yield Unread(str(ref.path.relative_to(root)), str(error))


def _in_segment(reader: WalReader, ref: SegmentRef, since_ns: int) -> Iterator[Recorded]:
    read = reader.read(ref)
    if read is None:  # its rows are in the table by now
        return
    for frame in read.scan.frames:
        if frame.kind is FrameKind.SPANS:
            for seq, span in enumerate(decode_spans(frame), frame.first_seq):
                if _is_wanted(span, since_ns):
                    yield Recorded(ref.writer_id, seq, span.decision_id, span.record)
    if read.scan.damage:
        raise IntegrityError("; ".join(f"{found.reason} at {found.offset}" for found in read.scan.damage), "segment")


def _is_wanted(span: Span, since_ns: int) -> bool:
    return bool(span.record) and span.start_unix_nano >= since_ns


def _in_table(root: Path, config: SpansConfig, since_ns: int) -> Iterator[Recorded | Unread]:
    table = SpanStores(root, config.table_checkpoint_commits, location=config.location)
    wanted = pc.field("record").is_valid() & (pc.field("start_unix_nano") >= since_ns)
    files, away = table.reachable_files()
    if away is not None:
        yield Unread("spans", str(away))
    waiting, listed_again = [file.path for file in files], False
    taken: set[Place] = set()
    while waiting:
        path = waiting.pop(0)
        try:
            rows = table.read_file(path, _COLUMNS, wanted).to_pylist()
        except FileGone as error:  # merged with others meanwhile: what it held lies in one that was not read yet
            if listed_again:
                yield Unread(_place(root.resolve(), path), str(error))
            else:
                waiting, listed_again = [new.path for new in table.reachable_files()[0] if new.path not in taken], True
            continue
        except (IntegrityError, StorageUnavailable, ValueError) as error:  # ValueError: words that are not UTF-8
            yield Unread(_place(root.resolve(), path), str(error))
            continue
        taken.add(path)
        for row in rows:
            yield Recorded(row["writer_id"], row["writer_seq"], row["decision_id"], row["record"], row["log_index"])


def _place(root: Path, path: Place) -> str:
    return str(path).removeprefix(f"{root}/")
