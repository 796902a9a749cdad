"""The record of an investigation: what was found of rows that were set aside, and what lay around them.

Rules:
- It gathers every finding, also those of rows that were accepted, the rows of the same decisions and those that the same writer
  wrote before and after: ids, names, times and outcomes, never attributes or records.
- It is a help and no evidence: at most ``MAX_ROWS`` rows in one, at most ``investigations_max`` of them. Beyond that none is
  begun until some were moved away, and who reads of a row that was set aside is told so.

Left out: what is done about it (people), and the rows themselves (``quarantine``).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from actors.base.files import Folders
from actors.spans.adapters.quarantine import file_name, put_file, said
from actors.spans.adapters.segments import Disk
from actors.spans.checkers.finding import IntegrityResult
from actors.spans.columns import Rows
from actors.spans.span import Span

SCHEMA = "weavergen.investigation/1"
MAX_ROWS = 128
REACH = 16
"""Rows of the same writer before and after that are shown."""

Results = Mapping[tuple[str, int], IntegrityResult]
"""Writer and number of a row → what was found of it."""


class Investigations:
    """The directory of such records."""

    def __init__(self, path: Path, most: int, disk: Disk) -> None:
        self._path, self._most, self._disk = path, most, disk
        self._folders = Folders(path.parent.parent, disk.sync_directory)

    def begin(self, rows: Rows, faults: Iterable[int], around: Sequence[Rows], results: Results, now_ms: int) -> bool:
        """Write down what is known of rows of a frame that are set aside; return whether there was room for it."""
        numbers = sorted(faults)
        name = file_name(rows.writer_id, numbers[0])
        if (
            not (self._path / name).exists()
            and self._path.is_dir()
            and sum(1 for _ in self._path.iterdir()) >= self._most
        ):
            return False
        data = msgspec.json.encode(gathered(rows, numbers, around, results, now_ms))
        put_file(self._folders, self._path, self._disk, name, data)
        return True


def gathered(
    rows: Rows, faults: Sequence[int], around: Sequence[Rows], results: Results, now_ms: int
) -> dict[str, Any]:
    """Return the record, as plain values. Pure."""
    of_decisions = {rows.spans[seq - rows.first_seq].decision_id for seq in faults} - {""}
    near = {seq + step for seq in faults[:MAX_ROWS] for step in range(-REACH, REACH + 1)}
    shown = []
    for writer_id, seq, span in _all(around):
        if span.decision_id in of_decisions or (writer_id == rows.writer_id and seq in near):
            shown.append(_shown(writer_id, seq, span, results.get((writer_id, seq))))
    faulty = set(faults)
    shown.sort(key=lambda row: row["writer_id"] != rows.writer_id or row["seq"] not in faulty)
    return {
        "schema": SCHEMA, "begun_unix_ms": now_ms, "writer_id": rows.writer_id, "rows": faults[:MAX_ROWS],
        "rows_total": len(faults), "decisions": sorted(of_decisions)[:MAX_ROWS],
        "around": shown[:MAX_ROWS], "around_total": len(shown),
    }  # fmt: skip


def _all(parts: Iterable[Rows]) -> Iterator[tuple[str, int, Span]]:
    for part in parts:
        for seq, span in enumerate(part.spans, part.first_seq):
            yield part.writer_id, seq, span


def _shown(writer_id: str, seq: int, span: Span, result: IntegrityResult | None) -> dict[str, Any]:
    return {
        "writer_id": writer_id, "seq": seq, "name": span.name, "decision_id": span.decision_id,
        "trace_id": span.trace_id.hex(), "span_id": span.span_id.hex(), "parent_span_id": span.parent_span_id.hex(),
        "start_unix_nano": span.start_unix_nano, "end_unix_nano": span.end_unix_nano, "latency_ms": span.latency_ms,
        "voter": span.voter, "layer": span.layer, "outcome": span.outcome, "has_record": bool(span.record),
        "action": "accept" if result is None else result.action_taken,
        "score": 1.0 if result is None else result.overall_score,
        "findings": [] if result is None else msgspec.to_builtins(said(result)),
    }  # fmt: skip
