"""One inspection: every checker over the same rows and canaries, and what could not be checked.

Rules:
- A checker that raises over all rows together is asked writer by writer: those it then raises over are unchecked, the others are
  not. One that raises over its canaries is blind.
- Whatever is raised counts, of whatever type: who wrote the rows may have chosen it.

Left out: what follows for the rows (``adapters.guard``).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from actors.spans.checkers.canaries import Canary, blind
from actors.spans.checkers.finding import Arrivals, Checker, Finding, Keeping, Recalling, Yielding
from actors.spans.columns import Rows


@dataclass(frozen=True, slots=True)
class Failure:
    """A check that failed."""

    checker: str
    why: str
    writer_id: str
    """Over whose rows; empty if it was over many's, or over canaries."""


@dataclass(slots=True)
class Inspected:
    """What was found."""

    findings: list[Finding] = field(default_factory=list)
    """Of rows and canaries."""
    failures: list[Failure] = field(default_factory=list)
    together: Arrivals = field(default_factory=lambda: Arrivals([], 0.0))
    """What every checker was shown."""
    blind: dict[str, str] = field(default_factory=dict)
    """Checker → why it does not see, if canaries were among the rows."""

    @property
    def unchecked(self) -> dict[str, str]:
        """Return the writers over whose rows a checker raised → what."""
        return {item.writer_id: f"{item.checker} {item.why}" for item in self.failures if item.writer_id}


def inspect(
    checkers: Sequence[Checker], rows: Sequence[Rows], canaries: Sequence[Canary], now_s: float, threshold: float
) -> Inspected:
    """Run every checker over rows that came, canaries behind them."""
    together = Arrivals([*rows, *(canary.rows for canary in canaries)], now_s)
    done = Inspected(together=together)
    for checker in checkers:
        try:
            done.findings += checker.check(together)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a check that failed
            done.failures.append(Failure(checker.name, told(error), ""))
            _one_by_one(checker, rows, canaries, now_s, done)
    if canaries:
        names = [checker.name for checker in checkers]
        done.blind = blind(names, canaries, done.findings, threshold) | done.blind
    return done


def _one_by_one(
    checker: Checker, rows: Sequence[Rows], canaries: Sequence[Canary], now_s: float, done: Inspected
) -> None:
    of_writer: dict[str, list[Rows]] = {}
    for part in rows:
        of_writer.setdefault(part.writer_id, []).append(part)
    for writer_id, parts in of_writer.items():
        try:
            done.findings += checker.check(Arrivals(parts, now_s))
        except Exception as error:  # noqa: BLE001
            done.failures.append(Failure(checker.name, told(error), writer_id))
    try:
        done.findings += checker.check(Arrivals([canary.rows for canary in canaries], now_s))
    except Exception as error:  # noqa: BLE001
        done.blind[checker.name] = told(error)


def learn(checkers: Iterable[Checker], accepted: Arrivals) -> list[Failure]:
    """Let every checker take in rows that were accepted; return what was raised."""
    return _each(checkers, lambda checker: checker.learn(accepted))


def begin(checkers: Iterable[Checker], *, holds_rows: bool) -> list[Failure]:
    """Let every checker that keeps what it learned begin beside a table with rows or without; return what was raised."""
    return _each(
        checkers, lambda checker: checker.begin(holds_rows=holds_rows) if isinstance(checker, Keeping) else None
    )


def set_aside(checkers: Iterable[Checker], findings: Sequence[Finding]) -> list[Failure]:
    """Let every checker that gives way know what was found of rows that were set aside; return what was raised."""
    return _each(checkers, lambda checker: checker.set_aside(findings) if isinstance(checker, Yielding) else None)


def recall(checkers: Iterable[Checker], earlier: Arrivals, reached: Mapping[str, int]) -> list[Failure]:
    """Let every checker know the newest rows that were accepted before it began; return what was raised."""
    return _each(
        checkers,
        lambda checker: checker.recall(earlier, reached) if isinstance(checker, Recalling) else checker.learn(earlier),
    )


def _each(checkers: Iterable[Checker], do: Callable[[Checker], None]) -> list[Failure]:
    failures = []
    for checker in checkers:
        try:
            do(checker)
        except Exception as error:  # noqa: BLE001
            failures.append(Failure(checker.name, told(error), ""))
    return failures


def told(error: Exception) -> str:
    """Say what was raised, in a line."""
    return f"raises {type(error).__name__}: {error}"[:200]
