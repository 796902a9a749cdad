"""What checkers, and the storm's window, knew before a restart, from the newest rows of the table.

Rules:
- Whole batches, the newest, of no more than so many rows together: read once, before any row is judged, oldest first.
- The actor's own rows are nobody's to judge, and rows that are quarantined where they lie taught nobody: neither is recalled. A
  word on such rows comes with them or later, so those of the same batches are enough.
- While a backup is in use and the first storage is away, what the backup holds is recalled.

Left out: what a checker, or the window, makes of them (``checkers``), and when (``guard``).
"""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from actors.base.errors import StorageUnavailable
from actors.spans import conventions as names
from actors.spans.adapters.reading import known
from actors.spans.adapters.table import SpanTable
from actors.spans.batch import without
from actors.spans.columns import Rows
from actors.spans.compaction import TableFile
from actors.spans.quarantined import WORDS, Entry, Quarantined, entry_of, in_force


class Newest(Protocol):
    """The table, as far as its newest rows go."""

    def reachable_files(self) -> tuple[list[TableFile], StorageUnavailable | None]: ...  # noqa: D102 - see SpanStores

    def batches(self, first: int, last: int) -> list[Rows]: ...  # noqa: D102 - as above


def holds_rows(table: Newest) -> bool:
    """Tell whether any row was ever committed to what can be reached of the table; raise like ``recalled``."""
    return bool(table.reachable_files()[0])


@dataclass(frozen=True, slots=True)
class Recalled:
    """The newest rows of a table."""

    batches: Sequence[Rows] = ()
    """Whole, the actor's own among them, oldest first."""
    spread: Sequence[tuple[int, int]] = ()
    """Of each file the first and the last batch."""

    def accepted(self) -> list[Rows]:
        """Return the accepted rows, oldest first."""
        return _accepted(self.batches)

    def begun(self, index: int) -> int:
        """Return the first batch that lies in a file with one: what was committed with it does, too."""
        return min((first for first, last in self.spread if first <= index <= last), default=index)


def recalled(table: Newest, max_rows: int) -> Recalled:
    """Return the newest rows; raise ``StorageUnavailable`` or ``IntegrityError`` like the table."""
    files = [file for file in table.reachable_files()[0] if file.last is not None]
    if not max_rows or not files:
        return Recalled()
    last = max(known(file.last) for file in files)
    batches = table.batches(_first(files, last, max_rows), last)
    return Recalled(batches, [(known(file.first), known(file.last)) for file in files])


def _accepted(batches: Sequence[Rows]) -> list[Rows]:
    quarantined = in_force(_entries(batches))
    return [
        part
        for batch in batches
        if not any(span.name in names.ACTOR_S for span in batch.spans)
        for part in without(batch, _apart(batch, quarantined))
    ]


def _apart(batch: Rows, quarantined: Quarantined) -> set[int]:
    """Return the numbers of a batch's rows that are quarantined where they lie."""
    end = batch.first_seq + len(batch.spans)
    intervals = quarantined.in_table.get(batch.writer_id, ())
    return {seq for first, last in intervals for seq in range(max(first, batch.first_seq), min(last + 1, end))}


def _first(files: Sequence[TableFile], last: int, max_rows: int) -> int:
    """Return from which batch on the newest ones come to no more rows than that; ``last`` at least."""
    rows_of_batch: Counter[int] = Counter()
    for file in sorted(files, key=lambda file: known(file.first), reverse=True):
        told = SpanTable.read_file(file.path, ["log_index"], None)["log_index"].to_pylist()
        rows_of_batch.update(index for index in told if index is not None)
        if rows_of_batch.total() > max_rows:
            break
    total, first = 0, last
    for index in sorted(rows_of_batch, reverse=True):
        total += rows_of_batch[index]
        if total > max_rows:
            break
        first = index
    return first


def _entries(batches: Sequence[Rows]) -> Iterator[Entry]:
    for batch in batches:
        for span in batch.spans:
            if span.name in WORDS and names.ROW_WRITER in span.attributes:
                with contextlib.suppress(KeyError, ValueError):  # whoever reads all words names it
                    yield entry_of(span.name, span.attributes, span.start_unix_nano)
