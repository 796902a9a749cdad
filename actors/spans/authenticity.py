"""Whether a row that carries a decision is the word of the writer whose row it is.

Rules:
- The envelope's bytes are canonical, its certificate leads to the root of trust at the time of issue, its signature is the
  certified key's, it names this writer and this number, and the row is filed under its decision.
- It was issued while its row says that the decision was made, give or take ``MAX_SKEW_S``: else whoever writes the row
  could choose by one time what is believed and by the other what is counted.
- A certificate that no issuer of the bundle stands behind proves nothing of the row: the bundle may be an older or another
  one. Such a row is ``Unjudged``; its writer waits.
- So is one that comes later than ``late_after_s`` (the log's promise and ``spans.wal_max_age_s``) after its certificate
  ended: a writer's key that was stolen is worth nothing from then on, whatever time the thief writes. It is measured when
  the row is first taken in, so a backlog of hours, or of a day, gets in. What is later still waits in the log for an
  operator: a clock that jumped ahead, or a home that was brought back after long, loses nothing.
- Everything else about the record (tally, choice) is the writer's own word, which ``consensus.verification`` replays.

Left out: rows without a decision, which carry no signature.
"""

from typing import NamedTuple

from actors.base.certificates import Certificate, SignedCertificate, TrustBundle, UnknownIssuer, writer_key
from actors.base.errors import IntegrityError, StorageUnavailable
from actors.base.signing import PublicKey
from actors.spans.opened import Opened, opened
from actors.spans.record import RECORD_TYPE, DecisionRecord
from actors.spans.span import Span

MAX_KNOWN = 1024
MAX_SKEW_S = 300
"""How far a record's time may lie outside its row's: clocks are set while a decision is made."""


class Fault(NamedTuple):
    """Why a row cannot be believed."""

    kind: str
    """``record_unreadable``, ``certificate``, ``signature``, ``misplaced``, ``other_decision``, ``issued_outside_span``."""
    why: str


class Unjudged(StorageUnavailable):
    """Nobody here can tell now whose word a row is: it is not taken in, and not set aside either."""


class Writers:
    """Judges rows under one trust bundle; remembers chains of certificates, by the second, that it followed before."""

    def __init__(self, trust: TrustBundle, late_after_s: float) -> None:
        self._trust = trust
        self._late_after_s = late_after_s
        self._known: dict[tuple[SignedCertificate, int], tuple[Certificate, PublicKey]] = {}

    def fault(self, writer_id: str, seq: int, span: Span, now_s: float) -> str:
        """Return why row ``seq`` of a writer, taken in now, cannot be believed; empty if it can. May raise ``Unjudged``."""
        found = self.judge(writer_id, seq, span, now_s)
        return "" if found is None else found.why

    def judge(
        self, writer_id: str, seq: int, span: Span, now_s: float, found: Opened | str | None = None
    ) -> Fault | None:
        """Return what is wrong with row ``seq`` of a writer, taken in now; ``None`` if it is its word. May raise ``Unjudged``.

        ``found`` is what came of opening its envelope, where that was done already.
        """
        if not span.record:
            return None
        found = opened(span.record) if found is None else found
        if isinstance(found, str):
            return Fault("record_unreadable", found)
        record, kind = found.record, "certificate"
        try:
            certificate, key = self._vouched(found, writer_id)
            kind = "signature"
            key.verify(RECORD_TYPE, found.payload, found.signature, "signature")
        except UnknownIssuer as error:
            raise Unjudged(f"row {seq} of {writer_id}: {error}; bring the newest trust.json back") from error
        except IntegrityError as error:
            return Fault(kind, str(error))
        if fault := _misplaced(record, writer_id, seq, span):
            return fault
        if now_s >= certificate.not_after + self._late_after_s:
            raise Unjudged(
                f"row {seq} of {writer_id} comes {now_s - certificate.not_after:.0f} s after its writer's certificate ended: "
                "set the clock, or raise spans.wal_max_age_s if the row is known to be the writer's"
            )
        return None

    def _vouched(self, found: Opened, writer_id: str) -> tuple[Certificate, PublicKey]:
        """Return the certificate and key that an envelope names, if they are this writer's."""
        if len(found.certificates) != 1:
            raise IntegrityError("exactly one writer certificate is expected", "certificate")
        return self._key(found.certificates[0], writer_id, found.record.issued_at // 1000)

    def _key(self, signed: SignedCertificate, writer_id: str, at_s: int) -> tuple[Certificate, PublicKey]:
        known = self._known.get((signed, at_s))
        if known is None:
            known = writer_key(self._trust, signed, at_s)
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[signed, at_s] = known
        if known[0].subject != writer_id:
            raise IntegrityError(f"its certificate is {known[0].subject}'s", "certificate")
        return known


def _misplaced(record: DecisionRecord, writer_id: str, seq: int, span: Span) -> Fault | None:
    """Return why a record does not belong to the row it is in."""
    if record.id != span.decision_id:
        return Fault("other_decision", "its record is another decision's")
    if not _fits(record.issued_at, span):
        return Fault("issued_outside_span", "its record was issued at another time than its row says")
    if (record.writer.id, record.writer.seq) != (writer_id, seq):
        return Fault("misplaced", f"its record is row {record.writer.seq} of {record.writer.id}")
    return None


def _fits(issued_at_ms: int, span: Span) -> bool:
    """Tell whether a record was issued while its row says, give or take the skew."""
    skew_ms = MAX_SKEW_S * 1000
    return span.start_unix_nano // 1_000_000 - skew_ms <= issued_at_ms <= span.end_unix_nano // 1_000_000 + skew_ms
