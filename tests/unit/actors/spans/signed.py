"""Rows that carry a decision, signed by a writer whose certificate leads to the tests' root."""

import msgspec

from actors.base.canonical import canonical_json
from actors.base.certificates import Certificate, TrustBundle, certify
from actors.base.signing import SigningKey
from actors.spans.record import WriterRef, seal
from actors.spans.span import Span
from tests.unit.actors.spans.telemetry import ISSUER, NOW_S, ROOT, Authority, decision, of_writer, span
from tests.unit.actors.spans.test_record import RECORD

CERTIFIED_S = 3600
"""How long the writer's certificate goes on."""
WRITER_KEY = SigningKey.from_seed(b"w" * 32)


def signed_row(writer: str, seq: int, key: SigningKey | None = None) -> Span:
    """Return row ``seq`` of a writer: its decision, signed with ``key`` where that is not the writer's own."""
    at_s = int(NOW_S)
    certificate = certify(
        ISSUER,
        Certificate("writer", writer, WRITER_KEY.public.hex, ISSUER.public.key_id, at_s - 3600, at_s + CERTIFIED_S),
    )
    record = msgspec.structs.replace(RECORD, id=decision(seq), issued_at=at_s * 1000, writer=WriterRef(writer, seq))
    envelope = seal(record, key or WRITER_KEY, certificate)
    return of_writer(span(seq, canonical_json(envelope), decision_id=record.id), writer)


def stranger_trust() -> TrustBundle:
    """Return a bundle under the same root that knows another issuer only."""
    other = SigningKey.from_seed(b"o" * 32)
    certificate = Certificate("issuer", "issuer", other.public.hex, ROOT.public.key_id, 0, int(NOW_S) + 10_000_000)
    return msgspec.structs.replace(Authority().trust(), certificates=[certify(ROOT, certificate)])
