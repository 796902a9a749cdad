"""What a provider's faults mean for a ballot."""

import pytest

from models.errors import VoterBusy, VoterError, VoterFailed, VoterInvalid, VoterRefused, VoterTooLong
from models.providers import faults
from models.providers.failures import Complaint, failure_of, failure_of_status, retry_after_s
from tests.providers import ERRORS, Fixture, meaning

IN_TWO_SECONDS = {b"retry-after": b"2"}


@pytest.mark.parametrize("fixture", ERRORS, ids=str)
def test_documented_errors_mean_what_their_fixture_says(fixture: Fixture) -> None:
    """Every documented error becomes the right class, with the time to come back, and repeats nothing that was said."""
    complaint = fixture.dialect.complaint(fixture.status, fixture.wire)
    headers = {name.lower().encode(): value.encode() for name, value in fixture.headers.items()}
    error = failure_of("v", faults.Rejected(fixture.status, headers, fixture.wire), complaint)
    assert meaning(error) == fixture.means
    refused = fixture.status in {401, 403} or b"API_KEY_INVALID" in fixture.wire
    assert ("its key was refused" in error.message) == refused
    assert "s3cret" not in f"{error} {error!r}"


@pytest.mark.parametrize("fixture", [f for f in ERRORS if f.status == 400], ids=str)
def test_only_a_bad_request_is_about_the_prompt(fixture: Fixture) -> None:
    """The same words in a server's own failure say nothing about what was asked."""
    assert fixture.dialect.complaint(500, fixture.wire).kind == ""


@pytest.mark.parametrize(
    ("status", "headers", "complaint", "kind", "wait_s"),
    [
        (429, {}, Complaint(), VoterFailed, None),
        (429, IN_TWO_SECONDS, Complaint(), VoterBusy, 2.0),
        (429, IN_TWO_SECONDS, Complaint(retry_after_s=9.0), VoterBusy, 9.0),
        (429, IN_TWO_SECONDS, Complaint(retry_after_s=1.0), VoterBusy, 2.0),
        (503, IN_TWO_SECONDS, Complaint(), VoterFailed, 2.0),
        (529, IN_TWO_SECONDS, Complaint(), VoterFailed, 2.0),
        *((status, {}, Complaint(), VoterFailed, None) for status in (301, 400, 404, 408, 500, 502, 503, 504, 529)),
        (413, {}, Complaint(), VoterTooLong, None),
        (400, {}, Complaint("too_long"), VoterTooLong, None),
        (400, {}, Complaint("refused"), VoterRefused, None),
    ],
)
def test_a_status_means(
    status: int, headers: dict[bytes, bytes], complaint: Complaint, kind: type[VoterError], wait_s: float | None
) -> None:
    """Busy only where a time is given; too long is too long; the later of two times counts; everything else failed."""
    error = failure_of_status("v", status, headers, complaint)
    assert (type(error), error.retry_after_s) == (kind, wait_s)


@pytest.mark.parametrize(("status", "complaint"), [(401, Complaint()), (403, Complaint()), (400, Complaint("key"))])
def test_a_refused_key_is_named(status: int, complaint: Complaint) -> None:
    """Who operates this reads that it is the key."""
    assert "its key was refused" in failure_of_status("v", status, {}, complaint).message


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (faults.Unreachable(), VoterFailed),
        (faults.Unverified(), VoterFailed),
        (faults.Unaskable(), VoterFailed),
        (faults.Broken(), VoterFailed),
        (faults.Cut(), VoterFailed),
        (faults.ErrorEvent(), VoterFailed),
        (faults.Oversized(), VoterInvalid),
        (faults.Malformed("answered nonsense"), VoterInvalid),
    ],
)
def test_every_fault_has_its_meaning(fault: faults.Fault, kind: type[VoterError]) -> None:
    """What broke is a failure, what was said wrongly is invalid."""
    assert type(failure_of("v", fault, Complaint())) is kind


def test_a_certificate_that_does_not_verify_is_named() -> None:
    """Whom to trust is for who operates this to say: nobody there is another matter."""
    messages = [failure_of("v", fault, Complaint()).message for fault in (faults.Unreachable(), faults.Unverified())]
    assert messages == ["cannot be connected to", "its certificate does not verify"]


def test_a_time_to_come_back_is_bounded() -> None:
    """Nobody is sent away for longer than an hour, or for less than no time."""
    assert [retry_after_s({b"retry-after": text}) for text in (b"1e9", b"-1", b"soon")] == [3600.0, 0.0, None]


@pytest.mark.parametrize(
    ("seconds", "milliseconds", "expected"),
    [(b"", b"1500", 1.5), (b"1", b"500", 1.0), (b"1", b"1500", 1.5), (b"1", b"soon", 1.0), (b"", b"", None)],
)
def test_a_time_to_come_back_may_be_in_milliseconds(
    seconds: bytes, milliseconds: bytes, expected: float | None
) -> None:
    """The header that the SDKs read before the standard's counts too, and the later of both."""
    assert retry_after_s({b"retry-after": seconds, b"retry-after-ms": milliseconds}) == expected
