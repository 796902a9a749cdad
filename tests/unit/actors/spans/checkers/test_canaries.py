"""Canaries are found as what they are by checkers that see, and each checker that does not is named."""

import re
from pathlib import Path

import pytest

from actors.base.ids import is_ulid, new_ulid
from actors.spans.checkers import canaries as made
from actors.spans.checkers import cross_reference, cross_reference_record, cryptographic, statistical, temporal
from actors.spans.checkers import cross_reference_decision as decisions
from actors.spans.checkers.baseline import Baseline
from actors.spans.checkers.canaries import Given, blind, is_canary
from actors.spans.checkers.cross_reference import CrossReferenceValidator
from actors.spans.checkers.cryptographic import CryptographicIntegrityChecker
from actors.spans.checkers.finding import Arrivals, Checker, Finding, Severity
from actors.spans.checkers.makers import MAKERS, all_canaries
from actors.spans.checkers.statistical import StatisticalAnomalyDetector
from actors.spans.checkers.temporal import Bounds, TemporalConsistencyValidator
from actors.spans.columns import Rows
from actors.spans.span import check_span
from tests.unit.actors.spans.checkers.decisions import agreed, frame
from tests.unit.actors.spans.telemetry import NOW_S, Authority, writer_id

BOUNDS = Bounds(300, 3600, 3 * 86_400)
SAMPLE = Rows(writer_id(1), 5, 1, [frame(agreed(), 0, 5).spans[0]])
GIVEN = Given(NOW_S + 5, BOUNDS, SAMPLE)
NAMES = (temporal.NAME, cryptographic.NAME, statistical.NAME, cross_reference.NAME)


def checkers(bounds: Bounds = BOUNDS) -> list[Checker]:
    """Return the checkers as they are."""
    return [
        CryptographicIntegrityChecker(Authority().trust, 86_400, 1000), TemporalConsistencyValidator(bounds),
        StatisticalAnomalyDetector(Baseline()), CrossReferenceValidator(),
    ]  # fmt: skip


def findings(given: Given) -> list[Finding]:
    """Return what checkers find of all canaries."""
    arrivals = Arrivals([canary.rows for canary in all_canaries(given)], given.now_s)
    return [one for checker in checkers(given.bounds) for one in checker.check(arrivals)]


@pytest.mark.parametrize("given", [GIVEN, Given(NOW_S, BOUNDS, None), Given(NOW_S, Bounds(1, 5, 3600), None)])
def test_checkers_that_see_are_not_blind(given: Given) -> None:
    """With a record to change and without, whatever the bounds."""
    assert blind(NAMES, all_canaries(given), findings(given), 0.5) == {}


@pytest.mark.parametrize("step_s", [-7200, -2, 2, 7200, 30 * 86_400])
def test_a_clock_that_is_set_makes_no_checker_blind(step_s: int) -> None:
    """Forwards or backwards, by however much, and back again."""
    seen = checkers()
    for now_s in (NOW_S, NOW_S + step_s, NOW_S + 1):
        made_now = all_canaries(Given(now_s, BOUNDS, None))
        arrivals = Arrivals([canary.rows for canary in made_now], now_s)
        found = [one for checker in seen for one in checker.check(arrivals)]
        assert blind(NAMES, made_now, found, 0.5) == {}


@pytest.mark.parametrize("place", range(len(all_canaries(GIVEN))))
def test_every_canary_alone_makes_its_checker_blind_when_it_is_missed(place: int) -> None:
    """Whoever misses one is named with it, and nobody else; a good one cannot be missed."""
    canary = all_canaries(GIVEN)[place]
    left = [one for one in findings(GIVEN) if (one.writer_id, one.seq) != canary.place]
    found = blind(NAMES, all_canaries(GIVEN), left, 0.5)
    assert found == ({canary.checker: f"misses {canary.kind}"} if canary.checker else {})


