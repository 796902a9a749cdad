"""The availability estimate held against full simulations: every request of a steady load, through the same weather.

Rules:
- Both see the same faults; only which requests are sent differs. ``compare`` takes some days, in which the ills of our own side
  come more often than assumed, or a month would hold too few failures. ``compare_outage`` takes hours of one outage of several
  providers at the load's real pace, at which breakers are as warm as they will be; the estimate comes of so many short looks at
  the like.
- The full simulation's own error is that of its failures' number, by days or by minutes: failures come in spells, so these are
  what is independent.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import pstdev

import msgspec

from cluster.simulation.availability import histories
from cluster.simulation.draws import Draws
from cluster.simulation.estimator import FAIR, Stretch, Timeline, sampled, steady, stretches, times
from cluster.simulation.fit import stored
from cluster.simulation.ills import ASSUMED, DAY_S, ills
from cluster.simulation.outages import provider_faults
from cluster.simulation.settings import SiteSettings
from cluster.simulation.stacks import LOCAL, free, site_of
from cluster.simulation.strata import FAILED, Counts, counted, interval, merged
from cluster.simulation.weather import Fault, Kind
from cluster.simulation.world import Arrival, Outcome, World

WORSE = 10.0
"""How much more often than assumed something of ours goes wrong here."""
FAIR_REQUESTS = 3000
LOOKS = 20
"""At an outage, each as a replicate has them."""
SPELL_S = 60.0
CALM_BEFORE_S = 60.0


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

    @property
    def differs_by(self) -> float:
        """Return the difference in standard errors of both together."""
        error = math.hypot(self.full_error, self.estimate_error)
        return abs(self.estimate - self.full) / error if error else 0.0


def compare(profile: str, data: Path | None, days: int, gap_s: float, seed: int, worse: float = WORSE) -> Compared:
    """Simulate some days fully and by the estimator."""
    fitted, site, draws, until_s = stored(), free(site_of(profile)), Draws(("validation", seed)), days * DAY_S
    providers = list(dict.fromkeys(one.provider for one in site.characters if one.provider != LOCAL))
    weeks = -(-days // 7)
    outages = provider_faults(
        histories(providers, data, fitted, seed), weeks, 0.3, fitted.down_share, draws.sub("outages")
    )
    more = [msgspec.structs.replace(ill, every_days=ill.every_days / worse) for ill in ASSUMED]
    own = ills(site, until_s, draws.sub("ills"), more)
    faults = sorted(fault for fault in (*outages, *own) if fault.at_s < until_s)
    found = stretches(faults, until_s)
    full = _played(site, faults, steady(until_s, gap_s, fitted, draws.sub("steady")), until_s, seed)
    looked = _looked(site, faults, found, until_s, gap_s, seed, looks=1)
    calm = _played(
        site, [], steady(FAIR_REQUESTS * gap_s, gap_s, fitted, draws.sub("fair")), FAIR_REQUESTS * gap_s, seed
    )
    looked += [(counted(calm.outcomes, [FAIR] * len(calm.outcomes)), calm)]
    return _compared(full, full.outcomes, looked, times(found, until_s, DAY_S), days * 24.0, DAY_S)


def compare_outage(
    profile: str, whom: Sequence[str], kind: Kind, hours: float, seed: int, looks: int = LOOKS
) -> Compared:
    """Simulate some hours in which several providers answer nothing, fully and by looks at it, at the load's real pace."""
    fitted, site, draws = stored(), free(site_of(profile)), Draws(("outage", seed))
    lasts_s = hours * 3600
    until_s = CALM_BEFORE_S + lasts_s
    faults = [Fault(CALM_BEFORE_S, kind, provider, lasts_s) for provider in whom]
    found = stretches(faults, until_s)
    full = _played(site, faults, steady(until_s, fitted.mean_gap_s, fitted, draws.sub("steady")), until_s, seed)
    ours = [outcome for outcome in full.outcomes if outcome.arrival.at_s >= CALM_BEFORE_S]
    looked = _looked(site, faults, found, until_s, fitted.mean_gap_s, seed, looks)
    spent = [{stratum: s for stratum, s in times(found, until_s, until_s)[0].items() if stratum.names}]
    return _compared(full, ours, looked, spent, hours, SPELL_S)


def _looked(
    site: SiteSettings, faults: list[Fault], found: list[Stretch], until_s: float, gap_s: float, seed: int, looks: int
) -> list[tuple[Counts, World]]:  # fmt: skip
    """Return what the estimator's requests came to, in so many worlds."""
    fitted, seen = stored(), []
    for look in range(looks):
        sent = sampled(found, fitted, Draws(("load", seed, look)), 1.0, gap_s)
        world = _played(site, faults, sent.arrivals, until_s, (seed, look))
        seen.append((counted(world.outcomes, sent.strata), world))
    return seen


def _played(site: SiteSettings, faults: list[Fault], arrivals: list[Arrival], until_s: float, seed: object) -> World:
    world = World(site, ("validation", seed))
    world.play(faults, arrivals, until_s)
    return world


def _compared(
    full: World, outcomes: Sequence[Outcome], looked: Sequence[tuple[Counts, World]], spent: Sequence[Timeline], hours: float,
    spell_s: float,
) -> Compared:  # fmt: skip
    estimate = interval(spent, merged(counts for counts, _ in looked), "failed", [range(len(spent))])
    failed = sum(outcome.result in FAILED for outcome in outcomes)
    return Compared(
        hours, len(outcomes), sum(len(world.outcomes) for _, world in looked), failed / len(outcomes),
        _error(outcomes, spell_s), estimate.value, estimate.error,
        sum(len(world.judge.breaches) for world in (full, *(world for _, world in looked))),
    )  # fmt: skip


def _error(outcomes: Sequence[Outcome], spell_s: float) -> float:
    """Return the standard error of the share that failed."""
    spells: dict[int, list[bool]] = {}
    for outcome in outcomes:
        spells.setdefault(int(outcome.arrival.at_s // spell_s), []).append(outcome.result in FAILED)
    shares = [sum(failed) / len(failed) for failed in spells.values()]
    return pstdev(shares) / math.sqrt(len(shares))
