"""A home that is asked just before and just after what requests meet runs out: certificates, cool-downs, days, staleness.

Rules: time passes by the injected clock alone; every request's answer is judged as always, and all must be answered that are
asked in fair weather. Beside, every lifetime there is is passed by itself (``expiries``).
"""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from actors.base.certificates import WRITER_MAX_S
from cluster.config import load_profile, read_config
from cluster.simulation.expiries.table import Passed, passed
from cluster.simulation.replica import RENEW_BELOW_S
from cluster.simulation.stacks import site_of
from cluster.simulation.weather import Fault
from cluster.simulation.world import Arrival, World
from models.providers.spend import DAY_S

ROUNDS = 3
AROUND_S = (-1.0, 0.0, 1.0)
CAP_USD = 50.0


class Outlived(msgspec.Struct, frozen=True):
    """What became of it."""

    days: float
    asked: int
    answered: int
    lifetimes: list[str]
    """Around whose ends requests were sent."""
    breaches: int
    expiries: list[Passed] = []
    """Every lifetime that there is, by the class that keeps it."""


def outlived(profile: str = "gpu") -> Outlived:
    """Ask around the ends of what requests meet, several times over, after a fault set all going; pass every lifetime as well."""
    with TemporaryDirectory(prefix="lifetimes-") as folder:
        site = replace(site_of(profile), spend_per_day_usd=CAP_USD)
        breakers, policy = site.breakers, site.policy
        lives = {
            "the cool-down of a breaker": breakers.open_s, "its window": breakers.window_s,
            "its probes' patience": breakers.half_open_max_s, "the longest ejection": breakers.outliers.max_s,
            "a policy's staleness": policy.policy_max_stale_s, "a certificate's renewal": WRITER_MAX_S - RENEW_BELOW_S,
            "a certificate": WRITER_MAX_S, "a day's cap": DAY_S, "a week": 7 * DAY_S,
        }  # fmt: skip
        world = World(site, "lifetimes", Path(folder) / "spend")
        faults, arrivals = _schedule([float(life) for life in lives.values()], site.characters[0].info.id)
        world.play(faults, arrivals, arrivals[-1].at_s)
    fine = [outcome for outcome in world.outcomes if outcome.result in ("answered", "undecided")]
    days = arrivals[-1].at_s / DAY_S
    expiries = passed(read_config(load_profile(profile), f"profile {profile}"))
    return Outlived(round(days, 1), len(arrivals), len(fine), list(lives), len(world.judge.breaches), expiries)


def _schedule(lives: list[float], voter: str) -> tuple[list[Fault], list[Arrival]]:
    """Return faults that open breakers and keep policy away for a moment, and requests around the end of what they began."""
    faults: list[Fault] = []
    moments: list[float] = []
    now_s = 60.0
    for _ in range(ROUNDS):
        for life_s in lives:
            faults += [Fault(now_s, "down", voter, 8.0), Fault(now_s, "policy_away", "", 5.0)]
            moments += [now_s + 0.5 * number for number in range(12)]
            moments += [now_s + life_s + around_s for around_s in AROUND_S]
            now_s += life_s + 60.0
    arrivals = [
        Arrival(at_s=max(at_s, 0.0), number=number, question=number % 12, answer_tokens=20, policy="evidence")
        for number, at_s in enumerate(sorted(moments))
    ]
    return faults, arrivals
