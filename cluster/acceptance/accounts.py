"""What clients received, held against what is on the disk of a system that is down. Pure.

Rules:
- An answer that was received is *proven* if its decision has exactly one record on disk, which verifies offline and says
  ``answered``: a second one would be its withdrawal.
- A decision is *half recorded* if its ``answered`` record neither reached a client nor was withheld, or if it was
  withheld without having been answered. Where connections were cut the first is no fault: a record proves what was
  decided, not that it was delivered.

Left out: reading the disk (``disk``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError
from actors.consensus.audit import Recorded
from actors.consensus.verification import verify_envelope
from actors.spans.record import read_envelope
from cluster.acceptance.load import Outcome

Records = Mapping[str, Sequence[Recorded]]
"""Decision → its records, in the order they were written."""


def by_decision(found: Iterable[Recorded]) -> dict[str, list[Recorded]]:
    """Return records by decision; a row that the log and the table both hold counts once if it is the same.

    Only the table knows the row's batch, so that makes no other row of it.
    """
    rows: dict[Recorded, Recorded] = {}
    for record in found:
        row = replace(record, batch=None)
        rows[row] = rows.get(row, row) if record.batch is None else record
    records: dict[str, list[Recorded]] = {}
    for _, record in sorted(rows.items()):
        records.setdefault(record.decision_id, []).append(record)
    return records


def unproven(received: Iterable[Outcome], records: Records, trust: TrustBundle, now_s: int) -> list[str]:
    """Return the received answers that the disk does not prove, each with why."""
    faults = ((outcome.decision_id, _fault(outcome.decision_id, records, trust, now_s)) for outcome in received)
    return [f"{decision_id or 'no decision id'}: {fault}" for decision_id, fault in faults if fault]


def checked(received: Sequence[Outcome], records: Records, trust: TrustBundle, now_s: int) -> dict[str, Any]:
    """Return how many received answers were looked for on disk, how many it does not prove, and the first three of these."""
    bad = unproven(received, records, trust, now_s)
    return {"checked_on_disk": len(received), "answers_without_verifiable_record": len(bad), "examples": bad[:3]}


def withheld(records: Records) -> list[str]:
    """Return the decisions whose answer was withheld."""
    return [decision_id for decision_id, found in records.items() if "withheld" in _results(found)]


def half_recorded(received: Iterable[Outcome], records: Records) -> list[str]:
    """Return the decisions that were left between an answer and its withdrawal."""
    known = {outcome.decision_id for outcome in received}
    return [decision_id for decision_id, found in records.items() if _is_half(_results(found), decision_id in known)]


def last_answers(received: Iterable[Outcome], records: Records, since_s: float) -> dict[str, float]:
    """Return when each replica's last answer came, in seconds after ``since_s``; a replica is who wrote the record."""
    last: dict[str, float] = {}
    for outcome in received:
        for record in records.get(outcome.decision_id, ())[:1]:
            last[record.writer_id] = max(last.get(record.writer_id, outcome.ended_s), outcome.ended_s)
    return {writer_id: round(ended_s - since_s, 3) for writer_id, ended_s in sorted(last.items())}


def _fault(decision_id: str, records: Records, trust: TrustBundle, now_s: int) -> str:
    found = records.get(decision_id, ())
    if not found:
        return "no record on disk"
    try:
        verified = [verify_envelope(record.envelope, trust, now_s).record for record in found]
    except IntegrityError as error:
        return str(error)
    if any(record.id != decision_id for record in verified):
        return "the row's record is another decision's"
    results = [record.result for record in verified]
    return "" if results == ["answered"] else f"recorded as {', '.join(results)}"


def _results(found: Sequence[Recorded]) -> list[str]:
    return [read_envelope(record.envelope).read().result for record in found]


def _is_half(results: Sequence[str], was_received: bool) -> bool:
    if "withheld" in results:
        return "answered" not in results
    return "answered" in results and not was_received
