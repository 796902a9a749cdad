"""What checkers learn is what was accepted: neither a row that was not, nor a canary, however much is made of rows once."""

from dataclasses import replace
from pathlib import Path

import pytest

from actors.spans.adapters.guard import SpanIntegrityGuard, open_guard
from actors.spans.adapters.reporting import Reports
from actors.spans.adapters.segments import Disk
from actors.spans.checkers.cryptographic import CryptographicIntegrityChecker
from actors.spans.checkers.finding import Arrivals, Finding
from actors.spans.checkers.temporal import NAME, Bounds, TemporalConsistencyValidator
from actors.spans.columns import Rows
from actors.spans.config import SpansConfig
from tests.unit.actors.spans.telemetry import NOW_S, Authority, Incidents, spans_from, writer_id

W = writer_id(1)


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
