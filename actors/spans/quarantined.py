"""Which rows of the table are quarantined: an anti-join for whoever learns from it. Pure.

Rules:
- The actor's own rows say it: ``weavergen.row.quarantined`` names a writer and numbers, ``weavergen.row.released`` takes them out
  again; what counts is the last word, in the order of the log. No other writer's row of these names is ever taken in, whatever
  becomes of the checkers (``adapters.guard``) and whatever is let go (``adapters.requests``).
- Letting rows go, and setting rows of the table apart, is an operator's word, and the entry carries it as it was signed. What the
  actor itself sets apart in the table is signed with the log's key (``entry``). One that is neither is no entry but a forgery in
  the table, and named.
- ``weavergen.batch.answered`` quarantines the rows of a batch that was sealed though it was not what its commit said: it is an
  operator's word as well, and signed with the log's key besides, which says what the commit said.
- A row that was set aside before it came into the table is not in it, so there is nothing to leave out; once it was released it
  is, under its own number.

Left out: reading the entries (``adapters.quarantined``), entering them (``adapters.ingest``, ``adapters.requests``).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError
from actors.spans import conventions as names
from actors.spans.entry import read_entry
from actors.spans.request import NO_BATCH, confirmed
from actors.spans.sequence import FIRST_SEQ, MAX_SEQ

Place = Literal["aside", "table"]
Interval = tuple[int, int]
"""First and last number."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One word on rows of one writer."""

    name: str
    """``weavergen.row.quarantined``, ``weavergen.row.released`` or ``weavergen.batch.answered``."""
    writer_id: str
    first_seq: int
    last_seq: int
    place: str
    """Where the rows were when it was said: ``aside`` or in the ``table``."""
    reason: str
    by: str
    """Who asked for it; empty if nobody did."""
    at_unix_ms: int
    request: str = ""
    """What an operator signed (``request``); empty where the actor itself set a row aside, or apart."""
    row_sha256: str = ""
    """Of one row that was set aside: what it was (``adapters.quarantine``); empty where an earlier version did not say."""
    batch: int = NO_BATCH
    """Of a batch that an operator answered for: its number,"""
    said: str = ""
    """the leaf hash (hex) that its commit said, empty where none did,"""
    found: str = ""
    """and that of what lay there."""


_ACTIONS = {
    names.ROW_RELEASED: "release", names.ROW_QUARANTINED: "quarantine", names.BATCH_ANSWERED: "seal",
}  # fmt: skip
WORDS = tuple(_ACTIONS)
"""Names of the rows that say anything of quarantine."""


def entry_of(name: str, said: Mapping[str, str], at_ns: int) -> Entry:
    """Return what a row of the actor's says; raise ``KeyError`` or ``ValueError`` if it says nothing of the kind."""
    first, last = int(said[names.ROW_FIRST]), int(said[names.ROW_LAST])
    if not FIRST_SEQ <= first <= last <= MAX_SEQ:
        raise ValueError("it names no rows")
    return Entry(
        name, said[names.ROW_WRITER], first, last, said.get(names.ROW_PLACE, ""),
        said.get(names.ROW_REASON, ""), said.get(names.ROW_BY, ""), at_ns // 1_000_000, said.get(names.ROW_REQUEST, ""),
        said.get(names.ROW_SHA256, ""), int(said.get(names.BATCH_NUMBER, NO_BATCH)), said.get(names.BATCH_SAID, ""),
        said.get(names.BATCH_FOUND, ""),
    )  # fmt: skip


def is_signed(entry: Entry) -> bool:
    """Tell whether somebody has to have signed it: all but what is said of a row that was set aside, which is in no table."""
    return (entry.name, entry.place) != (names.ROW_QUARANTINED, "aside")


def check_word(entry: Entry, attributes: Mapping[str, str], trust: TrustBundle) -> None:
    """Raise ``IntegrityError`` if an entry, a row of these attributes, says in somebody's name what that one did not sign."""
    if not is_signed(entry):
        return
    if (entry.name, entry.place, entry.by, entry.request) == (names.ROW_QUARANTINED, "table", "", ""):
        read_entry(entry.name, attributes, trust)
        return
    asked = confirmed(entry.request, trust)
    if entry.name == names.BATCH_ANSWERED:
        read_entry(entry.name, attributes, trust)
    said = _ACTIONS.get(entry.name), entry.writer_id, entry.first_seq, entry.last_seq, entry.reason, entry.by
    words = asked.action, asked.writer_id, asked.first_seq, asked.last_seq, asked.reason, asked.by
    if (*said, entry.batch, entry.found) != (*words, asked.batch, asked.found):
        raise IntegrityError("it says another thing than what the operator signed", "request")


