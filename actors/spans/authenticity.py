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

from actors.base.certificates import Certificate, SignedCertificate, TrustBundle, UnknownIssuer, writer_key
from actors.base.errors import IntegrityError, StorageUnavailable
from actors.base.signing import PublicKey
from actors.spans.record import RECORD_TYPE, DecisionRecord, read_envelope
from actors.spans.span import Span

MAX_KNOWN = 1024
MAX_SKEW_S = 300
"""How far a record's time may lie outside its row's: clocks are set while a decision is made."""


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
        if not span.record:
            return ""
        try:
            record, certificate = self._signed(span.record, writer_id)
        except UnknownIssuer as error:
            raise Unjudged(f"row {seq} of {writer_id}: {error}; bring the newest trust.json back") from error
        except IntegrityError as error:
            return str(error)
        if fault := _misplaced(record, writer_id, seq, span):
            return fault
        if now_s >= certificate.not_after + self._late_after_s:
            raise Unjudged(
                f"row {seq} of {writer_id} comes {now_s - certificate.not_after:.0f} s after its writer's certificate ended: "
                "set the clock, or raise spans.wal_max_age_s if the row is known to be the writer's"
            )
        return ""

    def _signed(self, data: bytes, writer_id: str) -> tuple[DecisionRecord, Certificate]:
        """Return an envelope's record and certificate if a key that was certified for this writer signed it."""
        envelope = read_envelope(data)
        record = envelope.read()
        if len(envelope.certificates) != 1:
            raise IntegrityError("exactly one writer certificate is expected", "certificate")
        certificate, key = self._key(envelope.certificates[0], writer_id, record.issued_at // 1000)
        key.verify(RECORD_TYPE, envelope.payload_bytes, envelope.signature, "signature")
        return record, certificate

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


def _misplaced(record: DecisionRecord, writer_id: str, seq: int, span: Span) -> str:
    """Return why a record does not belong to the row it is in; empty if it does."""
    if (record.writer.id, record.writer.seq) != (writer_id, seq):
        return f"its record is row {record.writer.seq} of {record.writer.id}"
    if record.id != span.decision_id:
        return "its record is another decision's"
    return "" if _fits(record.issued_at, span) else "its record was issued at another time than its row says"


def _fits(issued_at_ms: int, span: Span) -> bool:
    """Tell whether a record was issued while its row says, give or take the skew."""
    skew_ms = MAX_SKEW_S * 1000
    return span.start_unix_nano // 1_000_000 - skew_ms <= issued_at_ms <= span.end_unix_nano // 1_000_000 + skew_ms
