"""Fair weather: the same for every replicate and history, so it is measured once, by many requests at the load's pace."""

from time import process_time

import msgspec

from cluster.simulation.draws import Draws
from cluster.simulation.estimator import FAIR, Stratum, steady
from cluster.simulation.fit import stored
from cluster.simulation.stacks import baselines, free, site_of
from cluster.simulation.strata import Counts, counted
from cluster.simulation.world import World

UNLUCKY = "nothing: unlucky answers"
REQUESTS = 40_000
"""So many: what the nines of fair weather rest on."""


class FairTask(msgspec.Struct, frozen=True):
    """A part of the requests."""

    profile: str
    part: int
    requests: int
    asked: tuple[str, str]
    """Whom the baselines ask."""


class Fair(msgspec.Struct, frozen=True):
    """What came of it."""

    counts: dict[str, Counts]
    """By stack."""
    lost: dict[Stratum, dict[str, float]]
    """Of the profile's stack, as a replicate tells it."""
    requests: int
    breaches: list[str]
    processor_s: float


def fair(task: FairTask) -> Fair:
    """Ask a site so often in fair weather."""
    began_s = process_time()
    fitted = stored()
    world = World(free(site_of(task.profile)), ("fair", task.part), baselines=baselines(*task.asked))
    until_s = task.requests * fitted.mean_gap_s
    arrivals = steady(until_s, fitted.mean_gap_s, fitted, Draws(("fair", task.part)))
    world.play([], arrivals, until_s)
    strata = [FAIR] * len(arrivals)
    counts = {name: counted(got, strata) for name, got in {task.profile: world.outcomes, **world.others}.items()}
    unlucky = counts[task.profile][FAIR].failed
    breaches = [f"fair weather, part {task.part}: {breach}" for breach in world.judge.breaches[:10]]
    lost = {FAIR: {UNLUCKY: float(unlucky)}} if unlucky else {}
    return Fair(counts, lost, len(arrivals), breaches, process_time() - began_s)
