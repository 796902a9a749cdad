"""Every decision record on the disk of a system that is down: write-ahead logs and spans table, read as they lie there.

No process of the system is asked: one that still remembers an answer would prove nothing about what is durable.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as pc

from actors.spans.adapters.reader import SegmentRef, WalReader
from actors.spans.adapters.table import SpanTable
from actors.spans.config import SpansConfig
from actors.spans.frames import FrameKind, decode_spans
from cluster.acceptance.accounts import Recorded, by_decision
from cluster.acceptance.system import System
from cluster.status import processes

_CONFIG = SpansConfig()


def records_of(system: System) -> dict[str, list[Recorded]]:
    """Return every decision's records; raise ``RuntimeError`` while a process of the system still runs."""
    if running := processes(system.home):
        raise RuntimeError(f"{len(running)} processes still run: what they hold in memory is not on disk")
    return records_in(system.home.root)


def records_in(root: Path) -> dict[str, list[Recorded]]:
    """Return every decision's records in ``root/wal`` and ``root/spans``."""
    return by_decision([*_in_table(root / "spans"), *_in_logs(root / "wal")])


def commits_in(root: Path) -> int:
    """Return how many commits the spans table has seen."""
    return len(list((root / "spans" / "_delta_log").glob("*.json")))


def _in_table(path: Path) -> Iterator[Recorded]:
    table = SpanTable(path, _CONFIG.table_checkpoint_commits)
    columns = ["writer_id", "writer_seq", "decision_id", "record"]
    for row in table.read(columns, pc.field("record").is_valid()).to_pylist():
        yield Recorded(row["writer_id"], row["writer_seq"], row["decision_id"], row["record"])


def _in_logs(root: Path) -> Iterator[Recorded]:
    reader = WalReader(root, _CONFIG.lookup_max_bytes)
    for writer_id in reader.writers():
        for ref in reader.segments(writer_id):
            yield from _in_segment(reader, ref)


def _in_segment(reader: WalReader, ref: SegmentRef) -> Iterator[Recorded]:
    read = reader.read(ref)
    for frame in read.scan.frames if read else ():
        if frame.kind is FrameKind.SPANS:
            for seq, span in enumerate(decode_spans(frame), frame.first_seq):
                if span.record:
                    yield Recorded(ref.writer_id, seq, span.decision_id, span.record)
