"""The availability estimate held against full simulations: every request of a steady load, through the same weather.

Rules:
- Both see the same faults; only which requests are sent differs. ``compare`` takes some days, in which the ills of our own side
  come more often than assumed, or a month would hold too few failures. ``compare_outage`` takes hours of one outage of several
  providers at the load's real pace, at which breakers are as warm as they will be; in between the engines of the machine are
  away as well, so that something fails. The estimate comes of so many looks at the like, and of fair weather.
- The weather is given, so it is no error. Of days, whose requests come alone, the full simulation's error is that of independent
  requests. In an outage breakers tie requests to each other: it is simulated several times over, and the error is the spread.
  The estimate's is what its looks differ by, and no less than of independent requests (``strata``).
- A comparison has *power* if it would notice: the same counts are handed to estimators that are broken on purpose
  (``BROKEN``), and each of them must be more than ``APART`` standard errors from the full simulation, where the real one is
  nearer. What cannot reject a broken one proves nothing of the real one; of several comparisons together each is to be rejected.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev

import msgspec

from cluster.simulation.availability import histories
from cluster.simulation.draws import Draws
from cluster.simulation.estimator import (
    FAIR,
    Sent,
    Stratum,
    Stretch,
    Timeline,
    sampled,
    steady,
    stretches,
    times,
    total,
)
from cluster.simulation.fit import stored
from cluster.simulation.ills import ASSUMED, DAY_S, ills
from cluster.simulation.outages import provider_faults
from cluster.simulation.parallel import spread
from cluster.simulation.settings import SiteSettings
from cluster.simulation.stacks import LOCAL, free, site_of
from cluster.simulation.strata import Counted, Counts, Interval, counted, interval, left_out, merged, nearest
from cluster.simulation.weather import Fault, Kind
from cluster.simulation.world import World

WORSE = 10.0
"""How much more often than assumed something of ours goes wrong here."""
FAIR_REQUESTS = 20_000
LOOKS = 40
"""At the like weather, each as a replicate has them."""
AGAIN = 6
"""Full simulations of an outage."""
APART = 3.0
"""Standard errors of both together: what is further apart does not agree."""
CALM_BEFORE_S = 60.0
BEFORE = Stratum(("before",))
"""What requests stand for that come before an outage: they are not counted."""
CALM_REQUESTS = 300
"""Of an outage's estimate, in fair weather: what a stratum falls back to that was dropped."""
AWAY_EVERY, AWAY_SHARE = 3, 0.25
"""So often in an outage the machine's engines are away too, for so much of each part."""


class Compared(msgspec.Struct, frozen=True):
    """An estimate beside what it estimates."""

    hours: float
    full_requests: int
    estimate_requests: int
    full: float
    """Share of requests that failed."""
    full_error: float
    """Standard error of that."""
    estimate: float
    estimate_error: float
    breaches: int
    broken: dict[str, float]
    """Estimator that is broken on purpose → standard errors apart, by its own error."""

    @property
    def differs_by(self) -> float:
        """Return the difference in standard errors of both together."""
        return _apart(self.full, self.full_error, self.estimate, self.estimate_error)

    @property
    def verdict(self) -> dict[str, bool]:
        """Return what was wanted and whether it is so."""
        return {
            f"within {APART:g} standard errors": self.differs_by <= APART,
            "every broken estimator is rejected": bool(self.broken) and min(self.broken.values()) > APART,
        }


def _apart(full: float, full_error: float, estimate: float, estimate_error: float) -> float:
    error = math.hypot(full_error, estimate_error)
    return abs(estimate - full) / error if error else 0.0


Break = Callable[[Counts, Timeline], Counts]


def _costliest_dropped(counts: Counts, spent: Timeline) -> Counts:
    """Return counts without what is under way when most is lost, whatever its age."""
    lost: dict[tuple[str, ...], float] = {}
    for stratum, seconds in spent.items():
        one = counts[nearest(counts, stratum)]
        lost[stratum.names] = lost.get(stratum.names, 0.0) + seconds * one.failed / one.sent
    worst = max((names for names in lost if names), key=lambda names: lost[names])
    return {stratum: one for stratum, one in counts.items() if stratum.names != worst}


def _never_failing(counts: Counts, _: Timeline) -> Counts:
    return {stratum: msgspec.structs.replace(one, failed=0) for stratum, one in counts.items()}


