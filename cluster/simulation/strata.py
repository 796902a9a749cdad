"""What requests of each stratum came to, counted over all replicates, and what follows for a time spent in them. Pure.

Rules:
- A rate is what its stratum's requests came to. A stratum that nobody was sent to takes that of the nearest: the same weather
  a little younger, then as it is when settled, then the worst of what is under way by itself, then fair weather.
- Two errors are told apart. *Sampling*: only so many requests were sent; by the binomial's variance of each stratum, whose rate
  is taken to be no nearer to none, or all, than that of all like it (severe, mild, fair) with half a failure more than there
  were: none among few is no proof of none, and one of one no proof of all. Requests that breakers tie to each other are fewer
  than they look: where parts are known that are independent of each other, the error is what leaving each out changes (the
  jackknife, Efron and Stein 1981), if that is more. *History*: only so many weeks are known; by drawing as many weeks with
  replacement over and over (a bootstrap of blocks of a week), the rates as they are.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

import msgspec

from cluster.simulation.draws import Draws
from cluster.simulation.estimator import FAIR, SETTLED, SEVERE, Stratum, Timeline, total
from cluster.simulation.world import Outcome

FAILED = ("unavailable", "overloaded", "halted", "lost")
"""Results by which a caller has no word on his question: 429, 503, 504, a connection that is cut."""
CONFIDENCE = 0.95
RESAMPLES = 2000


class Counted(msgspec.Struct):
    """What became of the requests of a stratum."""

    sent: int = 0
    answered: int = 0
    failed: int = 0
    right: int = 0
    """Part of what was answered."""

    def add(self, outcome: Outcome) -> None:
        """Count one more."""
        self.sent += 1
        self.answered += outcome.result == "answered"
        self.failed += outcome.result in FAILED
        self.right += outcome.is_right

    def merge(self, other: "Counted") -> None:
        """Count all of another's too."""
        self.sent += other.sent
        self.answered += other.answered
        self.failed += other.failed
        self.right += other.right


Counts = dict[Stratum, Counted]


class Interval(msgspec.Struct, frozen=True):
    """A share of time, with what is not known of it."""

    value: float
    low: float
    """What the middle 95 % of drawn histories span."""
    high: float
    error: float = 0.0
    """Standard error of what was sent so few requests."""


def counted(outcomes: Iterable[Outcome], strata: Sequence[Stratum]) -> Counts:
    """Count outcomes; ``strata`` is each request's, by its number."""
    found: Counts = {}
    for outcome in outcomes:
        found.setdefault(strata[outcome.arrival.number], Counted()).add(outcome)
    return found


def merged(parts: Iterable[Mapping[Stratum, Counted]]) -> Counts:
    """Count everything together."""
    found: Counts = {}
    for part in parts:
        for stratum, one in part.items():
            found.setdefault(stratum, Counted()).merge(one)
    return found


def nearest(counts: Mapping[Stratum, Counted], stratum: Stratum) -> Stratum:
    """Return the stratum whose rate a stratum takes: its own, if anybody was sent there."""
    younger = [msgspec.structs.replace(stratum, age=age) for age in range(stratum.age, -1, -1)]
    same = [Stratum(stratum.names, (), age) for age in (SETTLED, *range(SETTLED - 1, -1, -1))]
    parts = [Stratum((name,), (), age) for age in (SETTLED, *range(SETTLED)) for name in stratum.names]
    known = [one for one in (*younger, *same) if one in counts]
    if known:
        return known[0]
    alone = [one for one in parts if one in counts]
    return max(alone, key=lambda one: counts[one].failed / counts[one].sent, default=FAIR)


