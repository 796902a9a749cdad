"""Whose word a row is."""

import msgspec
import pytest

from actors.base.canonical import canonical_json
from actors.base.certificates import Revocation, revoke
from actors.base.signing import SigningKey
from actors.spans.authenticity import MAX_SKEW_S, Unjudged, Writers
from actors.spans.batch import without
from actors.spans.columns import Rows
from actors.spans.record import Envelope
from actors.spans.span import Span
from tests.unit.actors.spans.signed import CERTIFIED_S, signed_row, stranger_trust
from tests.unit.actors.spans.telemetry import ISSUER, NOW_S, ROOT, Authority, span, spans_from, writer_id

W = writer_id(1)
LATE_S = 3600
WRITERS = Writers(Authority().trust(), LATE_S)


def altered(row: Span, **changes: object) -> Span:
    """Return a row whose envelope was changed."""
    envelope = msgspec.json.decode(row.record, type=Envelope)
    return msgspec.structs.replace(row, record=canonical_json(msgspec.structs.replace(envelope, **changes)))


def test_a_writer_s_own_word_is_believed() -> None:
    """A decision in its place, twice as well as once, and a row that carries none."""
    for _ in range(2):
        assert WRITERS.fault(W, 5, signed_row(W, 5), NOW_S) == ""
    assert WRITERS.fault(W, 6, span(6), NOW_S) == ""


def test_a_certificate_that_was_seen_before_vouches_for_its_own_writer_only() -> None:
    """Remembered or not, whose it is is looked at for every row."""
    writers, other = Writers(Authority().trust(), LATE_S), signed_row(writer_id(2), 5)
    assert writers.fault(writer_id(2), 5, other, NOW_S) == ""
    assert "certificate is" in writers.fault(W, 5, other, NOW_S)


def test_what_is_not_its_word_is_told_why() -> None:
    """Out of its place, under another decision, by another key or another writer, cut, unsigned: each by its reason."""
    row = signed_row(W, 5)
    other = signed_row(writer_id(2), 5)
    forged = signed_row(W, 5, key=SigningKey.from_seed(b"f" * 32))
    revocation = revoke(ROOT, Revocation(ISSUER.public.key_id, int(NOW_S) - 60, "lost"))
    revoked = msgspec.structs.replace(Authority().trust(), revocations=[revocation])
    wrong = {
        "is row 5 of": WRITERS.fault(W, 6, row, NOW_S),
        "another decision": WRITERS.fault(W, 5, msgspec.structs.replace(row, decision_id=span(9).decision_id), NOW_S),
        "certificate is": WRITERS.fault(W, 5, other, NOW_S),
        "signed by key": WRITERS.fault(W, 5, forged, NOW_S),
        "cannot be read": WRITERS.fault(W, 5, msgspec.structs.replace(row, record=row.record[:-1]), NOW_S),
        "exactly one writer certificate": WRITERS.fault(W, 5, altered(row, certificates=[]), NOW_S),
        "its key is revoked": Writers(revoked, LATE_S).fault(W, 5, row, NOW_S),
        "another time": WRITERS.fault(W, 5, moved(row, MAX_SKEW_S + 1), NOW_S),
        "issued at another time": WRITERS.fault(W, 5, moved(row, -MAX_SKEW_S - 1), NOW_S),
    }
    for why, fault in wrong.items():
        assert why in fault, (why, fault)


def moved(row: Span, seconds: int) -> Span:
    """Return a row that says another time than its record."""
    by_ns = seconds * 10**9
    return msgspec.structs.replace(
        row, start_unix_nano=row.start_unix_nano + by_ns, end_unix_nano=row.end_unix_nano + by_ns
    )


@pytest.mark.parametrize("seconds", [MAX_SKEW_S - 1, 1 - MAX_SKEW_S])
def test_a_clock_that_is_set_while_a_decision_is_made_makes_it_no_forgery(seconds: int) -> None:
    """Row and record may differ by the skew."""
    assert WRITERS.fault(W, 5, moved(signed_row(W, 5), seconds), NOW_S) == ""


def test_a_bundle_that_does_not_know_the_issuer_says_nothing_of_a_row() -> None:
    """It may be an older one, or another's: nobody can tell, so nothing is set aside."""
    with pytest.raises(Unjudged, match="no trusted issuer"):
        Writers(stranger_trust(), LATE_S).fault(W, 5, signed_row(W, 5), NOW_S)
    elsewhere = msgspec.structs.replace(Authority().trust(), root=SigningKey.from_seed(b"x" * 32).public.hex)
    with pytest.raises(Unjudged):
        Writers(msgspec.structs.replace(elsewhere, certificates=[]), LATE_S).fault(W, 5, signed_row(W, 5), NOW_S)


def test_a_writer_s_key_is_worth_nothing_long_after_its_certificate_ended() -> None:
    """Whatever time is written with it; until then a backlog gets in, and a forgery is one at any time."""
    row, ended_s = signed_row(W, 5), NOW_S + CERTIFIED_S
    assert WRITERS.fault(W, 5, row, ended_s + LATE_S - 1) == ""
    with pytest.raises(Unjudged, match="certificate ended"):
        WRITERS.fault(W, 5, row, ended_s + LATE_S)
    forged = signed_row(W, 5, key=SigningKey.from_seed(b"f" * 32))
    assert "signed by key" in WRITERS.fault(W, 5, forged, ended_s + LATE_S)


@pytest.mark.parametrize(
    ("numbers", "left"), [((), [(5, 4)]), ((5,), [(6, 3)]), ((6, 7), [(5, 1), (8, 1)]), ((5, 6, 7, 8), [])]
)
def test_rows_that_are_taken_out_part_a_run(numbers: tuple[int, ...], left: list[tuple[int, int]]) -> None:
    """What is left keeps its numbers."""
    rows = Rows(W, 5, 2, spans_from(5, 4))
    parts = without(rows, numbers)
    assert [(part.first_seq, len(part.spans)) for part in parts] == left
    assert all(part.schema_version == 2 for part in parts)
