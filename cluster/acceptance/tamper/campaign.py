"""Mutants of real homes, held against the table of threats (docs/threats.md), and homes that nobody touched.

``mutants``: rows, files and keys are tampered with before sealing, sealed and witnessed, at places that a seed draws; what the
check, a restart of SpanActor, the deep check, witnesses' memory and clients' kept records say is compared with the cell. What a
mutant means is read without the checker: one that means the same is none. ``clean``: homes of shapes that the running system
makes, grown through SpanActor, merged, expired and witnessed; each alarm, incidents among them, would be a false one.

Each process builds its homes once; what becomes of so many mutants, or so many clean homes, is on disk before the next begin.
"""

import logging
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from cluster.acceptance.tamper.clean import Grown, grow
from cluster.acceptance.tamper.held import Bench, Held, Tally, drawn
from cluster.acceptance.tamper.site import FLAT, MERGED, TALL
from cluster.acceptance.tamper.threats import BY_NAME, MARKS, Stage, Verdict, claimed, places
from cluster.simulation.parallel import spread

SEED = 7
MUTANTS = 11_800
"""Drawn; those that mean the same are not counted."""
PIECE = 200
"""Mutants that are held between two results."""
CLEAN_BATCHES = 100_000
CLEAN_HOMES = 10
"""Homes that are grown between two results."""
WORKERS = 2
SHOWN = 20
MEMORY = Path("/dev/shm")  # noqa: S108 - copies of homes, a folder of their own each
Save = Callable[[str, dict[str, Any]], None]


def stages(save: Save, done: set[str]) -> None:
    """Run what is not done yet."""
    run(save, done, MUTANTS, CLEAN_BATCHES)


def quick_stages(save: Save, done: set[str]) -> None:
    """Run each cell a few times, and a few clean homes."""
    run(save, done, 4 * len(places()), 2_000)


def run(save: Save, done: set[str], mutants: int, batches: int) -> None:
    """Run so many mutants and so many clean batches, in pieces on every processor; those that are done are passed over."""
    with scratch() as folder:
        starts = [first for first in range(0, mutants, PIECE) if _piece_name(first) not in done]
        pieces = [(str(folder), SEED, first, min(first + PIECE, mutants)) for first in starts]
        for (_, _, first, _), (tally, seconds) in zip(pieces, spread(_piece, pieces, WORKERS), strict=True):
            save(_piece_name(first), told(tally, seconds))
    homes = sizes(SEED, batches)
    starts = [first for first in range(0, len(homes), CLEAN_HOMES) if f"clean {first}" not in done]
    grown = spread(_grown, [home for first in starts for home in homes[first : first + CLEAN_HOMES]], WORKERS)
    for first in starts:
        save(f"clean {first}", told_clean(list(islice(grown, len(homes[first : first + CLEAN_HOMES])))))


def _piece_name(first: int) -> str:
    return f"mutants {first}"


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder for a while: in memory where there is such a place."""
    folder = Path(tempfile.mkdtemp(prefix="tamper-", dir=MEMORY if MEMORY.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _piece(task: tuple[str, int, int, int]) -> tuple[Tally, float]:
    """Hold mutants of some numbers; return what came of them, and how long that took."""
    folder, seed, first, end = task
    bench, began, tally = _bench(folder), time.monotonic(), Tally()
    for number, place in drawn(end):
        if number >= first:
            tally.add(bench.hold(seed, number, place))
    return tally, time.monotonic() - began


@lru_cache(maxsize=1)
def _bench(folder: str) -> Bench:
    """Build this process's homes."""
    logging.disable()  # incidents by the thousand
    pa.set_cpu_count(1)  # small files, and as many processes as processors
    return Bench(Path(tempfile.mkdtemp(dir=folder)), (FLAT, MERGED, TALL))


def _grown(task: tuple[int, int]) -> tuple[Grown, float]:
    """Grow one home."""
    logging.disable()
    began = time.monotonic()
    with scratch() as folder:
        return grow(folder / "home", *task), time.monotonic() - began


def sizes(seed: int, batches: int) -> list[tuple[int, int]]:
    """Draw how large each clean home gets: together at least as many batches."""
    rng, found, left = random.Random(seed), list[tuple[int, int]](), batches  # noqa: S311 - draws shapes
    while left > 0:
        size = min(left, rng.choice([1, 30, 255, 256, 257, 700, 2500]))
        found.append((seed * 10_000 + len(found), size))
        left -= size
    return found


