"""The availability estimate held against a full simulation: every request of a steady load, through the same weather.

Rules:
- Both see the same faults; only which requests are sent differs. The ills of our own side come more often than assumed, or a
  month would hold too few failures to compare.
- The full simulation's own error is that of its failures' number, by days: failures come in spells, so days are what is
  independent.
"""

import math
from pathlib import Path
from statistics import pstdev

import msgspec

from cluster.simulation.availability import histories
from cluster.simulation.draws import Draws
from cluster.simulation.estimator import FAILED, sampled, shares, steady
from cluster.simulation.fit import stored
from cluster.simulation.ills import ASSUMED, DAY_S, ills
from cluster.simulation.outages import provider_faults
from cluster.simulation.stacks import LOCAL, free, site_of
from cluster.simulation.weather import Fault
from cluster.simulation.world import Arrival, Outcome, World

WORSE = 10.0
"""How much more often than assumed something of ours goes wrong here."""


class Compared(msgspec.Struct, frozen=True):
    """An estimate beside what it estimates."""

    days: float
    full_requests: int
    estimate_requests: int
    full: float
    """Share of requests that failed."""
    full_error: float
    """Standard error of that."""
    estimate: float
    breaches: int

    @property
    def differs_by(self) -> float:
        """Return the difference in standard errors of the full simulation."""
        return abs(self.estimate - self.full) / self.full_error if self.full_error else 0.0


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

    def played(arrivals: list[Arrival], told: list[Fault]) -> World:
        world = World(site, ("validation", seed))
        world.play(told, arrivals, until_s)
        return world

    everyone, some = (
        steady(until_s, gap_s, fitted, draws.sub("steady")),
        sampled(faults, until_s, fitted, draws.sub("load")),
    )
    full, estimate = played(everyone, faults), played(some, faults)
    return Compared(
        days, len(everyone), len(some), shares(full.outcomes).failed, _error(full.outcomes, days),
        shares(estimate.outcomes).failed, len(full.judge.breaches) + len(estimate.judge.breaches),
    )  # fmt: skip


def _error(outcomes: list[Outcome], days: int) -> float:
    failed, all_of = [0] * days, [0] * days
    for outcome in outcomes:
        day = min(int(outcome.arrival.at_s // DAY_S), days - 1)
        all_of[day] += 1
        failed[day] += outcome.result in FAILED
    daily = [bad / total for bad, total in zip(failed, all_of, strict=True) if total]
    return pstdev(daily) / math.sqrt(len(daily))
