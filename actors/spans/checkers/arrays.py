"""Rows column by column, for checkers that look at many at once: a Python object a row costs more than what they ask of it.

Left out: words and attributes; few checkers ask for them, and of few rows.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from actors.spans.columns import Rows
from actors.spans.span import Span

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Places:
    """Writer and number of each row, in the rows' order."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self._parts = parts
        self._ends = list(accumulate(len(part.spans) for part in parts))

    def __getitem__(self, at: int) -> tuple[str, int]:
        part = self._parts[place := bisect_right(self._ends, at)]
        return part.writer_id, part.first_seq + at - (self._ends[place - 1] if place else 0)


@dataclass(frozen=True, slots=True)
class Arrays:
    """What is the same place in each of these is one row's."""

    spans: list[Span]
    ids: list[bytes]
    """Trace and span id, 24 bytes: they name a span."""
    parts: Sequence[Rows]
    """What the rows came in."""
    places: Places
    start_ns: Ints
    end_ns: Ints
    latency_ms: Ints
    """−1 where there is none."""
    signed: list[int]
    """Places of rows that carry a record."""
    external: Bools
    """Rows that another service sent."""
    runs: list[tuple[str, int, int]]
    """Neighbouring rows of one writer: its id, the place of the first of them, and that behind the last."""

    def place(self, at: int) -> tuple[str, int]:
        """Return writer and number of a row."""
        return self.places[at]


def is_external(span: Span) -> bool:
    """Tell whether another service sent a span."""
    return bool(span.sender)


def arrays_of(rows: Sequence[Rows]) -> Arrays:
    """Return rows column by column, in their order."""
    spans = [span for part in rows for span in part.spans]
    return Arrays(
        spans=spans,
        ids=[span.trace_id + span.span_id for span in spans],
        parts=rows,
        places=Places(rows),
        start_ns=_numbers(spans, "start_unix_nano"),
        end_ns=_numbers(spans, "end_unix_nano"),
        latency_ms=_numbers(spans, "latency_ms"),
        signed=[at for at, span in enumerate(spans) if span.record],
        external=np.array([is_external(span) for span in spans], np.bool_),
        runs=_runs(rows),
    )


def _numbers(spans: Sequence[Span], field: str) -> Ints:
    return np.fromiter(map(attrgetter(field), spans), np.int64, len(spans))


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
