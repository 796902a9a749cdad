"""What goes wrong on one's own side, and how often: assumed, for no public history tells it, and said beside every figure.

Rules:
- Each ill comes at random, independent of the others, with a mean time between; how long it lasts is exponential.
- Restarts of engines, replicas and the whole Ray node take what was measured on this project's machine.
- A home lies on one machine: with that, or with its Ray node, every replica is gone as well as every local voter, and what
  its disk does it does to all replicas.

Left out: the supervisor by itself. It answers nobody; what its end takes away for a while is news of policy (``policy_away``).
Restarts that an operator orders, also those of an update.
"""

from collections.abc import Sequence

import msgspec

from cluster.simulation.draws import Draws
from cluster.simulation.settings import SiteSettings
from cluster.simulation.stacks import LOCAL
from cluster.simulation.weather import Fault, Kind

DAY_S = 86_400.0


class Ill(msgspec.Struct, frozen=True):
    """Something that goes wrong now and then."""

    kind: Kind
    whom: str
    """``engine``: each local voter; ``voter``: each; ``replica``: each; ``machine``: it, and all that runs there; else empty."""
    every_days: float
    lasts_s: float
    value: float = 0.0


ASSUMED = (
    Ill("down", "engine", 30, 190),
    Ill("machine_off", "machine", 180, 900),
    Ill("node_gone", "machine", 90, 216),
    Ill("killed", "replica", 30, 20),
    Ill("wrong", "voter", 90, DAY_S),
    Ill("log_away", "", 365, 1800),
    Ill("log_slow", "", 30, 120, 0.5),
    Ill("policy_away", "", 90, 600),
    Ill("sandbox_away", "", 180, 300),
    Ill("screener_blind", "", 365, 300),
    Ill("halt", "", 180, 1200),
    Ill("isolate", "voter", 120, DAY_S),
    Ill("clock_jump", "", 180, 0, 5.0),
)


def ills(site: SiteSettings, until_s: float, draws: Draws, assumed: Sequence[Ill] = ASSUMED) -> list[Fault]:
    """Return what goes wrong at a site on its own side."""
    found = []
    for place, ill in enumerate(assumed):
        for target in _targets(ill, site):
            own, at_s, number = draws.sub(place, target), 0.0, 0
            while (at_s := at_s + own.exponential(ill.every_days * DAY_S, "at", number)) < until_s:
                lasts_s = own.exponential(ill.lasts_s, "lasts", number) if ill.lasts_s else 0.0
                found.append(Fault(at_s, ill.kind, target, lasts_s, ill.value))
                number += 1
    return sorted(found)


def _targets(ill: Ill, site: SiteSettings) -> list[str]:
    if ill.whom == "engine":
        return [one.info.id for one in site.characters if one.provider == LOCAL]
    if ill.whom == "voter":
        return [one.info.id for one in site.characters]
    if ill.whom == "replica":
        return [f"{number}" for number in range(site.replicas)]
    return [LOCAL] if ill.whom == "machine" else [""]
