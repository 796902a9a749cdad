"""What a checker says of a row, and what follows from all that is said of it.

Rules:
- A row is set aside if anything said of it is critical, or if its score falls below the threshold.
- Its score is the product, over the checkers that said something, of 1 less the gravest weight each of them gave: so ten
  words of one checker are one doubt, and the doubts of independent checkers add up.

Left out: what checkers look for (their own modules), what is done with a row that is set aside (``adapters.guard``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from actors.spans.columns import Rows


class Severity(StrEnum):
    """How grave a finding is."""

    NOTICE = "NOTICE"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


WEIGHT = {Severity.NOTICE: 0.1, Severity.WARNING: 0.3, Severity.CRITICAL: 1.0}
"""How much of a row's score one finding takes."""


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


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Rows that were read and are not in the table yet, and when they are judged."""

    rows: Sequence[Rows]
    now_s: float
    """Unix seconds."""


class Checker(Protocol):
    """One way of looking at rows. It may remember what it saw; it asks nobody else."""

    @property
    def name(self) -> str:
        """Return the name of the class."""

    def check(self, arrivals: Arrivals) -> list[Finding]:
        """Return what is wrong with rows; whatever it raises is a check that failed, never a pass."""

    def learn(self, accepted: Arrivals) -> None:
        """Take in rows that were accepted, once they are in the table."""


def score(findings: Iterable[Finding]) -> float:
    """Return how much one row is to be trusted, from 0 to 1, by what was found about it."""
    gravest: dict[str, float] = {}
    for finding in findings:
        gravest[finding.checker] = max(gravest.get(finding.checker, 0.0), WEIGHT[finding.severity])
    trust = 1.0
    for weight in gravest.values():
        trust *= 1.0 - weight
    return trust
