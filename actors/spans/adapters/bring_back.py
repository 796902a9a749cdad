"""Reconciliation: what a backup took in meanwhile goes to the first storage, batch by batch, under the same numbers.

Rules:
- Nothing is believed of the first storage but what it says now. One that holds fewer batches than when it was given up was set
  back; one with other batches, or more, has another history. Neither is written over: it is an error, and the backup goes on.
- A batch is held against its leaf of the log before it is copied, read back from the first storage afterwards and held against
  the backup's. One that is there already, of a commit whose end nobody could tell, is only compared.
- What writers reached comes last, in one commit: till then the first storage claims no row that it does not hold.
- So many rows a step. Killed anywhere, it begins again and comes to the same: the backup holds the truth until the word
  changes (``backup``).

Left out: when to try, and changing the word (``backup``).
"""

from collections.abc import Sequence

from actors.base.canonical import canonical_json
from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.stores import HANDOVER
from actors.spans.adapters.table import LOG, SpanTable
from actors.spans.batch import manifest_of
from actors.spans.columns import Rows
from actors.spans.committed import about


class BringBack:
    """One way back, from a backup to the first storage."""

    def __init__(self, first: SpanTable, backup: SpanTable, start: int, files: LogFiles, max_rows: int) -> None:
        """``start`` is the number of the backup's first batch."""
        self.first = first
        self._backup, self._start, self._files, self._max_rows = backup, start, files, max_rows
        self._next = start
        """Batches before it are known to be in both."""
        self._recovered = False

    @property
    def left(self) -> int:
        """Return how many of the backup's batches are not known to be in the first storage."""
        return _number(self._backup.last_committed(LOG)) + 1 - self._next

    def step(self, now_ms: int) -> bool:
        """Copy and compare some; return whether that was all.

        Raises ``StorageUnavailable`` while one of them is away, ``IntegrityError`` if the first must not be gone on with.
        """
        last = _number(self._backup.last_durable(LOG))
        have = self._asked(last)
        if self._next <= last:
            end = self._backup.last_within(self._next, last, self._max_rows)
            self._copy(self._next, end, have, now_ms)
            self._next = end + 1
        return self._next > last

    def finish(self, now_ms: int) -> None:
        """Have the first storage say how far everybody got, once all batches are there."""
        theirs = self.first.transactions().numbers
        reached = self._backup.transactions().numbers
        ahead = {name: number for name, number in reached.items() if name != HANDOVER and number > theirs.get(name, -1)}
        if ahead:
            self.first.put([], ahead, now_ms)

    def _asked(self, last: int) -> int:
        """Return the number of the first storage's last batch."""
        if not self._recovered:
            self.first.recover()
            self._recovered = True
        said = self.first.last_durable(LOG)
        if said is None and self._start > 0:
            raise StorageUnavailable("the first span storage holds no table: bring back the one that was there")
        have = _number(said)
        if have < self._next - 1:
            raise IntegrityError(
                f"the first span storage holds {have + 1} batches, and held {self._next} before: it was set back",
                "table",
            )
        if have > last:
            raise IntegrityError(
                f"the first span storage holds {have + 1} batches, and only {last + 1} are known", "table"
            )
        return have

    def _copy(self, start: int, end: int, have: int, now_ms: int) -> None:
        batches = self._backup.batches(start, end)
        if [batch.log_index for batch in batches] != list(range(start, end + 1)):
            raise IntegrityError(f"batches {start} to {end} are not whole in the backup span storage", "table")
        manifests = _manifests(batches)
        self._hold_against_leaves(start, manifests)
        if missing := [batch for batch in batches if _number(batch.log_index) > have]:
            self.first.put(missing, {LOG: end}, now_ms, self._said(start, end))
        there = _manifests(self.first.batches(start, end))
        if there != manifests:
            at = next(
                (at for at, pair in enumerate(zip(there, manifests, strict=False)) if pair[0] != pair[1]), len(there)
            )
            raise IntegrityError(f"batch {start + at} of the first span storage is not the backup's", "table")

    def _said(self, start: int, end: int) -> list[str]:
        """Return what commits said of batches that are still to be sealed, for whoever seals them."""
        signed = self._files.checkpoint()
        sealed = 0 if signed is None else signed.head.size
        return about(self._backup.said(), max(start, sealed), end) if sealed <= end else []

    def _hold_against_leaves(self, start: int, manifests: Sequence[bytes]) -> None:
        signed = self._files.checkpoint()
        sealed = min(start + len(manifests), 0 if signed is None else signed.head.size)
        for index, leaf in enumerate(self._files.leaves(start, sealed) if sealed > start else (), start):
            if leaf != manifests[index - start]:
                raise IntegrityError(f"batch {index} of the backup span storage is not what was sealed", "table")


def _manifests(batches: Sequence[Rows]) -> list[bytes]:
    return [canonical_json(manifest_of(batch)) for batch in batches]


def _number(said: int | None) -> int:
    return -1 if said is None else said
