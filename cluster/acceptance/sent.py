"""What the open-loop generator is told and tells: one plan in, one report out, JSON between two processes."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

Positive = Annotated[float, Meta(gt=0)]


class Plan(Struct, frozen=True, forbid_unknown_fields=True):
    """Which requests to send when."""

    url: str
    """Of plain HTTP."""
    headers: dict[str, str]
    """Keys are in here: it goes through a pipe, never through a command line."""
    bodies: Annotated[list[str], Meta(min_length=1)]
    due_s: list[float]
    """When each request is due after the start, in order."""
    numbers: list[int]
    """As many: a request has the body of its number modulo their count."""
    timeout_s: Positive
    """A request's time from when it was due; then it is given up, sent or not."""
    max_connections: Annotated[int, Meta(ge=1, le=16_384)]
    """Requests under way at once; what is due beyond these waits, and its time runs."""


class Sent(Struct, frozen=True, array_like=True):
    """One request; times are seconds after the start."""

    due_s: float
    sent_s: float
    """When its bytes were handed to the kernel; when it was given up if it never was."""
    ended_s: float
    status: int
    """0: no answer came."""
    cause: str = ""
    """Why it is no answer: the status with the error's code, or how the connection failed."""
    retry_after: bool = False
    """Whether the answer said when to come back."""
    decision_id: str = ""
    degraded: bool = False
    """Whether the answer says that less was done for it."""

    @property
    def latency_s(self) -> float:
        """From when it was due: that it had to wait to be sent is part of it."""
        return self.ended_s - self.due_s


class Report(Struct, frozen=True):
    """What became of a plan."""

    began_s: float
    """The start by the machine's monotonic clock, which all processes share."""
    seconds: float
    """Until the last request had ended."""
    sent: list[Sent]
    cpu_s: float
    """Processor time of the generator."""
    cpu_each_s: list[float]
    """Share of a core that it took, second by second."""
    late_p99_ms: float
    """How much later than due requests were sent for which a connection was free: whether the generator kept up."""
    connections: int
    """Most that were open at once."""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed (nearest rank); 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1)] if ordered else 0.0
