"""Availability without asking at every moment: a burst where something changes, a few in between, each standing for its time.

Rules:
- Between two changes of the weather the world is the same but for what breakers remember. So each change is followed by a
  burst at the real load's pace, which is what moves breakers, and a second one in the middle of what follows; besides,
  requests arrive at random all the time.
- A request stands for the time around it: a burst's share it equally, from half way to the burst before it to half way to the
  next.
- Availability is the share of time, hence of a steady load, in which requests had no 429, 503, 504 and no lost connection.
  What voters could not agree on is told apart: it is an answer to the caller, if none to his question.

Left out: load that depends on the hour, which would weigh working hours more (histories do show more incidents then).
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from cluster.simulation.draws import Draws
from cluster.simulation.fit import QUANTILES, Fitted
from cluster.simulation.questions import QUESTIONS
from cluster.simulation.weather import Fault, Kind
from cluster.simulation.world import Arrival, Outcome

SEVERE: frozenset[Kind] = frozenset(
    ("down", "hung", "busy", "killed", "log_away", "log_slow", "halt", "screener_blind", "sandbox_away")
)
BURST, SECOND, MILD = 4, 2, 1
BACKGROUND_S = 86_400.0
DEADLINE_MS = 60_000
FAILED = ("unavailable", "overloaded", "halted", "lost")


class Shares(msgspec.Struct, frozen=True):
    """How the time of a stack divides."""

    answered: float
    undecided: float
    failed: float
    right: float = 0.0
    """Of all; part of what was answered."""

    @property
    def available(self) -> float:
        """Return the share of time in which requests were served or honestly refused."""
        return 1.0 - self.failed


def changes_of(faults: Iterable[Fault], until_s: float) -> list[tuple[float, int]]:
    """Return the moments at which the weather changes, each with the size of the burst that it is worth."""
    found: dict[float, int] = {}
    for fault in faults:
        size = BURST if fault.kind in SEVERE else MILD
        for time_s in (fault.at_s, fault.ends_s):
            if time_s < until_s:
                found[time_s] = max(size, found.get(time_s, 0))
    return sorted(found.items())


def bursts(faults: Sequence[Fault], until_s: float, draws: Draws) -> list[tuple[float, int]]:
    """Return when how many requests are sent, in order of time."""
    changes = changes_of(faults, until_s)
    found = [(0.0, MILD), *changes]
    ends = [time_s for time_s, _ in changes[1:]] + [until_s]
    for (began_s, size), ended_s in zip(changes, ends, strict=True):
        if ended_s - began_s > 2.0:
            found.append(((began_s + ended_s) / 2, SECOND if size == BURST else MILD))
    at_s, number = draws.exponential(BACKGROUND_S, "background", 0), 0
    while at_s < until_s:
        found.append((at_s, MILD))
        number += 1
        at_s += draws.exponential(BACKGROUND_S, "background", number)
    return sorted(found)


def sampled(faults: Sequence[Fault], until_s: float, fitted: Fitted, draws: Draws) -> list[Arrival]:
    """Return the requests that stand for all, each with the seconds that it stands for."""
    sent = bursts(faults, until_s, draws)
    edges = [0.0, *((a + b) / 2 for (a, _), (b, _) in pairwise(sent)), until_s]
    found: list[Arrival] = []
    for place, (began_s, size) in enumerate(sent):
        at_s, weight = began_s, (edges[place + 1] - edges[place]) / size
        for _ in range(size):
            found.append(arrival(len(found), at_s, weight, fitted, draws))
            at_s += draws.exponential(fitted.mean_gap_s, "gap", len(found))
    return found


def steady(until_s: float, gap_s: float, fitted: Fitted, draws: Draws) -> list[Arrival]:
    """Return every request of a steady load: the full simulation that the estimate is held against."""
    found: list[Arrival] = []
    at_s = draws.exponential(gap_s, "steady", 0)
    while at_s < until_s:
        found.append(arrival(len(found), at_s, 1.0, fitted, draws))
        at_s += draws.exponential(gap_s, "steady", len(found))
    return found


def arrival(number: int, at_s: float, weight: float, fitted: Fitted, draws: Draws) -> Arrival:
    """Return a request with its tokens and its question."""
    place = draws.below(QUANTILES, "tokens", number)
    return Arrival(
        at_s=at_s, number=number, question=draws.below(len(QUESTIONS), "question", number),
        policy="evidence" if draws.unit("policy", number) < 0.5 else "strict", deadline_ms=DEADLINE_MS,
        prompt_tokens=fitted.prompt_tokens[place], answer_tokens=min(fitted.answer_tokens[place], 512), weight=weight,
    )  # fmt: skip


def shares(outcomes: Iterable[Outcome]) -> Shares:
    """Return how time divides, by what the outcomes stand for."""
    total = answered = undecided = failed = right = 0.0
    for outcome in outcomes:
        weight = outcome.arrival.weight
        total += weight
        answered += weight * (outcome.result == "answered")
        undecided += weight * (outcome.result == "undecided")
        failed += weight * (outcome.result in FAILED)
        right += weight * outcome.is_right
    if not total:
        raise ValueError("no request stands for anything")
    return Shares(answered / total, undecided / total, failed / total, right / total)
