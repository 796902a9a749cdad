"""Rows column by column, for checkers that look at many at once: a Python object a row costs more than what they ask of it.

Left out: words and attributes; few checkers ask for them, and of few rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actors.spans.columns import Rows
from actors.spans.span import Span

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Arrays:
    """What is the same place in each of these is one row's."""

    spans: list[Span]
    ids: list[bytes]
    """Trace and span id, 24 bytes: they name a span."""
    parts: Sequence[Rows]
    """What the rows came in."""
    part: Ints
    """Which of them each row is of."""
    seq: Ints
    start_ns: Ints
    end_ns: Ints
    latency_ms: Ints
    """−1 where there is none."""
    external: Bools
    """Rows that another service sent."""
    runs: list[tuple[str, int, int]]
    """Neighbouring rows of one writer: its id, the place of the first of them, and that behind the last."""

    def place(self, at: int) -> tuple[str, int]:
        """Return writer and number of a row."""
        return self.parts[self.part[at]].writer_id, int(self.seq[at])


def is_external(span: Span) -> bool:
    """Tell whether another service sent a span."""
    return bool(span.sender)


def arrays_of(rows: Sequence[Rows]) -> Arrays:
    """Return rows column by column, in their order."""
    spans = [span for part in rows for span in part.spans]
    counts = [len(part.spans) for part in rows]
    numbers = [np.arange(part.first_seq, part.first_seq + len(part.spans), dtype=np.int64) for part in rows]
    return Arrays(
        spans=spans,
        ids=[span.trace_id + span.span_id for span in spans],
        parts=rows,
        part=np.repeat(np.arange(len(rows)), counts),
        seq=np.concatenate(numbers) if numbers else np.zeros(0, np.int64),
        start_ns=np.array([span.start_unix_nano for span in spans], np.int64),
        end_ns=np.array([span.end_unix_nano for span in spans], np.int64),
        latency_ms=np.array([span.latency_ms for span in spans], np.int64),
        external=np.array([is_external(span) for span in spans], np.bool_),
        runs=_runs(rows),
    )


def _runs(rows: Sequence[Rows]) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []
    end = 0
    for part in rows:
        if not part.spans:
            continue
        first, end = end, end + len(part.spans)
        if found and found[-1][0] == part.writer_id:
            first = found.pop()[1]
        found.append((part.writer_id, first, end))
    return found
