"""Searching storms for broken invariants, as they are and with a bug planted."""

from collections.abc import Callable, Sequence
from time import perf_counter

import msgspec

from cluster.simulation.parallel import spread
from cluster.simulation.plants import planted
from cluster.simulation.storm import Found, play, schedule_of, shrunk

CHUNK = 20
"""Seeds that are given out at a time: the search ends with the chunk in which something is found."""


class Tried(msgspec.Struct, frozen=True):
    """What one seed's storm came to."""

    seed: int
    looked: int
    """Outcomes that were judged."""
    broke: bool


class Hunt(msgspec.Struct, frozen=True):
    """What a search came to."""

    plant: str
    """The bug that was there; empty for the code as it is."""
    seeds: int
    """Storms that were played."""
    looked: int
    seconds: float
    first_seed: int | None
    """The first that broke something."""
    found: str
    """Its shortest schedule, to be read; empty if nothing broke."""
    events: int
    """In that schedule."""
    of: int
    """In the one that was drawn."""


class _Work(msgspec.Struct, frozen=True):
    seed: int
    plant: str


def _try(work: _Work) -> Tried:
    if not work.plant:
        judge = play(work.seed, schedule_of(work.seed)).judge
    else:
        with planted(work.plant):
            judge = play(work.seed, schedule_of(work.seed)).judge
    return Tried(work.seed, judge.looked, bool(judge.breaches))


def _shrunk(seed: int, plant: str) -> Found:
    schedule = schedule_of(seed)
    if not plant:
        return shrunk(seed, schedule, play(seed, schedule).judge.breaches[0])
    with planted(plant):
        return shrunk(seed, schedule, play(seed, schedule).judge.breaches[0])


def hunt(
    seeds: Sequence[int], workers: int, told: Callable[[int, int], None] = lambda _done, _of: None, plant: str = ""
) -> Hunt:  # fmt: skip
    """Play storms until one breaks an invariant; shrink its schedule."""
    began_s, done, looked = perf_counter(), 0, 0
    for place in range(0, len(seeds), size := CHUNK if plant else len(seeds)):
        works = [_Work(seed, plant) for seed in seeds[place : place + size]]
        for tried in spread(_try, works, workers):
            done, looked = done + 1, looked + tried.looked
            told(done, len(seeds))
            if tried.broke:
                found = _shrunk(tried.seed, plant)
                took_s = perf_counter() - began_s
                return Hunt(plant, done, looked, took_s, tried.seed, str(found), len(found.schedule), found.events)
    return Hunt(plant, done, looked, perf_counter() - began_s, None, "", 0, 0)
