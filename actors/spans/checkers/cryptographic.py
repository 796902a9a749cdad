"""CryptographicIntegrityChecker: a row is its writer's word, and no other row over again.

Rules:
- A record is what ``authenticity`` says of it: provably another's is critical, and where nobody can tell the row waits.
- Rows that only the actor enters never come through a log.
- A span's id names one row. A second row with it is a copy: the first that came stays. Other services send a span again
  where an answer was lost, under ids that they choose: theirs are no copies of one another, nor of ours.

Left out: whether what a record says is what its row says (``cross_reference``); rows without a record are nobody's signed word,
and all that can be said of them is said by their ids.
"""

from collections.abc import Callable, Iterator
from itertools import chain, compress, repeat

import numpy as np

from actors.base.certificates import TrustBundle
from actors.base.errors import WeaverGenError
from actors.spans.authenticity import Unjudged, Writers
from actors.spans.checkers.arrays import Arrays
from actors.spans.checkers.finding import Arrivals, Finding, Severity
from actors.spans.checkers.recent import Recent
from actors.spans.conventions import ACTOR_S

NAME = "CryptographicIntegrityChecker"
MAX_SHOWN = 200
"""Characters of a cause that are kept."""


class CryptographicIntegrityChecker:
    """Judges by signatures, certificates and ids. ``trust`` is asked once a batch that carries records, after it was read."""

    def __init__(self, trust: Callable[[], TrustBundle], late_after_s: float, remembered_spans: int) -> None:
        self._trust, self._late_after_s = trust, late_after_s
        self._judging: tuple[TrustBundle, Writers] | None = None
        self._recent = Recent(remembered_spans)

    @property
    def name(self) -> str:
        """Return the name of the class."""
        return NAME

    def check(self, arrivals: Arrivals) -> list[Finding]:
        """Return rows that are not their writer's word, and those of which nobody can tell now."""
        rows = arrivals.arrays
        return [*self._records(arrivals), *self._names(rows), *self._copies(rows)]

    def learn(self, accepted: Arrivals) -> None:
        """Remember which spans there are."""
        rows = accepted.arrays
        self._recent.add(_places(rows))

    def _records(self, arrivals: Arrivals) -> Iterator[Finding]:
        rows = arrivals.arrays
        if not rows.signed:
            return
        try:
            writers = self._believed()
        except (OSError, WeaverGenError) as error:
            why = f"nobody can tell whose word rows are: {error}"
            yield from (_finding(rows, at, "untold", Severity.UNDECIDED, why=why) for at in rows.signed)
            return
        for at in rows.signed:
            writer_id, seq = rows.place(at)
            try:
                fault = writers.judge(writer_id, seq, rows.spans[at], arrivals.now_s, arrivals.open(at))
            except Unjudged as error:
                yield _finding(rows, at, "untold", Severity.UNDECIDED, why=str(error))
                continue
            if fault is not None:
                yield _finding(rows, at, fault.kind, Severity.CRITICAL, why=fault.why)

    def _believed(self) -> Writers:
        trust = self._trust()
        if self._judging is None or self._judging[0] is not trust:
            self._judging = trust, Writers(trust, self._late_after_s)
        return self._judging[1]

    @staticmethod
    def _names(rows: Arrays) -> Iterator[Finding]:
        for at, span in enumerate(rows.spans):
            if span.name in ACTOR_S:
                yield _finding(rows, at, "actor_s_name", Severity.CRITICAL, name=span.name)

    def _copies(self, rows: Arrays) -> Iterator[Finding]:
        own = _own(rows)
        keys = set(rows.ids) if len(own) == len(rows.ids) else {rows.ids[at] for at in own}
        if len(keys) == len(own) and not self._recent.knows_any(keys):
            return
        first: dict[bytes, tuple[str, int]] = {}
        for at in own:
            key, here = rows.ids[at], rows.place(at)
            there = self._recent.find(key) or first.setdefault(key, here)
            if there != here:
                yield _finding(rows, at, "copied_span", Severity.CRITICAL, first=f"row {there[1]} of {there[0]}")


def _own(rows: Arrays) -> list[int]:
    """Return the places of rows that are this system's own."""
    own: list[int] = np.flatnonzero(~rows.external).tolist()
    return own


def _places(rows: Arrays) -> Iterator[tuple[bytes, tuple[str, int]]]:
    """Return the id of each row that is this system's own, and which row it is."""
    numbers = (
        zip(repeat(part.writer_id), range(part.first_seq, part.first_seq + len(part.spans))) for part in rows.parts
    )
    named = zip(rows.ids, chain.from_iterable(numbers), strict=True)
    return compress(named, (~rows.external).tolist()) if rows.external.any() else named


def _finding(rows: Arrays, at: int, kind: str, severity: Severity, **evidence: str) -> Finding:
    shown = {name: text if severity is Severity.UNDECIDED else text[:MAX_SHOWN] for name, text in evidence.items()}
    return Finding(*rows.place(at), NAME, kind, severity, shown)
