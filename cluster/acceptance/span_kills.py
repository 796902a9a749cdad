"""The span path is killed at every step at which it changes a file, loses power there, finds its disk full, read-only, slow.

A *step* is a system call that changes files, whoever makes it: our code, Arrow's or Delta's. The kernel enumerates them
(seccomp's notifications to user space), nobody lists them. Steps are of one *shape* if they differ in ids, digests and numbers
only. A real process is ended by SIGKILL before the call is made (*killed*), and once more when half of it is, where it is a write
(*torn*): two steps of each shape, the first and one in the middle. Then every kind of reader is asked, of what lies there;
SpanActor starts again, nobody does anything else, and everything is counted (`cluster/acceptance/span_looks.py`).

At the first step of each shape: *power lost*, what POSIX leaves of content and names that were not synced, in four states, each
that differs looked at once; *full* and *read-only*, the call fails with `ENOSPC` or `EROFS`; *bad sync*, with `EIO`. At the first
step of one shape in three to six: *for a while*, 25 calls fail; *killed again*, whoever mends it is killed, too; *really full*,
the home lies on a small disk in memory and somebody else takes the rest of it for a while. At every other sync, and where folders
are made: *killed, then power lost*, all is lost that neither who was killed nor who mended it had synced. Wherever nobody is
killed the story has to come to its end by itself. *Side by side*: table and log are slow, then full, then the write-ahead log
hangs, while requests go on.

It takes as many processors as there are, and ends after half an hour: what was found is kept, and the next run goes on from
there. Its files lie in memory, where there is room: a kill leaves what the kernel holds, and what a disk would hold after a loss
of power is computed.
"""

import errno
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cluster.acceptance.memory import in_memory
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
GROUPS = 2
MOST = 2
"""Steps of one shape that are killed in one story: the first, and one in the middle."""
QUICK_GROUPS, QUICK_EVERY = 2, 4
DISK_BYTES = 48 << 20
MOST_S = 1800.0
"""How long one run may take, exceeded by at most one way to strike one story."""
APPENDS = 400
HOLD_S, HELD = 0.25, 40
STALL_S = 1.0
Save = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Way:
    """A way to strike, and the steps that it is for."""

    strike: Strike
    of: tuple[str, ...] = ()
    """Kinds of effects; none: every kind."""
    most: int = 1
    """How many steps of one shape, spread over all of them."""
    every: int = 1
    """Only one shape in so many."""

    def steps(self, keys: Sequence[Key]) -> list[Key]:
        """Return the steps that it is for."""
        shapes = dict.fromkeys(shape for shape, _ in keys if not self.of or shape.split()[0] in self.of)
        found: list[Key] = []
        for shape in list(shapes)[:: self.every]:
            same = [key for key in keys if key[0] == shape]
            found += same[:: -(-len(same) // self.most)]
        return found


FIRST = ("killed", "torn")
SPACE = ("create", "write", "allocate", "mkdir", "link")
WAYS = {
    "killed": Way(partial(killed, tear=False), most=MOST),
    "torn": Way(partial(killed, tear=True), ("write",), MOST),
    "killed again": Way(killed_again, every=4),
    "killed, then power lost": Way(killed_then_powerless, ("mkdir", "sync"), every=2),
    "full": Way(partial(refused, error=errno.ENOSPC), SPACE),
    "read-only": Way(partial(refused, error=errno.EROFS)),
    "bad sync": Way(partial(refused, error=errno.EIO), ("sync",)),
    "full for a while": Way(partial(refused, error=errno.ENOSPC, lasting=AWAY_FOR), SPACE, every=3),
    "read-only for a while": Way(partial(refused, error=errno.EROFS, lasting=AWAY_FOR), every=6),
}


def stages(save: Save, done: set[str]) -> None:
    """Strike every story in every way: kills and losses of power first."""
    give_up = time.monotonic() + MOST_S
    with in_memory(WORK / NAME) as place:
        for whats in ((STEPS, *FIRST, LOST), (*(what for what in WAYS if what not in FIRST), FULL)):
            for lived in stories(GROUPS):
                if left := [what for what in whats if f"{lived.name}: {what}" not in done]:
                    _struck(lived, left, save, place, give_up)
        if BESIDE not in done:
            save(BESIDE, side_by_side(place, APPENDS))


def _struck(lived: Lived, whats: Sequence[str], save: Save, place: Path, give_up: float) -> None:
    stage = Stage(lived, place)
    runs: dict[str, Callable[[], dict[str, Any]]] = {STEPS: partial(_told, stage)}
    runs |= {what: partial(_spread, way, stage, stage.steps) for what, way in WAYS.items()}
    runs |= {LOST: partial(_powerless, stage, first_of_each(stage)), FULL: partial(_really_full, lived)}
    for what in whats:
        if (began := time.monotonic()) > give_up:
            raise SystemExit(
                f"{MOST_S / 60:.0f} minutes are over; what was found is kept: the next run goes on from there"
            )
        save(f"{lived.name}: {what}", runs[what]() | {"took_s": round(time.monotonic() - began, 1)})


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
    """Kill one kind of step in ``QUICK_EVERY``, of every kind of effect; try every other way at a step of some story."""
    known, stages_of = set(done), stories(QUICK_GROUPS)
    with in_memory(WORK / f"{NAME}_quick") as place:
        for number, lived in enumerate(stages_of):
            stage = Stage(lived, place)
            every = sorted(first_of_each(stage))
            first = [key for key in every if key[0] not in known] or every
            known |= {shape for shape, _ in first}
            save(f"{lived.name}: {STEPS}", _told(stage))
            for turn, (what, way) in enumerate(WAYS.items()):
                if what == "killed":
                    save(f"{lived.name}: {what}", _spread(way, stage, first[::QUICK_EVERY]))
                elif turn % len(stages_of) == number and (keys := way.steps(first)):
                    save(f"{lived.name}: {what}", _spread(way, stage, [keys[len(keys) // 2]]))
            save(f"{lived.name}: {LOST}", _powerless(stage, [first[len(first) // 2]]))


def _really_full(lived: Lived) -> dict[str, Any]:
    disk = WORK / f"{NAME}_disk"
    with mounted(disk, DISK_BYTES):
        stage = Stage(lived, disk / "stage")
        return filled(stage, WAYS["full for a while"].steps(stage.steps), disk, AWAY_FOR).plain()


def side_by_side(work: Path, appends: int, held: int = HELD) -> dict[str, Any]:
    """Hold syncs of table and log, then have them full, then hold a sync of the write-ahead log, while requests go on."""
    stage, behind = Stage(serving_beside(appends), work), ("spans", "log")
    _, calm = beside(stage, lambda _: GO_ON, "calm")
    slow, while_slow = beside(stage, Below(behind, _is_sync, Do(hold_s=HOLD_S), held), "slow table")
    full, while_full = beside(stage, Below(behind, _takes_space, Do(error=errno.ENOSPC), held), "full table")
    hung, while_hung = beside(stage, Below(["wal/<ulid>/N.wal"], _is_sync, Do(hold_s=STALL_S), 1), "log that hangs")
    return {
        "appends": appends,
        "slowest_append_on_a_calm_disk_s": max(calm),
        "syncs_of_table_and_log_held": f"{held} by {HOLD_S} s each",
        "slowest_append_meanwhile_s": max(while_slow),
        "appends_refused_meanwhile": slow.refused,
        "calls_of_table_and_log_refused_space": held,
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
