"""How much of the time the stacks answer, over histories drawn again week by week.

Rules:
- A replicate is one history drawn anew, with its own ills of our side; all stacks live through the same one, and the same
  replicates serve every co-occurrence.
- A figure's interval is what the middle 95 % of replicates span: each is as long as the history, so their spread is what the
  history leaves open.
- What is lost is laid to what was under way: in equal parts where it was several faults.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from time import perf_counter, process_time

import msgspec

from cluster.simulation.draws import Draws
from cluster.simulation.estimator import FAILED, SEVERE, Shares, sampled, shares
from cluster.simulation.fit import Fitted, drawn_history, history_of, stored
from cluster.simulation.ills import ills
from cluster.simulation.outages import WEEK_S, History, provider_faults
from cluster.simulation.parallel import spread
from cluster.simulation.stacks import LOCAL, baselines, free, site_of
from cluster.simulation.world import Outcome, World

FIRST, SECOND = "gpt-4.1", "claude-sonnet-4.5"
DAYS_A_YEAR = 365.25
CONFIDENCE = 0.95


class Task(msgspec.Struct, frozen=True):
    """One replicate at one co-occurrence."""

    profile: str
    together: float
    seed: int
    weeks: int
    data: str
    """Folder of the histories; empty draws from what was fitted."""


class Replicate(msgspec.Struct, frozen=True):
    """What one replicate came to."""

    together: float
    seed: int
    days: float
    shares: dict[str, Shares]
    """By stack."""
    lost: dict[str, float]
    """Of the profile's stack: what was under way → share of all time in which requests failed for it."""
    incidents: int
    requests: int
    breaches: list[str]
    processor_s: float
    """What it took of a processor; of no account for anything else."""


class Interval(msgspec.Struct, frozen=True):
    """A figure with what the middle 95 % of replicates span."""

    value: float
    low: float
    high: float


def histories(site_providers: Sequence[str], data: Path | None, fitted: Fitted, seed: int) -> dict[str, History]:
    """Return a history for each provider; all are drawn from the same one."""
    history = history_of(data) if data is not None else drawn_history(fitted, Draws(("history", seed)))
    return dict.fromkeys(site_providers, history)


def run(task: Task) -> Replicate:
    """Simulate one replicate."""
    began_s = process_time()
    fitted, site = stored(), free(site_of(task.profile))
    draws, until_s = Draws(task.seed), task.weeks * WEEK_S
    providers = list(dict.fromkeys(one.provider for one in site.characters if one.provider != LOCAL))
    past = histories(providers, Path(task.data) if task.data else None, fitted, task.seed)
    outages = provider_faults(past, task.weeks, task.together, fitted.down_share, draws.sub("outages"))
    faults = sorted([*outages, *ills(site, until_s, draws.sub("ills"))])
    world = World(site, (task.seed, "world"), baselines=baselines(FIRST, SECOND))
    arrivals = sampled(faults, until_s, fitted, draws.sub("load"))
    world.play(faults, arrivals, until_s)
    found = {task.profile: shares(world.outcomes), **{name: shares(got) for name, got in world.others.items()}}
    return Replicate(
        task.together, task.seed, until_s / 86_400, found, lost_to(world.outcomes), len(outages), len(arrivals),
        [f"seed {task.seed}: {breach}" for breach in world.judge.breaches[:10]],
        process_time() - began_s,
    )  # fmt: skip


def lost_to(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """Return what was under way when requests failed → share of all time."""
    total = 0.0
    lost: dict[str, float] = {}
    for outcome in outcomes:
        total += outcome.arrival.weight
        if outcome.result in FAILED:
            causes = _causes(outcome)
            for cause in causes:
                lost[cause] = lost.get(cause, 0.0) + outcome.arrival.weight / len(causes)
    return _ordered({cause: weight / total for cause, weight in lost.items()})


def _ordered(lost: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(lost.items(), key=lambda item: (-item[1], item[0])))


def _causes(outcome: Outcome) -> list[str]:
    if outcome.result in ("halted", "lost"):
        return ["all: halt" if outcome.result == "halted" else "replica: killed"]
    severe = [name for name in outcome.weather if name.split(": ")[1] in SEVERE]
    return severe or [name for name in outcome.weather if name.split(": ")[1] != "slow"] or ["nothing: unlucky answers"]


def interval(values: Sequence[float]) -> Interval:
    """Return the mean of the replicates and what their middle 95 % span."""
    ordered = sorted(values)
    tail = (1 - CONFIDENCE) / 2
    return Interval(fmean(values), _quantile(ordered, tail), _quantile(ordered, 1 - tail))


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


class Availability(msgspec.Struct, frozen=True):
    """What all replicates came to."""

    profile: str
    source: str
    years: float
    """Simulated in all."""
    seconds: float
    """On the wall."""
    processor_s: float
    """Of processors, all together: what the wall's would come to where nothing else runs."""
    workers: int
    requests: int
    available: dict[str, dict[str, Interval]]
    """Stack → co-occurrence → share of time with an answer or an honest refusal."""
    answered: dict[str, dict[str, Interval]]
    lost: dict[str, float]
    """At all co-occurrences together."""
    breaches: list[str]


def sweep(
    profile: str, together: Sequence[float], seeds: Sequence[int], weeks: int, data: Path | None, workers: int,
    told: Callable[[int, int], None],
) -> Availability:  # fmt: skip
    """Simulate every replicate at every co-occurrence, on so many processors."""
    began_s, where = perf_counter(), str(data.resolve()) if data is not None else ""
    tasks = [Task(profile, share, seed, weeks, where) for seed in seeds for share in together]
    done: list[Replicate] = []
    for replicate in spread(run, tasks, workers):
        done.append(replicate)
        told(len(done), len(tasks))
    source = stored().source if data else f"weeks drawn from what was fitted to {stored().source}"
    return gathered(profile, source, done, perf_counter() - began_s, workers)


def gathered(profile: str, source: str, done: Sequence[Replicate], seconds: float, workers: int) -> Availability:
    """Put the replicates together."""
    lost: dict[str, float] = {}
    for replicate in done:
        for cause, share in replicate.lost.items():
            lost[cause] = lost.get(cause, 0.0) + share / len(done)

    def by_stack(value: Callable[[Shares], float]) -> dict[str, dict[str, Interval]]:
        found: dict[str, dict[str, list[float]]] = {}
        for replicate in done:
            for stack, got in replicate.shares.items():
                found.setdefault(stack, {}).setdefault(f"{replicate.together:g}", []).append(value(got))
        return {stack: {share: interval(values) for share, values in each.items()} for stack, each in found.items()}

    return Availability(
        profile=profile, source=source, years=sum(one.days for one in done) / DAYS_A_YEAR, seconds=seconds,
        processor_s=sum(one.processor_s for one in done), workers=workers, requests=sum(one.requests for one in done),
        available=by_stack(lambda one: one.available), answered=by_stack(lambda one: one.answered), lost=_ordered(lost),
        breaches=[breach for one in done for breach in one.breaches],
    )  # fmt: skip
