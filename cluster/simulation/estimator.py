"""Availability without asking at every moment: a burst where something changes, a few in between, each standing for its time.

Rules:
- Between two changes of the weather the world is the same but for what breakers remember. So each change is followed by a
  burst at the real load's pace, which is what moves breakers, and by a second one at a drawn moment later; besides, requests
  arrive at random all the time, and more often while something severe is under way.
- No request stands for time on the other side of a change. The burst stands for the first half minute, what comes after it for
  the rest, each request for what is nearest to it. Where a change takes no answers away there is no burst.
- Availability is the share of time, hence of a steady load, in which requests had no 429, 503, 504 and no lost connection.
  What voters could not agree on is told apart: it is an answer to the caller, if none to his question.

Left out: load that depends on the hour, which would weigh working hours more (histories do show more incidents then).
"""

from collections.abc import Iterable, Iterator, Sequence
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
BURST, MILD = 3, 1
BACKGROUND_S, IN_BAD_S = 86_400.0, 1800.0
"""Mean time between requests that come at random: always, and more often while anything severe is under way."""
SETTLED_S = 30.0
"""How long after a change what breakers remember matters, and the burst at the change stands for."""
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


class Burst(msgspec.Struct, frozen=True, order=True):
    """Requests that are sent one after the other and stand for a stretch of time together."""

    at_s: float
    size: int
    from_s: float
    until_s: float


def bursts(faults: Sequence[Fault], until_s: float, draws: Draws) -> list[Burst]:
    """Return the bursts that stand for all time up to ``until_s``, in order of time."""
    changes = changes_of(faults, until_s)
    if not changes or changes[0][0] > 0:
        changes = [(0.0, MILD), *changes]
    background = _background(until_s, BACKGROUND_S, draws)
    severe = [fault for fault in faults if fault.kind in SEVERE]

    def bad(time_s: float) -> bool:
        return any(fault.at_s <= time_s < fault.ends_s for fault in severe)

    found: list[Burst] = []
    for number, (began_s, size) in enumerate(changes):
        ended_s = changes[number + 1][0] if number + 1 < len(changes) else until_s
        settled_s = began_s
        if size == BURST:
            settled_s += min(SETTLED_S, (ended_s - began_s) / 2)
            found.append(Burst(began_s, size, began_s, settled_s))
        later_s = settled_s + draws.unit("later", number) * (ended_s - settled_s)
        sent = [(later_s, MILD)]
        more = _background(ended_s - settled_s, IN_BAD_S, draws.sub("bad", number)) if bad(began_s) else []
        random = (*background, *(settled_s + at_s for at_s in more))
        sent += [(at_s, MILD) for at_s in random if settled_s < at_s < ended_s]
        found += _side_by_side(sorted(sent), settled_s, ended_s)
    return found


def _side_by_side(sent: Sequence[tuple[float, int]], from_s: float, until_s: float) -> Iterator[Burst]:
    """Yield bursts that share a stretch of time, each with what is nearest to it."""
    edges = [from_s, *((a + b) / 2 for (a, _), (b, _) in pairwise(sent)), until_s]
    for place, (at_s, size) in enumerate(sent):
        yield Burst(at_s, size, edges[place], edges[place + 1])


def _background(until_s: float, every_s: float, draws: Draws) -> list[float]:
    found: list[float] = []
    at_s = draws.exponential(every_s, "background", 0)
    while at_s < until_s:
        found.append(at_s)
        at_s += draws.exponential(every_s, "background", len(found))
    return found


def sampled(faults: Sequence[Fault], until_s: float, fitted: Fitted, draws: Draws) -> list[Arrival]:
    """Return the requests that stand for all, each with the seconds that it stands for."""
    found: list[Arrival] = []
    for burst in bursts(faults, until_s, draws):
        at_s, weight = burst.at_s, (burst.until_s - burst.from_s) / burst.size
        for _ in range(burst.size):
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
