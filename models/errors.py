"""Errors of voters, by what they mean for a ballot. All arguments reach ``super().__init__`` (they cross processes)."""

import math
from typing import Literal

FailureKind = Literal["failed", "timeout", "refused", "invalid", "breaker_open"]
FailureCause = Literal["", "busy", "too_long"]
"""What a caller can do about a failure: nothing, come back later, send less."""
MAX_RETRY_AFTER_S = 3600.0
"""Longest that a voter may ask to be left alone for."""
MAX_BACK_S = 86_400.0
"""Longest that anybody is said to be away for: the day's money, which comes with the next day."""


def bounded_retry_after_s(seconds: float, most_s: float = MAX_RETRY_AFTER_S) -> float | None:
    """Return what a voter asked for inside our own bounds, ``None`` if it is no number."""
    return None if math.isnan(seconds) else min(max(seconds, 0.0), most_s)


class VoterError(Exception):
    """Root of everything a voter may raise; costs its ballot, never the request.

    ``outcome`` is the vote outcome a tally records, ``cause`` what the caller could change; ``retry_after_s`` is what the
    voter asked for, if it did.
    """

    outcome: FailureKind = "failed"
    cause: FailureCause = ""
    was_sent: bool = True
    """Whether the prompt may have reached the voter: false of what turned it away on our side."""

    def __init__(self, voter: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(voter, message, retry_after_s)
        self.voter = voter
        self.message = message
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.voter}: {self.message}"


class VoterFailed(VoterError):
    """The voter could not be reached, answered with an error, or broke off."""


class VoterBusy(VoterError):
    """The voter has no room for another request now; ``retry_after_s`` says when to come back."""

    cause = "busy"


class VoterFull(VoterBusy):
    """Our own queue in front of the voter is full: that is no word of the voter, and asking again here would only lengthen it."""

    was_sent = False


class VoterTimeout(VoterError):
    """The voter did not answer inside its share of the deadline."""

    outcome = "timeout"


class VoterRefused(VoterError):
    """The voter declined to answer (content filter, policy)."""

    outcome = "refused"


class VoterTooLong(VoterRefused):
    """The prompt leaves the voter no room for an answer; nobody reads it."""

    cause = "too_long"
    was_sent = False


class VoterInvalid(VoterError):
    """The voter answered something that is no answer: empty, malformed, of the wrong type."""

    outcome = "invalid"


class VoterEmpty(VoterInvalid):
    """The voter answered nothing."""


class SpendCapReached(VoterError):
    """There is no money left for another call: nothing is wrong with the voter, and coming back may help.

    ``retry_after_s`` is until there is some again, if that is known: our word, not the voter's.
    """

    cause = "busy"
    was_sent = False


class CircuitBreakerOpenError(VoterError):
    """The voter was not asked: its circuit breaker is open; ``retry_after_s`` is what is left of the cool-down, if known."""

    outcome = "breaker_open"
    was_sent = False


class CircuitBreakerBusyError(CircuitBreakerOpenError):
    """The voter was not asked: it said when to come back, and that time has not come."""

    cause = "busy"


class WeightsError(Exception):
    """Weights cannot be had or are not the pinned ones; the message names expected and actual and what to do."""


class AnswersError(Exception):
    """A file of recorded answers is not what it should be; the message names file, line and what to change."""