def _failing_by_halves(counts: Counts, _: Timeline) -> Counts:
    return {stratum: msgspec.structs.replace(one, failed=one.failed // 2) for stratum, one in counts.items()}


def _all_alike(counts: Counts, _: Timeline) -> Counts:
    """Return counts in which requests are no longer told apart by what they stand for."""
    whole = Counted()
    for one in counts.values():
        whole.merge(one)
    return {FAIR: whole}


BROKEN: Mapping[str, Break] = {
    "nothing fails": _never_failing, "half of what failed is forgotten": _failing_by_halves,
    "the costliest stratum is dropped": _costliest_dropped, "requests stand for all time alike": _all_alike,
}  # fmt: skip
"""What breaks the estimator on purpose, by name."""


class _Play(msgspec.Struct, frozen=True):
    """Requests through a weather."""

    site: SiteSettings
    faults: list[Fault]
    sent: Sent
    until_s: float
    seed: object


class _Played(msgspec.Struct, frozen=True):
    """What came of them."""

    counts: Counts
    breaches: int


def _play(task: _Play) -> _Played:
    world = World(task.site, ("validation", task.seed))
    world.play(task.faults, task.sent.arrivals, task.until_s)
    return _Played(counted(world.outcomes, task.sent.strata), len(world.judge.breaches))


def compare(
    profile: str, data: Path | None, days: int, gap_s: float, seed: int, worse: float = WORSE, looks: int = LOOKS,
    fair_requests: int = FAIR_REQUESTS, workers: int = 1,
) -> Compared:  # fmt: skip
    """Simulate some days fully and by the estimator."""
    fitted, site, draws, until_s = stored(), free(site_of(profile)), Draws(("validation", seed)), days * DAY_S
    providers = list(dict.fromkeys(one.provider for one in site.characters if one.provider != LOCAL))
    past = histories(providers, data, fitted, seed)
    outages = provider_faults(past, -(-days // 7), 0.3, fitted.down_share, draws.sub("outages"))
    more = [msgspec.structs.replace(ill, every_days=ill.every_days / worse) for ill in ASSUMED]
    faults = sorted(one for one in (*outages, *ills(site, until_s, draws.sub("ills"), more)) if one.at_s < until_s)
    found, calm_s = stretches(faults, until_s), fair_requests * gap_s
    full = _steady(site, faults, until_s, gap_s, seed)
    plays = [
        _steady(site, [], calm_s, gap_s, ("fair", seed)),
        *_looks(site, faults, found, until_s, gap_s, seed, looks),
    ]
    fully, *seen = spread(_play, [full, *plays], workers)
    one = fully.counts[FAIR]
    share = one.failed / one.sent
    error = math.sqrt(max(share, 0.5 / one.sent) * (1 - share) / one.sent)
    return _compared([fully], share, error, seen, times(found, until_s, DAY_S), days * 24.0)


def compare_outage(
    profile: str, whom: Sequence[str], kind: Kind, hours: float, seed: int, looks: int = LOOKS, again: int = AGAIN,
    workers: int = 1,
) -> Compared:  # fmt: skip
    """Simulate some hours in which several providers answer nothing, fully and by looks at it, at the load's real pace."""
    fitted, site = stored(), free(site_of(profile))
    lasts_s, gap_s = hours * 3600, fitted.mean_gap_s
    until_s, part_s = CALM_BEFORE_S + lasts_s, lasts_s / AWAY_EVERY
    faults = [Fault(CALM_BEFORE_S, kind, provider, lasts_s) for provider in whom]
    faults += [
        Fault(CALM_BEFORE_S + (part + 0.4) * part_s, "down", LOCAL, AWAY_SHARE * part_s) for part in range(AWAY_EVERY)
    ]
    found = stretches(faults, until_s)
    fulls = [_steady(site, faults, until_s, gap_s, (seed, number), CALM_BEFORE_S) for number in range(again)]
    calm = _steady(site, [], CALM_REQUESTS * gap_s, gap_s, ("fair", seed))
    played = list(spread(_play, [*fulls, calm, *_looks(site, faults, found, until_s, gap_s, seed, looks)], workers))
    spent = [{stratum: s for stratum, s in times(found, until_s, until_s)[0].items() if stratum != FAIR}]
    shares = [each.counts[FAIR].failed / each.counts[FAIR].sent for each in played[:again]]
    error = stdev(shares) / math.sqrt(again)
    return _compared(played[:again], fmean(shares), error, played[again:], spent, hours)


def _steady(
    site: SiteSettings, faults: list[Fault], until_s: float, gap_s: float, seed: object, since_s: float = 0.0
) -> _Play:  # fmt: skip
    """Return every request of a steady load; which of them come ``since_s``, and no more, is told apart."""
    arrivals = steady(until_s, gap_s, stored(), Draws(("steady", seed)))
    strata = [FAIR if each.at_s >= since_s else BEFORE for each in arrivals]
    return _Play(site, faults, Sent(arrivals, strata), until_s, ("steady", seed))


def _looks(
    site: SiteSettings, faults: list[Fault], found: list[Stretch], until_s: float, gap_s: float, seed: int, looks: int
) -> list[_Play]:  # fmt: skip
    """Return what the estimator sends, so many times."""
    fitted = stored()
    sent = [sampled(found, fitted, Draws(("load", seed, look)), 1.0, gap_s) for look in range(looks)]
    return [_Play(site, faults, each, until_s, (seed, look)) for look, each in enumerate(sent)]


def _compared(
    full: Sequence[_Played], share: float, error: float, seen: Sequence[_Played], spent: Sequence[Timeline], hours: float
) -> Compared:  # fmt: skip
    calm, *looks = [each.counts for each in seen]
    counts, without, lived = merged([calm, *looks]), left_out(looks, calm), total(spent)

    def estimated(breaks: Break) -> Interval:
        apart = [breaks(each, lived) for each in without]
        return interval(spent, breaks(counts, lived), "failed", [range(len(spent))], apart)

    estimate = estimated(lambda counts, _: counts)
    broken = {name: estimated(breaks) for name, breaks in BROKEN.items()}
    return Compared(
        hours, _requests(full), _requests(seen), share, error, estimate.value, estimate.error,
        sum(each.breaches for each in (*full, *seen)),
        {name: round(_apart(share, error, one.value, one.error), 2) for name, one in broken.items()},
    )  # fmt: skip


def _requests(played: Sequence[_Played]) -> int:
    return sum(one.sent for each in played for one in each.counts.values())