def test_every_kind_of_finding_has_its_canary() -> None:
    """Read from the checkers' own text: a kind that is added and has none turns this red."""
    proved = {canary.kind for canary in all_canaries(GIVEN)} - {""}
    told = "".join(Path(module.__file__ or "").read_text() for module in (cross_reference, decisions, statistical))
    assert set(re.findall(r'Fault\(\s*\w+, "(\w+)"', told)) <= proved
    named = re.findall(r'_finding\(.*?"(\w+)", Severity|_CRITICAL_KIND: Final = "(\w+)"', told)
    assert {kind for pair in named for kind in pair if kind} == {"odd", "moved", "another_voter"} <= proved
    assert set(re.findall(r'return "(\w+_\w+)"', Path(cross_reference_record.__file__ or "").read_text())) <= proved
    assert {canary.kind for canary in all_canaries(GIVEN) if canary.checker in (temporal.NAME, cryptographic.NAME)} == {
        "end_before_start", "too_long", "latency", "future", "before_writer", "backwards", "child_outside_parent", "stale",
        "actor_s_name", "copied_span", "record_unreadable", "certificate", "signature", "misplaced", "other_decision",
        "issued_outside_span",
    }  # fmt: skip


def test_who_flags_what_is_good_is_blind() -> None:
    """A checker that finds everything bad sees nothing; a doubt that changes nothing is none."""
    good = all_canaries(GIVEN)[0]
    grave = Finding(*good.place, temporal.NAME, "latency", Severity.CRITICAL)
    found = blind(NAMES, all_canaries(GIVEN), [*findings(GIVEN), grave], 0.5)
    assert found == {temporal.NAME: "finds latency where nothing is"}
    slight = Finding(*good.place, temporal.NAME, "odd", Severity.NOTICE)
    assert blind(NAMES, all_canaries(GIVEN), [*findings(GIVEN), slight], 0.5) == {}


def test_a_checker_without_canaries_is_blind() -> None:
    """One that nobody can prove to see does not count as one that does."""
    found = blind((*NAMES, "Another"), all_canaries(GIVEN), findings(GIVEN), 0.5)
    assert found == {"Another": "has no canaries"}
    assert blind(NAMES, [], [], 0.5) == dict.fromkeys(NAMES, "has no canaries")


def test_while_nobody_can_tell_whom_to_believe_no_canary_asks_for_it() -> None:
    """An unreadable trust bundle is no blindness: records wait for it."""
    given = Given(NOW_S, BOUNDS, None, is_trusting=False)
    assert (cryptographic.NAME, "record_unreadable") not in {
        (canary.checker, canary.kind) for canary in all_canaries(given)
    }
    assert blind(NAMES, all_canaries(given), findings(given), 0.5) == {}


def test_canaries_are_rows_like_others_and_no_writer_s() -> None:
    """A table could hold them; their places are no writer's, but for the accepted row that is a good one."""
    for canary in all_canaries(GIVEN):
        assert is_ulid(canary.rows.writer_id)
        assert is_canary(*canary.place) or canary.rows is SAMPLE
        for row in canary.rows.spans:
            check_span(row)
    assert not is_canary(new_ulid(), 1)
    places = [canary.place for canary in all_canaries(GIVEN)]
    assert len(set(places)) == len(places)


def test_makers_are_known_by_their_checkers_names() -> None:
    """A checker finds its canaries by the name it goes by."""
    assert set(MAKERS) == {checker.name for checker in checkers()}
    assert made.rows_of(GIVEN, 7).writer_id[-12:] == made.MARK


def test_a_checker_may_make_its_own() -> None:
    """What it is proved by may depend on what it has learned."""
    mine = made.Canary(made.rows_of(GIVEN, 77, made.plain(GIVEN, 777)), "Mine", "odd")

    class Mine:
        def canaries(self, given: Given) -> list[made.Canary]:
            return [mine] if given is GIVEN else []

    given = all_canaries(GIVEN, [*checkers(), Mine()])
    assert given[-1] is mine
    assert blind(["Mine"], given, [], 0.5) == {"Mine": "misses odd"}
    seen = [*findings(GIVEN), Finding(*mine.place, "Mine", "odd", Severity.NOTICE)]
    assert blind([*NAMES, "Mine"], given, seen, 0.5) == {}
