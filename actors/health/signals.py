"""What is measured: signals with a limit, samples of them, and a window of samples made even. Pure.

Two kinds of signals behave differently and are forecast differently:

- a *stock* fills up (disk, memory, a queue): what flows in stays, so that a trend goes on until something is done;
- a *flow* is a rate (CPU): it goes up and comes back by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["stock", "flow"]


@dataclass(frozen=True, slots=True)
class Signal:
    """One quantity with a limit."""

    name: str
    kind: Kind
    limit: float
    """Over it is a breach."""
    alarms: bool = True
    """Whether a person is told and something is done; else it is only shown."""
    alarm_from: float = 0.0
    """Level from which a forecast alarms."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement."""

    at_s: float
    """Unix seconds."""
    value: float


def even(samples: Sequence[Sample], every_s: float, count: int, kind: Kind) -> list[Sample]:
    """Return at most ``count`` samples, oldest first, one for each ``every_s`` back from the newest.

    A flow's is the mean of its samples, a stock's the last one; both are dated by the last. Times without samples are left out.
    """
    if not samples:
        return []
    newest = samples[-1].at_s
    groups: dict[int, list[Sample]] = {}
    for sample in samples:
        if (age := int((newest - sample.at_s) // every_s)) < count:
            groups.setdefault(age, []).append(sample)
    return [_one(groups[age], kind) for age in sorted(groups, reverse=True)]


def _one(group: Sequence[Sample], kind: Kind) -> Sample:
    last = group[-1]
    return last if kind == "stock" else Sample(last.at_s, sum(sample.value for sample in group) / len(group))
