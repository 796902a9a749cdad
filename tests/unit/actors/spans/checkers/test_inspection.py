"""A checker that raises is a failed check of exactly the rows that it raised over."""

from collections.abc import Callable, Mapping, Sequence

from actors.spans.checkers.canaries import Given
from actors.spans.checkers.cryptographic import CryptographicIntegrityChecker
from actors.spans.checkers.finding import Arrivals, Finding, Severity
from actors.spans.checkers.inspection import inspect, learn, recall, set_aside
from actors.spans.checkers.makers import all_canaries
from actors.spans.checkers.temporal import NAME, Bounds, TemporalConsistencyValidator
from actors.spans.columns import Rows
from tests.unit.actors.spans.telemetry import NOW_S, Authority, span, spans_from, writer_id

BOUNDS = Bounds(300, 3600, 3 * 86_400)
CANARIES = all_canaries(Given(NOW_S, BOUNDS, None))
W, X = writer_id(1), writer_id(2)
ROWS = [Rows(W, 1, 1, spans_from(1, 2)), Rows(X, 1, 1, [span(7, name="poison")]), Rows(W, 3, 1, spans_from(3, 2))]


class Raising:
    """Raises if a row is as it says, else sees what the validator of times sees."""

    name = NAME

    def __init__(self, over: Callable[[Arrivals], bool]) -> None:
        self._over, self._sound = over, TemporalConsistencyValidator(BOUNDS)

    def check(self, arrivals: Arrivals) -> list[Finding]:
        """Raise, or check."""
        if self._over(arrivals):
            raise RecursionError("too deep")
        return self._sound.check(arrivals)

    def learn(self, accepted: Arrivals) -> None:
        """Raise, or learn."""
        if self._over(accepted):
            raise ZeroDivisionError


def poisoned(arrivals: Arrivals) -> bool:
    """Tell whether the poison is among rows."""
    return any(one.name == "poison" for one in arrivals.arrays.spans)


CRYPTOGRAPHIC = CryptographicIntegrityChecker(Authority().trust, 86_400, 10)


def test_all_rows_are_looked_at_together_and_canaries_with_them() -> None:
    """One call of a checker, whatever came, and whoever sees is not blind."""
    calls: list[int] = []
    seen = Raising(lambda arrivals: calls.append(len(arrivals.rows)) is not None)
    done = inspect([seen, CRYPTOGRAPHIC], ROWS, CANARIES, NOW_S, 0.5)
    assert calls == [len(ROWS) + len(CANARIES)]
    assert (done.blind, done.failures, done.unchecked) == ({}, [], {})


def test_only_the_rows_that_it_raises_over_are_unchecked() -> None:
    """Those of the other writers are checked all the same, and the canaries too: one row blinds nobody."""
    late = Rows(W, 5, 1, [span(5, start_unix_nano=0, end_unix_nano=0)])
    done = inspect([Raising(poisoned), CRYPTOGRAPHIC], [*ROWS, late], CANARIES, NOW_S, 0.5)
    assert done.unchecked == {X: f"{NAME} raises RecursionError: too deep"}
    assert [(failure.checker, failure.writer_id) for failure in done.failures] == [(NAME, ""), (NAME, X)]
    assert ("before_writer", Severity.CRITICAL) in {
        (one.kind, one.severity) for one in done.findings if one.writer_id == W
    }
    assert done.blind == {}


def test_a_checker_that_raises_over_canaries_is_blind() -> None:
    """Whatever else it can; over all rows it leaves none checked."""
    done = inspect([Raising(lambda _: True), CRYPTOGRAPHIC], ROWS, CANARIES, NOW_S, 0.5)
    assert done.blind == {NAME: "raises RecursionError: too deep"}
    assert set(done.unchecked) == {W, X}


def test_learning_that_raises_is_told() -> None:
    """The other checkers learn."""
    (failure,) = learn([Raising(poisoned), CRYPTOGRAPHIC], Arrivals(ROWS, NOW_S))
    assert (failure.checker, failure.why) == (NAME, "raises ZeroDivisionError: ")
    again = CRYPTOGRAPHIC.check(Arrivals([Rows(W, 9, 1, [span(1)])], NOW_S))
    assert [one.kind for one in again] == ["copied_span"]


class Yields(Raising):
    """Gives way to what is set aside."""

    told: Sequence[Finding] = ()

    def set_aside(self, findings: Sequence[Finding]) -> None:
        """Note it, or raise."""
        if self._over(Arrivals(ROWS, NOW_S)):
            raise ZeroDivisionError
        self.told = findings


def test_a_checker_that_gives_way_is_told_what_was_set_aside() -> None:
    """The others are not asked; what one raises keeps it from no other."""
    found = [Finding(W, 1, NAME, "latency", Severity.CRITICAL)]
    own = Yields(lambda _: False)
    failures = set_aside([Yields(poisoned), CRYPTOGRAPHIC, own], found)
    assert own.told == found
    assert [failure.why for failure in failures] == ["raises ZeroDivisionError: "]


class Recalled(Raising):
    """Is told otherwise what was accepted before it began."""

    told: Mapping[str, int]

    def recall(self, earlier: Arrivals, reached: Mapping[str, int]) -> None:
        """Note how far writers were, or raise."""
        self.learn(earlier)
        self.told = reached


def test_every_checker_is_told_what_was_accepted_before_it_began() -> None:
    """By its own way where it has one; what one raises keeps it from no other."""
    learned = list[int]()
    plain, own = Raising(lambda earlier: learned.append(len(earlier.rows)) is not None), Recalled(lambda _: False)
    failures = recall([Recalled(poisoned), plain, own], Arrivals(ROWS, NOW_S), {W: 4})
    assert (learned, own.told) == ([len(ROWS)], {W: 4})
    assert [failure.why for failure in failures] == ["raises ZeroDivisionError: "]
