"""The span path is killed at every step at which it changes a file, loses power there, finds its disk full, read-only, slow.

A *step* is a system call that changes files, whoever makes it: our code, Arrow's or Delta's. The kernel enumerates them
(seccomp's notifications to user space), nobody lists them. At each of them a real process is ended by SIGKILL before the call is
made (*killed*), and once more when half of it is, where it is a write (*torn*). Then every kind of reader is asked, of what lies
there; SpanActor starts again, nobody does anything else, and everything is counted (`cluster/acceptance/span_looks.py`).

*Killed again*: whoever mends it is killed, too, at a step that differs from one to the other. *Power lost*: what POSIX leaves of
content and names that were not synced, in four states at each step; each that differs is looked at once. *Killed, then power
lost*: when it was mended, all is lost that neither of the two had synced. *Full*, *read-only*: calls fail with `ENOSPC` or
`EROFS`, each step once, and for 25 more calls from the first step of each kind on; *bad sync*: with `EIO`, each sync once.
*Really full*: the home lies on a small disk in memory, and from the first step of each kind on somebody else takes the rest of
it for a while. In all of these the story has to come to its end by itself. *Side by side*: table and
log are slow, then full, then the write-ahead log hangs, while requests go on.
"""

import errno
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cluster.acceptance.small_disk import mounted
from cluster.acceptance.span_stories import Lived, serving_beside, stories
from cluster.acceptance.span_strikes import (
    AWAY_FOR,
    Below,
    Key,
    Stage,
    Strike,
    beside,
    filled,
    killed,
    killed_again,
    killed_then_powerless,
    powerless,
    refused,
    spread,
)
from cluster.acceptance.strikes import GO_ON, Do, Step
from cluster.acceptance.system import WORK

NAME = "span_kills"
STEPS, LOST, FULL, BESIDE = "steps", "power lost", "really full", "side by side"
GROUPS = 4
QUICK_GROUPS, QUICK_STEPS = 2, 2
DISK_BYTES = 48 << 20
APPENDS = 400
HOLD_S, HELD = 0.25, 40
STALL_S = 1.0
Save = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Way:
    """A way to strike, and the kind of effect that it is for; empty: every kind."""

    strike: Strike
    kind: str = ""
    lasting: bool = False
    """Tried at the first step of each kind: from there on it strikes many others."""

    def steps(self, keys: Sequence[Key]) -> list[Key]:
        """Return the steps that it is for."""
        return [key for key in keys if key[0].startswith(self.kind) and (key[1] == 0 or not self.lasting)]


WAYS = {
    "killed": Way(partial(killed, tear=False)),
    "torn": Way(partial(killed, tear=True), "write "),
    "killed again": Way(killed_again),
    "killed, then power lost": Way(killed_then_powerless),
    "full": Way(partial(refused, error=errno.ENOSPC)),
    "read-only": Way(partial(refused, error=errno.EROFS)),
    "bad sync": Way(partial(refused, error=errno.EIO), "sync "),
    "full for a while": Way(partial(refused, error=errno.ENOSPC, lasting=AWAY_FOR), lasting=True),
    "read-only for a while": Way(partial(refused, error=errno.EROFS, lasting=AWAY_FOR), lasting=True),
}


def stages(save: Save, done: set[str]) -> None:
    """Strike every step of every story in every way."""
    for lived in stories(GROUPS):
        if any(f"{lived.name}: {what}" not in done for what in (STEPS, *WAYS, LOST, FULL)):
            _struck(lived, save, done)
    if BESIDE not in done:
        save(BESIDE, side_by_side(WORK / NAME, APPENDS))


