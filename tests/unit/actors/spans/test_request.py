"""A request counts if an operator signed it lately, and asks for something."""

import msgspec
import pytest

from actors.base.canonical import b64, canonical_json
from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError
from actors.base.ids import ulid
from actors.base.signing import SigningKey
from actors.spans.request import MAX_AGE_S, QuarantineRequest, accepted, sign_request
from tests.unit.actors.spans.telemetry import NOW_S, Authority, certificate_of, writer_id

OPERATOR = SigningKey.from_seed(b"o" * 32)
AT_S = int(NOW_S)


def trust() -> TrustBundle:
    """Return a bundle with an operator."""
    known = Authority().trust()
    return msgspec.structs.replace(known, certificates=[*known.certificates, certificate_of("operator", OPERATOR)])


def request(**changes: object) -> QuarantineRequest:
    """Return a request."""
    made = QuarantineRequest(
        "weavergen.quarantine-request/1", ulid(AT_S * 1000, bytes(10)), "release", writer_id(1), 3, 4, "clock", "operator a",
        AT_S * 1000,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def test_what_an_operator_signed_counts() -> None:
    """For a day; as it was signed."""
    signed = sign_request(request(), OPERATOR)
    assert accepted(signed, trust(), AT_S) == accepted(signed, trust(), AT_S + MAX_AGE_S) == request()


def test_what_nobody_who_may_signed_does_not_count() -> None:
    """A stranger's key, a key of another role, another payload, another time: each says why."""
    signed = sign_request(request(), OPERATOR)
    other = msgspec.structs.replace(signed, payload=b64(canonical_json(request(last_seq=9))))
    for wrong, why in [
        (sign_request(request(), SigningKey.from_seed(b"x" * 32)), "no operator"),
        (sign_request(request(), Authority().key()), "no operator"),
        (other, "does not match"),
    ]:
        with pytest.raises(IntegrityError, match=why):
            accepted(wrong, trust(), AT_S)
    for late_s in (MAX_AGE_S + 1, -301):
        with pytest.raises(IntegrityError, match="sign it anew"):
            accepted(signed, trust(), AT_S + late_s)


@pytest.mark.parametrize("changes", [{"first_seq": 0}, {"first_seq": 5}, {"id": "../../x"}])
def test_a_request_that_names_no_rows_is_none(changes: dict[str, object]) -> None:
    """Whoever signed it."""
    with pytest.raises(IntegrityError, match="no rows"):
        accepted(sign_request(request(**changes), OPERATOR), trust(), AT_S)
