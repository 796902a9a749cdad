"""What an audit finds in decision records, read one by one in any order. Pure.

A row is one record where it lies: whose row, which number, which decision, the envelope's bytes. Each envelope is verified
offline like anyone would (``verification``), and held against its place: the row must be the writer and number that the
record names, and the row's decision the record's. A decision has one record, or two where an answer was withheld before it
left. A row that the log and the table both hold counts once; two of one number that differ are a finding. So is a record
past the time it promised to be in the log by, in no batch that is what was sealed: a broken promise.

Left out: reading disks, and checking the log, which tells whether rows are missing (``spans.adapters.check``).
"""

import hashlib
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass

from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError
from actors.consensus.verification import OVERDUE, verify_envelope

ANSWERED, WITHHELD = "answered", "withheld"


@dataclass(frozen=True, slots=True, order=True)
class Recorded:
    """One record on disk: whose row it is, its number there, the decision it is filed under, the envelope's bytes."""

    writer_id: str
    seq: int
    decision_id: str
    envelope: bytes
    batch: int | None = None
    """Number of the sealed batch the row is in, where it says so."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that is not as it must be."""

    decision_id: str
    writer_id: str
    seq: int
    step: str
    """Step of the verification that failed, or ``place``, ``row`` or ``decision``."""
    why: str


class Audit:
    """Takes rows one by one; holds a few hundred bytes a decision and no envelope."""

    def __init__(self, trust: TrustBundle, now_s: int, sealed: Container[int] = ()) -> None:
        """``sealed`` are the batches that were found to be what was sealed: their rows are included."""
        self.rows = 0
        self.findings: list[Finding] = []
        self._sealed = sealed
        self._inclusion: dict[tuple[str, int], str] = {}
        self._trust = trust
        self._now_s = now_s
        self._digests: dict[tuple[str, int], bytes] = {}
        self._results: dict[str, list[str]] = {}
        self._overdue: dict[tuple[str, int], Finding] = {}

    @property
    def decisions(self) -> int:
        """Return how many decisions the rows are of."""
        return len(self._results)

    @property
    def inclusion(self) -> dict[str, int]:
        """Return how far the log vouches for how many records."""
        return dict(sorted(Counter(self._inclusion.values()).items()))

    @property
    def results(self) -> dict[str, int]:
        """Return how many decisions ended how; one that cannot be read ends ``unreadable``."""
        return dict(sorted(Counter(_last(found) for found in self._results.values()).items()))

    def take(self, row: Recorded) -> None:
        """Verify one row."""
        digest, place = hashlib.sha256(row.envelope).digest(), (row.writer_id, row.seq)
        known = self._digests.setdefault(place, digest)
        if known is not digest:
            if known != digest:
                self._find(row, "row", "two different records claim this number of this writer")
            elif row.batch in self._sealed and place in self._inclusion:
                self._inclusion[place] = "included"
                self._overdue.pop(place, None)
            return
        self.rows += 1
        results = self._results.setdefault(row.decision_id, [])
        try:
            verified = verify_envelope(row.envelope, self._trust, self._now_s)
        except IntegrityError as error:
            results.append("unreadable")
            self._find(row, error.param or "envelope", str(error))
            return
        record = verified.record
        results.append(record.result)
        self._inclusion[place] = "included" if row.batch in self._sealed else verified.inclusion
        if self._inclusion[place] == OVERDUE and record.promise is not None:
            why = f"promised to be in the log by {record.promise.merge_by} (Unix seconds), and is in no sealed batch"
            self._overdue[place] = Finding(row.decision_id, row.writer_id, row.seq, "inclusion", why)
        if (record.writer.id, record.writer.seq) != place:
            self._find(row, "place", f"the record is {record.writer.id}'s row {record.writer.seq}")
        if record.id != row.decision_id:
            self._find(row, "place", f"the record is decision {record.id}'s")

    def conclude(self) -> list[Finding]:
        """Return every finding, once all rows were taken."""
        doubled = [
            Finding(decision_id, "", 0, "decision", f"recorded as {', '.join(sorted(found))}")
            for decision_id, found in self._results.items()
            if len(found) > 1 and sorted(found) != [ANSWERED, WITHHELD]
        ]
        return sorted([*self.findings, *doubled, *self._overdue.values()])

    def _find(self, row: Recorded, step: str, why: str) -> None:
        self.findings.append(Finding(row.decision_id, row.writer_id, row.seq, step, why))


def _last(results: Sequence[str]) -> str:
    """Return how a decision ended: a withdrawal stands above the answer that it withdrew."""
    return WITHHELD if WITHHELD in results else results[-1]