def _struck(lived: Lived, save: Save, done: set[str]) -> None:
    stage = Stage(lived, WORK / NAME)
    runs: dict[str, Callable[[], dict[str, Any]]] = {STEPS: partial(_told, stage)}
    runs |= {what: partial(_spread, way, stage, stage.steps) for what, way in WAYS.items()}
    runs |= {LOST: partial(_powerless, stage, None), FULL: partial(_really_full, lived)}
    for what, run in runs.items():
        if (name := f"{lived.name}: {what}") not in done:
            began = time.monotonic()
            save(name, run() | {"took_s": round(time.monotonic() - began, 1)})


def _spread(way: Way, stage: Stage, keys: Sequence[Key]) -> dict[str, Any]:
    return spread(way.strike, stage, way.steps(keys)).plain()


def _powerless(stage: Stage, keys: Sequence[Key] | None) -> dict[str, Any]:
    return {state: found.plain() for state, found in powerless(stage, keys).items()}


def _told(stage: Stage) -> dict[str, Any]:
    return {"steps": len(stage.steps), "acknowledged_rows": stage.rows, "kinds": dict(stage.kinds)}


def first_of_each(stage: Stage) -> list[Key]:
    """Return the first step of each kind."""
    return [key for key in stage.steps if key[1] == 0]


def quick_stages(save: Save, done: set[str]) -> None:
    """Kill each kind of step once, tear each kind of write once, and try every other way at a few steps."""
    known: set[str] = set(done)
    for lived in stories(QUICK_GROUPS):
        stage = Stage(lived, WORK / f"{NAME}_quick")
        first = [key for key in first_of_each(stage) if key[0] not in known]
        known |= {shape for shape, _ in first}
        save(f"{lived.name}: {STEPS}", _told(stage))
        for what, way in WAYS.items():
            keys = way.steps(first)
            few = keys if what in {"killed", "torn"} else keys[:: 1 + len(keys) // QUICK_STEPS]
            save(f"{lived.name}: {what}", _spread(way, stage, few))
        save(f"{lived.name}: {LOST}", _powerless(stage, first[:: 1 + len(first) // QUICK_STEPS]))


def _really_full(lived: Lived) -> dict[str, Any]:
    disk = WORK / f"{NAME}_disk"
    with mounted(disk, DISK_BYTES):
        stage = Stage(lived, disk / "stage")
        return filled(stage, first_of_each(stage), disk, AWAY_FOR).plain()


def side_by_side(work: Path, appends: int) -> dict[str, Any]:
    """Hold syncs of table and log, then have them full, then hold a sync of the write-ahead log, while requests go on."""
    stage, behind = Stage(serving_beside(appends), work), ("spans", "log")
    _, calm = beside(stage, lambda _: GO_ON, "calm")
    slow, while_slow = beside(stage, Below(behind, _is_sync, Do(hold_s=HOLD_S), HELD), "slow table")
    full, while_full = beside(stage, Below(behind, _takes_space, Do(error=errno.ENOSPC), HELD), "full table")
    hung, while_hung = beside(stage, Below(["wal/<ulid>/N.wal"], _is_sync, Do(hold_s=STALL_S), 1), "log that hangs")
    return {
        "appends": appends,
        "slowest_append_on_a_calm_disk_s": max(calm),
        "syncs_of_table_and_log_held": f"{HELD} by {HOLD_S} s each",
        "slowest_append_meanwhile_s": max(while_slow),
        "appends_refused_meanwhile": slow.refused,
        "calls_of_table_and_log_refused_space": HELD,
        "slowest_append_while_they_were_full_s": max(while_full),
        "appends_refused_while_they_were_full": full.refused,
        "incidents_while_they_were_full": dict(full.incidents),
        "sync_of_the_write_ahead_log_held_s": STALL_S,
        "slowest_append_while_it_hung_s": max(while_hung),
        "appends_refused_while_it_hung": hung.refused,
        "faults": [*slow.told, *full.told, *hung.told],
    }


def _is_sync(step: Step) -> bool:
    return step.effect.kind == "sync"


def _takes_space(step: Step) -> bool:
    return step.effect.takes_space
