"""SpanIntegrityGuard: lets only rows that are their writer's word towards the table, and keeps the others beside it.

Rules:
- Whom to believe is asked after the rows were read, for every frame: keys that were rotated meanwhile are known.
- Only what is provably wrong is set aside. While nobody can tell (no trust, no issuer in it), the writer waits.
- At most ``max_rows`` rows of a writer are set aside in one tick, exceeded by at most one frame: a writer that writes
  nothing but forgeries fills neither disk nor time, and nothing of it is dropped.
"""

from collections import Counter

from actors.base.certificates import TrustBundle
from actors.base.errors import StorageUnavailable, WeaverGenError
from actors.spans.adapters.quarantine import QuarantinedRows
from actors.spans.adapters.sealer import Authority
from actors.spans.authenticity import Writers
from actors.spans.columns import Rows


class SpanIntegrityGuard:
    """Judges frames of one tick after another."""

    def __init__(self, authority: Authority, kept: QuarantinedRows, late_after_s: float, max_rows: int) -> None:
        self._authority, self._kept = authority, kept
        self._late_after_s, self._max_rows = late_after_s, max_rows
        self._judged: tuple[TrustBundle, Writers] | None = None
        self._set_aside: Counter[str] = Counter()
        """Writer → rows set aside in this tick."""

    def begin(self) -> None:
        """Begin a tick."""
        self._set_aside.clear()

    def faults(self, rows: Rows, now_s: float) -> dict[int, str]:
        """Set aside, durably, every row that is not its writer's word; return number → why.

        Raises ``StorageUnavailable`` if that cannot be told or done now: nothing of these rows may be taken in then.
        """
        signed = [(seq, span) for seq, span in enumerate(rows.spans, rows.first_seq) if span.record]
        if not signed:
            return {}
        writers = self._writers()
        found = {seq: writers.fault(rows.writer_id, seq, span, now_s) for seq, span in signed}
        faults = {seq: fault for seq, fault in found.items() if fault}
        if not faults:
            return {}
        if self._set_aside[rows.writer_id] >= self._max_rows:
            raise StorageUnavailable(
                f"{self._set_aside[rows.writer_id]} rows of {rows.writer_id} were set aside in one tick "
                f"(spans.quarantine_max_rows {self._max_rows}): the others wait"
            )
        try:
            self._kept.put(rows, faults)
        except OSError as error:
            raise StorageUnavailable(f"rows of {rows.writer_id} cannot be set aside: {error.strerror}") from error
        self._set_aside[rows.writer_id] += len(faults)
        return faults

    def _writers(self) -> Writers:
        try:
            trust = self._authority.trust()
        except (OSError, WeaverGenError) as error:
            raise StorageUnavailable(f"nobody can tell whose word rows are: {error}") from error
        if self._judged is None or self._judged[0] is not trust:
            self._judged = trust, Writers(trust, self._late_after_s)
        return self._judged[1]
