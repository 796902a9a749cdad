"""When requests arrive and how long voters take, from a trace of real requests. Pure.

Rules:
- A phase of so many seconds with a mean rate takes the trace's next arrivals, as many as the rate makes, and stretches them to
  the phase: the mean is exact, the bursts and the silences are the trace's own. After its last arrival the trace begins anew.
- A phase of the same length, rate and first arrival repeats another: what they differ in is not their arrivals.
- A voter takes as long as its prompt and its answer have tokens, each at a pace; one prompt takes its time from every voter.

Left out: reading the file (``spike``), sending (``open_loop``).
"""

import csv
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

PROMPT_TOKEN_MS, ANSWER_TOKEN_MS = 0.0065, 3.1
"""Pace of a voter: ten times that of a model of 70 billion parameters on a server's accelerators, so that a minute has many."""


@dataclass(frozen=True, slots=True)
class Traced:
    """One request of the trace."""

    at_s: float
    """Since the first one."""
    prompt_tokens: int
    answer_tokens: int

    @property
    def latency_ms(self) -> int:
        """How long a voter takes."""
        return max(1, round(self.prompt_tokens * PROMPT_TOKEN_MS + self.answer_tokens * ANSWER_TOKEN_MS))


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the schedule."""

    name: str
    seconds: float
    per_s: float
    first: int = 0
    """Number of the trace's arrival that it begins with."""

    @property
    def arrivals(self) -> int:
        """How many requests it has."""
        return max(1, round(self.seconds * self.per_s))

    @property
    def numbers(self) -> range:
        """The trace's arrivals that it takes; beyond the last one they go on with the first."""
        return range(self.first, self.first + self.arrivals)


@dataclass(frozen=True, slots=True)
class Span:
    """A phase's place in its schedule, in seconds; it ends before ``end_s``."""

    name: str
    begin_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """When each request is due, in order, and where the phases lie."""

    due_s: tuple[float, ...]
    numbers: tuple[int, ...]
    """Of the trace's arrivals that they are."""
    spans: tuple[Span, ...]


def read_trace(lines: Iterable[str]) -> tuple[Traced, ...]:
    """Read the trace's table (``TIMESTAMP``, ``ContextTokens``, ``GeneratedTokens``); raise ``ValueError`` if it has no rows."""
    rows = [
        # Seven digits of a second are one more than there is a place for.
        (datetime.fromisoformat(row["TIMESTAMP"][:26]), int(row["ContextTokens"]), int(row["GeneratedTokens"]))
        for row in csv.DictReader(lines)
    ]
    if len(rows) < 2:
        raise ValueError("the trace holds no requests: give the table of requests with its head")
    return tuple(Traced((at - rows[0][0]).total_seconds(), prompt, answer) for at, prompt, answer in rows)


def stretched(trace: Sequence[Traced], phase: Phase) -> list[float]:
    """Return when the phase's requests are due, since its begin; the last is due one mean gap before its end."""
    round_s = trace[-1].at_s + trace[-1].at_s / (
        len(trace) - 1
    )  # the next round begins a mean gap after the last arrival
    at = [trace[number % len(trace)].at_s + number // len(trace) * round_s for number in phase.numbers]
    length_s, room_s = at[-1] - at[0], phase.seconds * (1 - 1 / phase.arrivals)
    return [(moment - at[0]) * room_s / length_s if length_s else 0.0 for moment in at]


def scheduled(trace: Sequence[Traced], phases: Sequence[Phase]) -> Schedule:
    """Return the phases one after the other."""
    due, numbers, spans, begin_s = list[float](), list[int](), list[Span](), 0.0
    for phase in phases:
        due += [begin_s + moment for moment in stretched(trace, phase)]
        numbers += phase.numbers
        spans.append(Span(phase.name, begin_s, begin_s + phase.seconds))
        begin_s += phase.seconds
    return Schedule(tuple(due), tuple(numbers), tuple(spans))


def spiked(normal_per_s: float, times: float, normal_s: float, spike_s: float, repeats: int) -> list[Phase]:
    """Return normal load so many times, a step to so many times as much, and the first phase again, arrival by arrival."""
    normal = Phase("normal", normal_s, normal_per_s)
    return [
        *[normal] * repeats,
        Phase("spike", spike_s, normal_per_s * times, normal.arrivals),
        Phase("after", normal_s, normal_per_s),
    ]


def poisson(per_s: float, seconds: float, seed: int) -> list[float]:
    """Return arrivals that know nothing of each other, drawn by the seed."""
    draw, due, at_s = random.Random(seed), list[float](), 0.0  # noqa: S311 - no secret
    while (at_s := at_s + draw.expovariate(per_s)) < seconds:
        due.append(at_s)
    return due


def evenly(trace: Sequence[Traced], rows: int) -> list[Traced]:
    """Return so many of the trace's requests, evenly spread over the order of their latency."""
    by_latency = sorted(trace, key=lambda traced: traced.latency_ms)
    return [by_latency[int((number + 0.5) * len(by_latency) / rows)] for number in range(rows)]
