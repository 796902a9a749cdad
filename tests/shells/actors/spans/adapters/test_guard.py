"""What checkers learn is what was accepted: neither a row that was not, nor a canary, however much is made of rows once."""

import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from actors.base.errors import StorageUnavailable
from actors.base.ids import ulid
from actors.spans.adapters.guard import SpanIntegrityGuard, open_guard
from actors.spans.adapters.recall import Recalled
from actors.spans.adapters.reporting import Reports
from actors.spans.adapters.segments import Disk
from actors.spans.checkers.canaries import MARK
from actors.spans.checkers.cryptographic import CryptographicIntegrityChecker
from actors.spans.checkers.finding import Arrivals, Finding
from actors.spans.checkers.temporal import NAME, Bounds, TemporalConsistencyValidator
from actors.spans.columns import Rows
from actors.spans.compaction import TableFile
from actors.spans.config import SpansConfig
from actors.spans.conventions import ROW_RELEASED
from tests.unit.actors.spans.telemetry import NOW_S, Authority, Incidents, span, spans_from, writer_id

W, X = writer_id(1), writer_id(2)


class Listening:
    """The validator of times, and what it was shown."""

    name = NAME

    def __init__(self) -> None:
        self._sound = TemporalConsistencyValidator(Bounds(300, 3600, 2 * 86_400))
        self.checked = self.learned = Arrivals([], 0.0)

    def check(self, arrivals: Arrivals) -> list[Finding]:
        """Check."""
        self.checked = arrivals
        return self._sound.check(arrivals)

    def learn(self, accepted: Arrivals) -> None:
        """Learn."""
        self.learned = accepted
        self._sound.learn(accepted)


@pytest.fixture
def listening() -> Listening:
    """Return the checker that is asked."""
    return Listening()


@pytest.fixture
def guard(tmp_path: Path, listening: Listening) -> SpanIntegrityGuard:
    """Return a guard that has judged its canaries."""
    checkers = [CryptographicIntegrityChecker(Authority().trust, 86_400, 100), listening]
    made = open_guard(tmp_path, Authority(), SpansConfig(), 86_400, Reports(Incidents()), Disk(), checkers)
    made.begin()
    return made


def parts(first: int) -> list[Rows]:
    """Return three frames of two rows each."""
    return [Rows(W, first + 2 * n, 1, spans_from(first + 2 * n, 2)) for n in range(3)]


class Odd:
    """A table of which nobody foresaw what it raises."""

    def reachable_files(self) -> tuple[list[TableFile], StorageUnavailable | None]:
        """Raise."""
        raise TypeError("what nobody foresaw")

    def batches(self, first: int, last: int) -> list[Rows]:
        """Return nothing."""
        return []


def test_whatever_recalling_raises_is_a_check_that_failed(tmp_path: Path, listening: Listening) -> None:
    """Who ended its process over it would end the next one as well: it is said, once, and rows are judged."""
    incidents = Incidents()
    guard = open_guard(tmp_path, Authority(), SpansConfig(), 86_400, Reports(incidents), Disk(), [listening])
    assert guard.recall(Odd(), lambda _: None, NOW_S, 0.0) == Recalled()
    assert guard.recall(Odd(), lambda _: None, NOW_S, 1.0) is None
    ((kind, said),) = incidents.opened
    assert (kind, said["checker"]) == ("integrity_checker_failure", "recall")
    assert "TypeError: what nobody foresaw" in said["cause"]


def test_what_was_judged_whole_is_learned_as_it_was_judged(guard: SpanIntegrityGuard, listening: Listening) -> None:
    """So what was made of the rows is made once; beside canaries they are none of them, and are looked at again."""
    first, second = parts(1), parts(7)
    guard.judge(first, NOW_S, 0.0)
    guard.learn(first, NOW_S, 0.0)
    assert (listening.learned.rows, guard.blind) == (first, {})
    assert len(listening.checked.rows) > len(first), "canaries were there"
    guard.begin()
    guard.judge(second, NOW_S, 0.0)
    guard.learn(second, NOW_S, 0.0)
    assert listening.learned is listening.checked
    assert listening.learned.rows == second


def test_only_what_was_accepted_is_learned(guard: SpanIntegrityGuard, listening: Listening) -> None:
    """Fewer frames than were judged, or a part of one of them; and nothing of an earlier look."""
    guard.judge((), NOW_S, 0.0)
    first, second, third = parts(1), parts(7), parts(13)
    for some in (first[1:], first[:-1]):
        guard.judge(first, NOW_S, 0.0)
        guard.learn(some, NOW_S, 0.0)
        assert listening.learned.rows == some
    guard.judge(second, NOW_S, 0.0)
    less = [*second[:2], replace(second[2], spans=second[2].spans[:1])]
    guard.learn(less, NOW_S, 0.0)
    assert listening.learned.rows == less
    guard.judge(third, NOW_S, 0.0)
    guard.learn([], NOW_S, 0.0)
    guard.learn(third, NOW_S, 0.0)
    assert listening.learned is not listening.checked


@pytest.mark.parametrize("writer", [W, ulid(0, bytes(10))[:-12] + MARK], ids=["forges", "calls them canaries"])
def test_a_backlog_of_forgeries_takes_time_as_it_is_long(guard: SpanIntegrityGuard, writer: str) -> None:
    """Each row in a frame of its own, and all of them bad: eight times as many take about eight times the steps, not sixty."""
    guard.judge((), NOW_S, 0.0)
    few, many = (_steps(guard, writer, count) for count in (100, 800))
    assert many < 12 * few


def _steps(guard: SpanIntegrityGuard, writer: str, count: int) -> int:
    """Judge so many rows that are all bad; return how many lines of code ran for it."""
    forged = [Rows(writer, n, 1, [span(n, name=ROW_RELEASED)]) for n in range(1, count + 1)]
    steps = 0

    def traced(_frame: FrameType, event: str, _: object) -> Any:
        nonlocal steps
        steps += event == "line"
        return traced

    before = sys.gettrace()
    sys.settrace(traced)
    try:
        verdict = guard.judge(forged, NOW_S, 0.0)
    finally:
        sys.settrace(before)
    assert len(verdict.faults[writer]) == count
    return steps


def test_of_a_writer_that_forged_no_more_is_judged_than_is_set_aside(
    guard: SpanIntegrityGuard, listening: Listening
) -> None:
    """In the tick after the one in which it reached its bound; the rest waits, and whoever writes well is judged whole."""
    bound, other = SpansConfig().quarantine_max_rows, parts(1)
    forged = [Rows(X, n, 1, [span(n, name=ROW_RELEASED)]) for n in range(1, 2 * bound + 2)]
    verdict = guard.judge(forged, NOW_S, 0.0)
    for part in forged[:bound]:
        guard.set_aside(part, {part.first_seq: verdict.faults[X][part.first_seq]}, (), verdict, 0)
    guard.begin()
    verdict = guard.judge([*other, *forged[bound:], *parts(7)], NOW_S, 0.0)
    assert len(listening.checked.rows) == len(other) + bound + len(parts(7))
    assert verdict.waits[X][0] == 2 * bound + 1
    assert "judged in the next" in verdict.waits[X][1]
    assert W not in verdict.waits