def told(tally: Tally, seconds: float) -> dict[str, Any]:
    """Return what came of mutants as plain values."""
    cells = {f"{name} / {stage.name}": dict(tally.cells.get((name, stage), {})) for name, stage in places()}
    return {
        "drawn": tally.total("mutants") + tally.total("neutral"), "neutral": tally.total("neutral"),
        "mutants": tally.total("mutants"), "agreed": tally.total("agreed"), "seconds": round(seconds, 1),
        "differing": [_shown(held) for held in tally.differing[:SHOWN]], "differed": len(tally.differing), "cells": cells,
    }  # fmt: skip


def _shown(held: Held) -> dict[str, Any]:
    got = "elsewhere" if held.got is None else held.got.value
    place = f"{held.place[0]} / {held.place[1].name}"
    return asdict(held) | {"place": place, "got": got, "claimed": claimed(held.place).value}


def told_clean(found: Sequence[tuple[Grown, float]]) -> dict[str, Any]:
    """Return what came of homes that nobody touched as plain values."""
    grown, seconds = [home for home, _ in found], sum(took for _, took in found)
    alarms = [alarm for home in grown for alarm in home.alarms]
    return {
        "homes": len(grown), "batches": sum(home.batches for home in grown), "rows": sum(home.rows for home in grown),
        "checks": sum(home.checks for home in grown), "incidents": sum(home.incidents for home in grown),
        **{name: sum(getattr(home, name) for home in grown) for name in ("merges", "expired", "signed")},
        "false_alarms": len(alarms), "alarms": alarms[:SHOWN], "seconds": round(seconds, 1),
    }  # fmt: skip


def page(name: str, about: str, results: dict[str, Any]) -> str:
    """Return the campaign's page, of the stages that there are."""
    parts = [f"# {name}", "", about.replace("``", "`").strip(), "", f"`make acceptance NAME={name}`"]
    if found := joined(results, "mutants"):
        parts += ["", "## mutants", "", *_mutants(found)]
    if found := joined(results, "clean"):
        parts += ["", "## clean", "", _clean(found)]
    return "\n".join(parts) + "\n"


def joined(results: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return the results of one kind as one: numbers are added, lists put together."""
    whole: dict[str, Any] = {}
    for name, found in results.items():
        if name.partition(" ")[0] == kind:
            whole = _added(whole, found)
    return whole


def _added(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return dict(one) | {
        key: value if key not in one else _added(one[key], value) if isinstance(value, dict) else one[key] + value
        for key, value in other.items()
    }


def _mutants(found: Mapping[str, Any]) -> list[str]:
    rate = found["drawn"] / max(found["seconds"], 0.1)
    head = (
        f"{found['mutants']} mutants, {found['agreed']} as their cell claims, {found['differed']} otherwise; "
        f"{found['neutral']} more mean what the home meant before. {found['seconds']:.0f} s of one process, "
        f"{rate:.1f} a second."
    )
    rows = ["| what is done | " + " | ".join(stage.value for stage in Stage) + " |", "|---|" + "---|" * len(Stage)]
    for threat in BY_NAME.values():
        cells = [
            _cell(threat.cells[stage].verdict, found["cells"].get(f"{threat.name} / {stage.name}")) for stage in Stage
        ]
        rows.append(f"| {threat.name} | {' | '.join(cells)} |")
    differing = [f"- {one['place']}, {one['number']}: {one['what']}: {one['got']}" for one in found["differing"]]
    return [
        head,
        "",
        "A cell: claim, mutants that agree of those there were, who spoke first.",
        "",
        *rows,
        "",
        *differing,
    ]


def _cell(verdict: Verdict, counted: Mapping[str, int] | None) -> str:
    if not counted:
        return MARKS[verdict]
    if verdict is Verdict.NO_EFFECT:
        return f"{MARKS[verdict]}, {counted.get('neutral', 0) - counted.get('differed', 0)} of {_all(counted)}"
    by = ", ".join(f"{name[3:]} {count}" for name, count in sorted(counted.items()) if name.startswith("by "))
    same = f", {counted['neutral']} mean the same" if counted.get("neutral") else ""
    return (
        f"{MARKS[verdict]}, {counted.get('agreed', 0)} of {counted.get('mutants', 0)}{f' ({by})' if by else ''}{same}"
    )


def _all(counted: Mapping[str, int]) -> int:
    return counted.get("neutral", 0) + counted.get("mutants", 0)


def _clean(found: Mapping[str, Any]) -> str:
    return (
        f"{found['batches']} batches of {found['rows']} rows in {found['homes']} homes, checked {found['checks']} times: "
        f"{found['false_alarms']} false alarms. {found['incidents']} incidents of what was lost or set aside on the way, each "
        f"of them expected. {found['merges']} merges, {found['expired']} batches expired, {found['signed']} checkpoints signed "
        "by both witnesses. "
        f"{found['seconds']:.0f} s of one process."
    )