def interval(
    weeks: Sequence[Timeline], counts: Mapping[Stratum, Counted], what: str, picks: Sequence[Sequence[int]],
    without: Sequence[Mapping[Stratum, Counted]] = (),
) -> Interval:  # fmt: skip
    """Return the share of time of ``what`` (``failed``, ``answered``, ``right``); ``picks`` are the histories drawn again.

    ``without`` are the counts without each of the parts that are independent of each other.
    """
    places = {stratum: nearest(counts, stratum) for stratum in total(weeks)}
    rates = {stratum: getattr(counts[place], what) / counts[place].sent for stratum, place in places.items()}
    lengths = [sum(week.values()) for week in weeks]
    shares = [
        sum(rates[stratum] * seconds for stratum, seconds in week.items()) / length
        for week, length in zip(weeks, lengths, strict=True)
    ]
    drawn = sorted(fmean(shares[week] for week in pick) for pick in picks)
    tail = (1 - CONFIDENCE) / 2
    error = max(sampling_error(weeks, counts, what, places), jackknife_error(total(weeks), without, what))
    return Interval(fmean(shares), quantile(drawn, tail), quantile(drawn, 1 - tail), error)


def left_out(parts: Sequence[Mapping[Stratum, Counted]], always: Mapping[Stratum, Counted]) -> list[Counts]:
    """Return for each part the counts of all others together, and of what is ``always`` in."""
    return [merged([always, *parts[:place], *parts[place + 1 :]]) for place in range(len(parts))]


def jackknife_error(spent: Timeline, without: Sequence[Mapping[Stratum, Counted]], what: str) -> float:
    """Return the standard error of a share of time, by what it is without each part; 0 where there are none."""
    if len(without) < 2:
        return 0.0
    shares = [_share(spent, counts, what) for counts in without]
    middle = fmean(shares)
    return math.sqrt(sum((share - middle) ** 2 for share in shares) * (len(shares) - 1) / len(shares))


def _share(spent: Timeline, counts: Mapping[Stratum, Counted], what: str) -> float:
    share = 0.0
    for stratum, seconds in spent.items():
        one = counts[nearest(counts, stratum)]
        share += seconds * getattr(one, what) / one.sent
    return share / sum(spent.values())


def sampling_error(
    weeks: Sequence[Timeline], counts: Mapping[Stratum, Counted], what: str, places: Mapping[Stratum, Stratum]
) -> float:  # fmt: skip
    """Return the standard error that so few requests leave in a share of time."""
    spent: Timeline = {}
    for stratum, seconds in total(weeks).items():
        spent[places[stratum]] = spent.get(places[stratum], 0.0) + seconds
    whole, variance = sum(spent.values()), 0.0
    alike = _rates_alike(counts, what)
    for place, seconds in spent.items():
        sent = counts[place].sent
        rate = _cautious(getattr(counts[place], what), sent, alike[_likeness(place)])
        variance += (seconds / whole) ** 2 * rate * (1 - rate) / sent
    return math.sqrt(variance)


def _cautious(hits: int, sent: int, alike: float) -> float:
    """Return a rate that is no further from a half than that of all alike, and no other for what is not hit."""
    own = (hits + alike) / (sent + 1)
    return min(max(own, alike), 0.5) if own <= 0.5 else max(min(own, alike), 0.5)


def _rates_alike(counts: Mapping[Stratum, Counted], what: str) -> dict[str, float]:
    """Return likeness → the rate of all strata alike, with half a hit more than there were."""
    sums: dict[str, tuple[int, int]] = {}
    for stratum, one in counts.items():
        hits, sent = sums.get(_likeness(stratum), (0, 0))
        sums[_likeness(stratum)] = (hits + getattr(one, what), sent + one.sent)
    return {likeness: (hits + 0.5) / (sent + 1) for likeness, (hits, sent) in sums.items()}


def _likeness(stratum: Stratum) -> str:
    if stratum.gone or any(name.partition(": ")[2] in SEVERE for name in stratum.names):
        return "severe"
    return "mild" if stratum.names else "fair"


def histories_drawn(weeks: int, length: int, draws: Draws, resamples: int = RESAMPLES) -> list[list[int]]:
    """Return which of ``weeks`` weeks make up each of the histories that are drawn again, of ``length`` weeks."""
    return [[draws.below(weeks, number, week) for week in range(length)] for number in range(resamples)]


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which a share of the ordered values lies."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
