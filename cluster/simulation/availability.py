"""How much of the time the stacks answer, over histories drawn again week by week.

Rules:
- A replicate is one history drawn anew, with its own ills of our side; all stacks live through the same one, and the same
  replicates serve every co-occurrence.
- What requests came to is counted by stratum over all replicates together, fair weather by requests of its own (``strata``,
  ``fair``): a replicate is how long each of its weeks spends where. So its one unlucky request decides nothing.
- A figure has two errors, told apart: what the history leaves open, and what so many requests do (``strata``).
- What is lost is laid to what was under way: in equal parts where it was several faults.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from time import perf_counter, process_time

import msgspec

from cluster.simulation.draws import Draws
from cluster.simulation.estimator import SEVERE, Stratum, Timeline, sampled, stretches, times, total
from cluster.simulation.fair import REQUESTS, UNLUCKY, Fair, FairTask, fair
from cluster.simulation.fit import Fitted, drawn_history, history_of, stored
from cluster.simulation.ills import ills
from cluster.simulation.outages import WEEK_S, History, provider_faults
from cluster.simulation.parallel import spread
from cluster.simulation.stacks import LOCAL, baselines, free, site_of
from cluster.simulation.strata import (
    FAILED,
    Counts,
    Interval,
    counted,
    histories_drawn,
    interval,
    left_out,
    merged,
    nearest,
)
from cluster.simulation.weather import GONE
from cluster.simulation.world import NO_REPLICA, Outcome, World

FIRST, SECOND = "gpt-4.1", "claude-sonnet-4.5"
DAYS_A_YEAR = 365.25
RUNS = 8
"""So many stretches of a kind are runs, over all replicates together, on average."""
ENDING = frozenset(("killed", *GONE))
"""What ends replicas with all that they are busy with."""

Lost = dict[Stratum, dict[str, float]]
"""Stratum → what was under way → requests that failed for it."""


class Task(msgspec.Struct, frozen=True):
    """One replicate at one co-occurrence."""

    profile: str
    together: float
    seed: int
    weeks: int
    data: str
    """Folder of the histories; empty draws from what was fitted."""
    run_share: float = 1.0
    """Of the first stretches of each kind."""


class Replicate(msgspec.Struct, frozen=True):
    """What one replicate came to."""

    together: float
    seed: int
    weeks: list[Timeline]
    """How long each spends in each stratum."""
    counts: dict[str, Counts]
    """By stack."""
    lost: Lost
    """Of the profile's stack."""
    incidents: int
    requests: int
    breaches: list[str]
    processor_s: float
    """What it took of a processor; of no account for anything else."""


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
    found = stretches(faults, until_s)
    sent = sampled(found, fitted, draws.sub("load", task.together), task.run_share, fitted.mean_gap_s)
    world.play(faults, sent.arrivals, until_s)
    counts = {name: counted(got, sent.strata) for name, got in {task.profile: world.outcomes, **world.others}.items()}
    return Replicate(
        task.together, task.seed, times(found, until_s, WEEK_S), counts, lost_to(world.outcomes, sent.strata), len(outages),
        len(sent.arrivals), [f"seed {task.seed}: {breach}" for breach in world.judge.breaches[:10]],
        process_time() - began_s,
    )  # fmt: skip


def lost_to(outcomes: Iterable[Outcome], strata: Sequence[Stratum]) -> Lost:
    """Return what was under way when requests failed, by stratum."""
    lost: Lost = {}
    for outcome in outcomes:
        if outcome.result in FAILED:
            causes, each = _causes(outcome), lost.setdefault(strata[outcome.arrival.number], {})
            for cause in causes:
                each[cause] = each.get(cause, 0.0) + 1 / len(causes)
    return lost


def _ordered(lost: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(lost.items(), key=lambda item: (-item[1], item[0])))


def _causes(outcome: Outcome) -> list[str]:
    if outcome.result == "halted":
        return ["all: halt"]
    names = {_named(name) for name in outcome.weather}
    ends = sorted(name for name in names if name.split(": ")[1] in ENDING)
    if outcome.result == "lost" or outcome.code == NO_REPLICA:
        return ends or ["replica: killed"]
    severe = sorted(name for name in names if name.split(": ")[1] in SEVERE)
    return severe or sorted(name for name in names if name.split(": ")[1] != "slow") or [UNLUCKY]


def _named(name: str) -> str:
    """Return what is under way as it is told: which replica was killed makes no difference."""
    whom, _, kind = name.partition(": ")
    return f"replica: {kind}" if kind == "killed" and whom.isdigit() else name


