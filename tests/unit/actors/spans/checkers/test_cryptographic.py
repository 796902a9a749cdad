"""What is not its writer's word, under an actor's name, or there twice is found as that."""

import msgspec
import pytest

from actors.base.certificates import TrustBundle
from actors.base.errors import HomeError
from actors.base.signing import SigningKey
from actors.spans import conventions as names
from actors.spans.checkers.cryptographic import CryptographicIntegrityChecker
from actors.spans.checkers.finding import Arrivals, Finding, Severity
from actors.spans.columns import Rows
from actors.spans.span import Span
from tests.unit.actors.spans.signed import CERTIFIED_S, signed_row, stranger_trust
from tests.unit.actors.spans.telemetry import NOW_S, Authority, span, writer_id

W = writer_id(1)
LATE_S = 3600
TRUST = Authority().trust()


def checker(trust: TrustBundle = TRUST) -> CryptographicIntegrityChecker:
    """Return a checker that believes that bundle."""
    return CryptographicIntegrityChecker(lambda: trust, LATE_S, 1000)


def arrivals(*spans: Span, first_seq: int = 5, writer: str = W, at_s: float = 0.0) -> Arrivals:
    """Return rows of one writer."""
    return Arrivals([Rows(writer, first_seq, 1, spans)], NOW_S + at_s)


def told(findings: list[Finding]) -> list[tuple[int, str, Severity]]:
    """Return number, kind and severity of each."""
    return [(one.seq, one.kind, one.severity) for one in findings]


def test_of_a_writer_s_own_word_nothing_is_said() -> None:
    """Signed or not, however often the same rows come: those that had to wait come again."""
    seen, rows = checker(), arrivals(signed_row(W, 5), span(6))
    assert (seen.check(rows), seen.check(rows)) == ([], [])
    seen.learn(rows)
    assert seen.check(rows) == []


def test_every_way_of_being_another_s_word_has_its_name() -> None:
    """Each is critical, and says why."""
    row = signed_row(W, 5)
    rows = arrivals(
        signed_row(W, 5, key=SigningKey.from_seed(b"f" * 32)),
        msgspec.structs.replace(row, span_id=b"2" * 8),
        msgspec.structs.replace(signed_row(W, 7), decision_id="another"),
        msgspec.structs.replace(row, span_id=b"4" * 8, record=row.record[:-1]),
        signed_row(writer_id(2), 9),
        msgspec.structs.replace(signed_row(W, 10), start_unix_nano=0, end_unix_nano=0),
    )
    found = checker().check(rows)
    assert told(found) == [
        (5, "signature", Severity.CRITICAL),
        (6, "misplaced", Severity.CRITICAL),
        (7, "other_decision", Severity.CRITICAL),
        (8, "record_unreadable", Severity.CRITICAL),
        (9, "certificate", Severity.CRITICAL),
        (10, "issued_outside_span", Severity.CRITICAL),
    ]
    assert all(one.evidence["why"] for one in found)


def test_where_nobody_can_tell_the_row_is_undecided() -> None:
    """A bundle that knows no issuer, one that cannot be had, a certificate that ended long ago; rows without records go on."""
    undecided = [(5, "untold", Severity.UNDECIDED)]
    assert told(checker(stranger_trust()).check(arrivals(signed_row(W, 5), span(6)))) == undecided

    def away() -> TrustBundle:
        raise HomeError("trust.json is gone")

    lost = CryptographicIntegrityChecker(away, LATE_S, 10)
    (one,) = lost.check(arrivals(signed_row(W, 5), span(6)))
    assert "trust.json is gone" in one.evidence["why"]
    (late,) = checker().check(arrivals(signed_row(W, 5), at_s=CERTIFIED_S + LATE_S))
    assert (late.severity, "wal_max_age_s" in late.evidence["why"]) == (Severity.UNDECIDED, True)


def test_whom_to_believe_is_asked_only_if_a_row_asks_for_it() -> None:
    """And once a batch."""
    asked = []
    seen = CryptographicIntegrityChecker(lambda: asked.append(1) or TRUST, LATE_S, 10)
    seen.check(arrivals(span(5)))
    assert asked == []
    seen.check(arrivals(signed_row(W, 5), signed_row(W, 6)))
    assert asked == [1]


@pytest.mark.parametrize("name", sorted(names.ACTOR_S))
def test_rows_that_only_the_actor_enters_come_through_no_log(name: str) -> None:
    """Whoever writes one forges it."""
    assert told(checker().check(arrivals(span(5, name=name)))) == [(5, "actor_s_name", Severity.CRITICAL)]


def test_a_span_is_one_row() -> None:
    """In one batch, between batches and between writers, the second is a copy, and it is said of which row."""
    seen = checker()
    found = seen.check(arrivals(span(1), span(2), span(1)))
    assert told(found) == [(7, "copied_span", Severity.CRITICAL)]
    assert found[0].evidence == {"first": f"row 5 of {W}"}
    seen.learn(arrivals(span(1), span(2)))
    assert told(seen.check(arrivals(span(2), first_seq=8))) == [(8, "copied_span", Severity.CRITICAL)]
    assert told(seen.check(arrivals(span(1), writer=writer_id(2)))) == [(5, "copied_span", Severity.CRITICAL)]


def test_other_services_may_send_a_span_again() -> None:
    """Where an answer was lost, and under any id: their copies are accepted, and displace no row of ours."""
    seen, theirs = checker(), msgspec.structs.replace(span(6), sender="key-1")
    assert seen.check(arrivals(theirs, theirs)) == []
    seen.learn(arrivals(theirs))
    assert seen.check(arrivals(theirs, first_seq=9)) == []
    assert seen.check(arrivals(span(6), first_seq=20)) == []
    seen.learn(arrivals(span(6), first_seq=20))
    assert told(seen.check(arrivals(span(6), first_seq=30))) == [(30, "copied_span", Severity.CRITICAL)]