@dataclass(frozen=True, slots=True)
class Quarantined:
    """The rows in force."""

    in_table: Mapping[str, Sequence[Interval]] = field(default_factory=dict)
    """Writer → disjoint intervals, ascending."""
    aside: Mapping[str, Sequence[Interval]] = field(default_factory=dict)

    def mask(
        self, writers: Sequence[str | None], writer: NDArray[np.int64], seq: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Tell of each row whether it is quarantined; ``writer`` is its place in ``writers``."""
        found = np.zeros(len(seq), np.bool_)
        for code, name in enumerate(writers):
            intervals = self.in_table.get(name or "")
            if not intervals:
                continue
            theirs = np.flatnonzero(writer == code)
            firsts, lasts = np.array(intervals, np.int64).T
            place = np.searchsorted(firsts, seq[theirs], side="right") - 1
            found[theirs] = (place >= 0) & (seq[theirs] <= lasts[np.maximum(place, 0)])
        return found

    @property
    def count(self) -> int:
        """Return how many rows of the table are quarantined."""
        return sum(last - first + 1 for many in self.in_table.values() for first, last in many)

    def holds(self, writer_id: str, seq: int) -> Place | None:
        """Return where a quarantined row is; ``None`` if it is not quarantined."""
        if _within(self.in_table.get(writer_id, ()), seq):
            return "table"
        return "aside" if _within(self.aside.get(writer_id, ()), seq) else None


def in_force(entries: Iterable[Entry]) -> Quarantined:
    """Return what all entries together, in their order, leave quarantined."""
    found: dict[str, dict[str, list[Interval]]] = {"table": {}, "aside": {}}
    for entry in entries:
        interval = entry.first_seq, entry.last_seq
        for place, of_writer in found.items():
            if entry.name == names.ROW_RELEASED:
                of_writer[entry.writer_id] = without(of_writer.get(entry.writer_id, []), interval)
            elif place == entry.place:
                join(of_writer.setdefault(entry.writer_id, []), interval)
    return Quarantined(*({name: many for name, many in found[place].items() if many} for place in ("table", "aside")))


def listed(entries: Sequence[Entry], most: int) -> dict[str, object]:
    """Return what is or was quarantined as plain values, newest first, no more than that many entries."""
    now = in_force(entries)
    told = [entry for entry in entries if entry.name != names.ROW_RELEASED]
    return {
        "total": len(told),
        "rows_in_table": now.count,
        "entries": [_shown(entry, now) for entry in reversed(told[-most:])],
    }


def _shown(entry: Entry, now: Quarantined) -> dict[str, object]:
    intervals = (now.in_table if entry.place == "table" else now.aside).get(entry.writer_id, ())
    left = sum(max(0, min(last, entry.last_seq) - max(first, entry.first_seq) + 1) for first, last in intervals)
    whole = entry.last_seq - entry.first_seq + 1
    return {
        "writer_id": entry.writer_id, "first_seq": entry.first_seq, "last_seq": entry.last_seq, "place": entry.place,
        "state": "quarantined" if left == whole else "partly" if left else "released",
        "reason": entry.reason, "by": entry.by, "at_unix_ms": entry.at_unix_ms,
    }  # fmt: skip


def join(intervals: list[Interval], more: Interval) -> None:
    """Put one more into disjoint ascending intervals. Forgeries may be many: looked for in half after half, not one by one."""
    first, last = more
    begin = bisect_left(intervals, first - 1, key=itemgetter(1))
    end = bisect_right(intervals, last + 1, key=itemgetter(0))
    if begin < end:
        first, last = min(first, intervals[begin][0]), max(last, intervals[end - 1][1])
    intervals[begin:end] = [(first, last)]


def without(intervals: Iterable[Interval], less: Interval) -> list[Interval]:
    """Return intervals without the numbers of one."""
    first, last = less
    made: list[Interval] = []
    for begin, end in intervals:
        if begin < first:
            made.append((begin, min(end, first - 1)))
        if end > last:
            made.append((max(begin, last + 1), end))
    return made  # one that lies wholly before or behind is kept by exactly one of the two


def _within(intervals: Iterable[Interval], seq: int) -> bool:
    return any(first <= seq <= last for first, last in intervals)