def lost_by_cause(weeks: Sequence[Timeline], counts: Counts, lost: Lost) -> dict[str, float]:
    """Return what was under way → share of all time that was lost for it."""
    found: dict[str, float] = {}
    spent = total(weeks)
    whole = sum(spent.values())
    for stratum, seconds in spent.items():
        place = nearest(counts, stratum)
        for cause, requests in lost.get(place, {}).items():
            found[cause] = found.get(cause, 0.0) + seconds / whole * requests / counts[place].sent
    return _ordered(found)


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
    fair_requests: int
    """Part of these."""
    available: dict[str, dict[str, Interval]]
    """Stack → co-occurrence → share of time with an answer or an honest refusal."""
    answered: dict[str, dict[str, Interval]]
    right: dict[str, dict[str, Interval]]
    """Of our stack alone: with a right answer. The baselines take any text."""
    lost: dict[str, float]
    """At all co-occurrences together."""
    breaches: list[str]


def sweep(
    profile: str, together: Sequence[float], seeds: Sequence[int], weeks: int, data: Path | None, workers: int,
    told: Callable[[int, int], None], fair_requests: int = REQUESTS,
) -> Availability:  # fmt: skip
    """Simulate fair weather, then every replicate at every co-occurrence, on so many processors."""
    began_s, where = perf_counter(), str(data.resolve()) if data is not None else ""
    share = min(1.0, RUNS / (len(seeds) * len(together)))
    fair_tasks = [FairTask(profile, part, fair_requests // workers, (FIRST, SECOND)) for part in range(workers)]
    tasks = [Task(profile, at, seed, weeks, where, share) for seed in seeds for at in together]
    of, calm, done = len(fair_tasks) + len(tasks), list[Fair](), list[Replicate]()
    for one in spread(fair, fair_tasks, workers):
        calm.append(one)
        told(len(calm), of)
    for replicate in spread(run, tasks, workers):
        done.append(replicate)
        told(len(calm) + len(done), of)
    source = stored().source if data else f"weeks drawn from what was fitted to {stored().source}"
    return gathered(profile, source, calm, done, perf_counter() - began_s, workers)


def gathered(
    profile: str, source: str, calm: Sequence[Fair], done: Sequence[Replicate], seconds: float, workers: int
) -> Availability:
    """Put the replicates together."""
    everything: list[Fair | Replicate] = [*calm, *done]
    counts = {stack: merged(one.counts[stack] for one in everything) for stack in done[0].counts}
    lost: Lost = {}
    for each in everything:
        for stratum, causes in each.lost.items():
            into = lost.setdefault(stratum, {})
            for cause, number in causes.items():
                into[cause] = into.get(cause, 0.0) + number
    weeks = {f"{at:g}": _weeks(done, at) for at in dict.fromkeys(one.together for one in done)}
    length = len(done[0].weeks)
    picks = histories_drawn(min(map(len, weeks.values())), length, Draws("histories"))
    without = {stack: left_out(_by_seed(done, stack), merged(one.counts[stack] for one in calm)) for stack in counts}

    def by_stack(what: str, stacks: Iterable[str]) -> dict[str, dict[str, Interval]]:
        return {
            stack: {at: interval(lived, counts[stack], what, picks, without[stack]) for at, lived in weeks.items()}
            for stack in stacks
        }

    failed = by_stack("failed", counts)
    return Availability(
        profile=profile, source=source, years=sum(len(one.weeks) for one in done) * 7 / DAYS_A_YEAR, seconds=seconds,
        processor_s=sum(one.processor_s for one in everything), workers=workers,
        requests=sum(one.requests for one in everything), fair_requests=sum(one.requests for one in calm),
        available={stack: {at: _rest(one) for at, one in each.items()} for stack, each in failed.items()},
        answered=by_stack("answered", counts), right=by_stack("right", [profile]),
        lost=lost_by_cause([week for lived in weeks.values() for week in lived], counts[profile], lost),
        breaches=[breach for one in everything for breach in one.breaches],
    )  # fmt: skip


def _weeks(done: Sequence[Replicate], together: float) -> list[Timeline]:
    return [week for one in done if one.together == together for week in one.weeks]


def _by_seed(done: Sequence[Replicate], stack: str) -> list[Counts]:
    """Return what came of the requests of each seed: those of one share their weather, whatever the co-occurrence."""
    seeds = dict.fromkeys(one.seed for one in done)
    return [merged(one.counts[stack] for one in done if one.seed == seed) for seed in seeds]


def _rest(one: Interval) -> Interval:
    """Return the share of time that is not in another share."""
    return Interval(1 - one.value, 1 - one.high, 1 - one.low, one.error)
