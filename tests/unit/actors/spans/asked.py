"""What operators ask of quarantine, and the words that carry it out."""

import msgspec

from actors.base.certificates import TrustBundle
from actors.base.ids import ulid
from actors.base.signing import SigningKey
from actors.spans import conventions as names
from actors.spans.entry import sign_entry
from actors.spans.request import QuarantineRequest, SignedRequest, as_entered, sign_request
from tests.unit.actors.spans.telemetry import LOG_KEY, NOW_S, Authority, certificate_of, writer_id

OPERATOR = SigningKey.from_seed(b"o" * 32)
REQUEST = QuarantineRequest(
    "weavergen.quarantine-request/1", ulid(int(NOW_S * 1000), bytes(10)), "release", writer_id(1), 3, 4, "looked at",
    "operator a", int(NOW_S * 1000),
)  # fmt: skip


def with_operator(trust: TrustBundle) -> TrustBundle:
    """Have root know an operator, too."""
    return msgspec.structs.replace(trust, certificates=[*trust.certificates, certificate_of("operator", OPERATOR)])


TRUST = with_operator(Authority().trust())


def word_of(signed: SignedRequest, request: QuarantineRequest, place: str = "table") -> dict[str, str]:
    """Return the attributes of the entry that carries a request out."""
    return {
        names.ROW_WRITER: request.writer_id, names.ROW_FIRST: str(request.first_seq), names.ROW_LAST: str(request.last_seq),
        names.ROW_PLACE: place, names.ROW_REASON: request.reason, names.ROW_BY: request.by, names.ROW_REQUEST: as_entered(signed),
    }  # fmt: skip


def word(
    action: str,
    first: int,
    last: int,
    writer: str = REQUEST.writer_id,
    key: SigningKey = OPERATOR,
    at_ms: int = REQUEST.at_ms,
) -> dict[str, str]:
    """Return what an entry says that an operator signed."""
    request = msgspec.structs.replace(
        REQUEST, action=action, writer_id=writer, first_seq=first, last_seq=last, at_ms=at_ms
    )
    return word_of(sign_request(request, key), request)


def answer(batch: int, first: int, last: int, found: str = "ab" * 32, said: str = "cd" * 32) -> dict[str, str]:
    """Return what an entry says with which an operator answers for a batch, signed with the log's key as well."""
    request = msgspec.structs.replace(
        REQUEST, action="seal", first_seq=first, last_seq=last, batch=batch, found=found
    )  # fmt: skip
    words = word_of(sign_request(request, OPERATOR), request) | {
        names.BATCH_NUMBER: str(batch), names.BATCH_SAID: said, names.BATCH_FOUND: found,
    }  # fmt: skip
    return sign_entry(LOG_KEY, TRUST, names.BATCH_ANSWERED, words, int(NOW_S))
