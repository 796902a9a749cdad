"""A request counts if an operator signed it lately, and asks for something."""

import msgspec
import pytest

from actors.base.canonical import b64, canonical_json
from actors.base.errors import IntegrityError
from actors.base.signing import SigningKey
from actors.spans.request import MAX_AGE_S, QuarantineRequest, accepted, as_entered, confirmed, sign_request
from tests.unit.actors.spans.asked import OPERATOR, REQUEST, TRUST
from tests.unit.actors.spans.telemetry import NOW_S, Authority

AT_S = int(NOW_S)


def request(**changes: object) -> QuarantineRequest:
    """Return a request."""
    return msgspec.structs.replace(REQUEST, **changes)


def test_what_an_operator_signed_counts() -> None:
    """For a day; as it was signed."""
    signed = sign_request(request(), OPERATOR)
    assert accepted(signed, TRUST, AT_S) == accepted(signed, TRUST, AT_S + MAX_AGE_S) == request()


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
            accepted(wrong, TRUST, AT_S)
    for late_s in (MAX_AGE_S + 1, -301):
        with pytest.raises(IntegrityError, match="sign it anew"):
            accepted(signed, TRUST, AT_S + late_s)


@pytest.mark.parametrize("changes", [{"first_seq": 0}, {"first_seq": 5}, {"id": "../../x"}])
def test_a_request_that_names_no_rows_is_none(changes: dict[str, object]) -> None:
    """Whoever signed it."""
    with pytest.raises(IntegrityError, match="no rows"):
        accepted(sign_request(request(**changes), OPERATOR), TRUST, AT_S)


def test_what_an_entry_carries_is_held_against_the_operators_of_its_time() -> None:
    """However long ago that was: it happened then. What nobody signed, or what is no request, is refused."""
    signed = sign_request(request(), OPERATOR)
    assert confirmed(as_entered(signed), TRUST) == request()
    before = sign_request(request(at_ms=-1), OPERATOR)
    for wrong in ("", "{}", as_entered(before), as_entered(sign_request(request(), Authority().key()))):
        with pytest.raises(IntegrityError):
            confirmed(wrong, TRUST)
    other = msgspec.structs.replace(signed, payload=b64(canonical_json(request(last_seq=9))))
    with pytest.raises(IntegrityError, match="does not match"):
        confirmed(as_entered(other), TRUST)


def test_what_was_signed_before_there_were_batches_to_answer_for_reads_as_it_was() -> None:
    """What a request does not name is not written: its bytes, and so its signature, are those of before."""
    assert b"batch" not in canonical_json(request())
    answer = request(action="seal", batch=7, found="ab" * 32)
    assert accepted(sign_request(answer, OPERATOR), TRUST, AT_S) == answer


@pytest.mark.parametrize("changes", [{"batch": -1}, {"found": "ab"}, {"action": "release"}])
def test_a_batch_is_named_by_number_and_by_what_lies_there(changes: dict[str, object]) -> None:
    """All of it, and of nothing but a batch."""
    wrong = request(**({"action": "seal", "batch": 7, "found": "ab" * 32} | changes))
    with pytest.raises(IntegrityError, match="batch"):
        accepted(sign_request(wrong, OPERATOR), TRUST, AT_S)
