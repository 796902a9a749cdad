"""What a checker says of a row, and what follows from all that is said of it.

Rules:
- A row is set aside if anything said of it is critical, or if its score falls below the threshold.
- Its score is the product, over the checkers that said something, of 1 less the gravest weight each of them gave: so ten
  words of one checker are one doubt, and the doubts of independent checkers add up.
- Where nobody can tell now, the row waits, and with it what its writer wrote after it; what is critical is so at any time.

Left out: what checkers look for (their own modules), what is done with a row that is set aside (``adapters.guard``).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from actors.spans.checkers.arrays import Arrays, arrays_of
from actors.spans.columns import Rows
from actors.spans.opened import Opened, opened
from actors.spans.record import DecisionRecord

Made = TypeVar("Made")


class Severity(StrEnum):
    """How grave a finding is."""

    NOTICE = "NOTICE"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"
    UNDECIDED = "UNDECIDED"
    """Nobody can tell now."""


WEIGHT = {Severity.NOTICE: 0.1, Severity.WARNING: 0.3, Severity.CRITICAL: 1.0, Severity.UNDECIDED: 0.0}
"""How much of a row's score one finding takes."""

Action = Literal["accept", "quarantine", "wait"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or odd, about one row."""

    writer_id: str
    seq: int
    checker: str
    """Name of the class that found it."""
    kind: str
    """What it is, in a word of its own: ``child_outside_parent``."""
    severity: Severity
    evidence: Mapping[str, str] = field(default_factory=dict)
    """What shows it: measured values beside the bounds they break; never content."""

    def __str__(self) -> str:
        shown = ", ".join(f"{name} {value}" for name, value in self.evidence.items())
        return f"{self.kind} ({shown})" if shown else self.kind


@dataclass(frozen=True, slots=True)
class IntegrityResult:
    """What came of checking one row."""

    overall_score: float
    """How much it is to be trusted, from 0 to 1."""
    individual_results: tuple[Finding, ...]
    action_taken: Action

    @property
    def why(self) -> str:
        """Return everything that was found, in one line."""
        return "; ".join(map(str, self.individual_results))


@dataclass(frozen=True)
class Arrivals:
    """Rows that were read and are not in the table yet, and when they are judged."""

    rows: Sequence[Rows]
    now_s: float
    """Unix seconds."""

    @property
    def arrays(self) -> Arrays:
        """Return the same rows column by column."""
        return self.once(arrays_of)

    def once(self, make: Callable[[Sequence[Rows]], Made]) -> Made:
        """Return what a function makes of the rows: made once for all who ask, checking and learning."""
        if make not in self._made:
            self._made[make] = make(self.rows)
        made: Made = self._made[make]
        return made

    @cached_property
    def _made(self) -> dict[Callable[[Sequence[Rows]], Any], Any]:
        return {}

    @cached_property
    def _records(self) -> dict[int, DecisionRecord]:
        return {}

    def open(self, at: int) -> Opened | str:
        """Open the envelope of the row in a place, or return why if it cannot be read; its record is kept for ``record``."""
        found = opened(self.arrays.spans[at].record)
        if isinstance(found, Opened):
            self._records[at] = found.record
        return found

    def record(self, at: int) -> DecisionRecord | None:
        """Return the record of the row in a place if its envelope was opened; whether it was signed is not said."""
        return self._records.get(at)


class Checker(Protocol):
    """One way of looking at rows. It may remember what it learned; it asks nobody else.

    It proves again and again that it sees (``canaries``): it has a maker of canaries of its name there.
    """

    @property
    def name(self) -> str:
        """Return the name of the class."""

    def check(self, arrivals: Arrivals) -> list[Finding]:
        """Return what is wrong with rows; whatever it raises is a check that failed, never a pass.

        The same rows may come again, where they had to wait. Canaries come among them (``canaries.is_canary``).
        """

    def learn(self, accepted: Arrivals) -> None:
        """Take in rows that were accepted: each once, in order; no canary is among them."""


@runtime_checkable
class Yielding(Protocol):
    """A checker that gives way, after a while, to a state that it has rows set aside for."""

    def set_aside(self, findings: Iterable[Finding]) -> None:
        """Take in what was found of rows that were set aside durably: of each once, however often it was judged before."""


@runtime_checkable
class Recalling(Protocol):
    """A checker that is told otherwise what was accepted before it began than what is accepted now."""

    def recall(self, earlier: Arrivals, reached: Mapping[str, int]) -> None:
        """Take in the newest rows that were accepted, oldest first, and how far each of their writers was taken in."""


def score(findings: Iterable[Finding]) -> float:
    """Return how much one row is to be trusted, from 0 to 1, by what was found about it."""
    gravest: dict[str, float] = {}
    for finding in findings:
        gravest[finding.checker] = max(gravest.get(finding.checker, 0.0), WEIGHT[finding.severity])
    trust = 1.0
    for weight in gravest.values():
        trust *= 1.0 - weight
    return trust


def judge(findings: Sequence[Finding], threshold: float) -> IntegrityResult:
    """Return what is to be done with a row of which that was found."""
    said, trust = {finding.severity for finding in findings}, score(findings)
    action: Action = "accept"
    if Severity.CRITICAL in said or trust < threshold:
        action = "quarantine"
    elif Severity.UNDECIDED in said:
        action = "wait"
    return IntegrityResult(trust, tuple(findings), action)


def by_row(findings: Iterable[Finding]) -> dict[tuple[str, int], list[Finding]]:
    """Return writer and number of each row of which something was found → that."""
    found: dict[tuple[str, int], list[Finding]] = {}
    for finding in findings:
        found.setdefault((finding.writer_id, finding.seq), []).append(finding)
    return found
