"""Whether a row that carries a decision is the word of the writer whose row it is.

Rules:
- The envelope's bytes are canonical, its certificate leads to the root of trust at the time of issue, its signature is the
  certified key's, it names this writer and this number, and the row is filed under its decision.
- Everything else about the record (tally, choice) is the writer's own word, which ``consensus.verification`` replays.

Left out: rows without a decision, which carry no signature.
"""

from actors.base.certificates import Certificate, SignedCertificate, TrustBundle, writer_key
from actors.base.errors import IntegrityError
from actors.base.signing import PublicKey
from actors.spans.record import RECORD_TYPE, read_envelope
from actors.spans.span import Span

MAX_KNOWN = 1024


class Writers:
    """Judges rows under one trust bundle; remembers chains of certificates, by the second, that it followed before."""

    def __init__(self, trust: TrustBundle) -> None:
        self._trust = trust
        self._known: dict[tuple[SignedCertificate, int], tuple[Certificate, PublicKey]] = {}

    def fault(self, writer_id: str, seq: int, span: Span) -> str:
        """Return why row ``seq`` of a writer cannot be believed; empty if it can."""
        if not span.record:
            return ""
        try:
            envelope = read_envelope(span.record)
            record = envelope.read()
            if len(envelope.certificates) != 1:
                return "exactly one writer certificate is expected"
            key = self._key(envelope.certificates[0], writer_id, record.issued_at // 1000)
            key.verify(RECORD_TYPE, envelope.payload_bytes, envelope.signature, "signature")
        except IntegrityError as error:
            return str(error)
        if (record.writer.id, record.writer.seq) != (writer_id, seq):
            return f"its record is row {record.writer.seq} of {record.writer.id}"
        return "" if record.id == span.decision_id else "its record is another decision's"

    def _key(self, signed: SignedCertificate, writer_id: str, at_s: int) -> PublicKey:
        known = self._known.get((signed, at_s))
        if known is None:
            known = writer_key(self._trust, signed, at_s)
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[signed, at_s] = known
        certificate, key = known
        if certificate.subject != writer_id:
            raise IntegrityError(f"its certificate is {certificate.subject}'s", "certificate")
        return key
