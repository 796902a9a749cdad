"""The words breakers are spoken in: states, causes, permits, transitions. Values only."""

from dataclasses import dataclass
from typing import Literal

State = Literal["closed", "open", "half_open", "forced_open", "forced_closed"]
Cause = Literal[
    "failure_rate", "slow_call_rate", "retry_after", "outlier", "replicas", "probes_failed", "probes_silent",
    "cooled", "probes_passed", "operator",
]  # fmt: skip
"""Why a breaker moved; all but the last three open it."""
Verdict = Literal["healthy", "sick", "says_nothing"]
"""What a call that has ended says of its voter. Cancellations and refusals to take more say nothing."""
Force = Literal["open", "closed", "none"]
"""What an operator wants: nothing passes, everything passes, or the breaker decides again."""


@dataclass(slots=True)
class Permit:
    """A call that was let in. It settles once."""

    generation: int
    """The state it was let in under; −1 if health was ignored."""
    began_s: float
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Denied:
    """A call that was not let in."""

    state: State
    cause: Cause
    """Why the breaker is in that state."""
    retry_after_s: float | None
    """When a call may be let in; ``None`` if only probes or an operator can tell."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A breaker moved from one state to another."""

    before: State
    after: State
    cause: Cause
    at_s: float
    until_s: float | None
    """End of the cool-down that began, if one did."""


Moves = tuple[Transition, ...]
Admission = tuple[Permit | Denied, Moves]


@dataclass(frozen=True, slots=True)
class View:
    """A breaker as it is shown."""

    state: State
    cause: Cause | None
    """Of the last transition; ``None`` before the first."""
    calls: int
    failed: int
    slow: int
    """Counted in the window; while half-open, of the probes."""
    open_left_s: float
    permits_left: int
