"""Kills a process at steps of a failover, and of a way back; prints a line for what was found after each kill.

Run as a program of its own (``python -m``): children are forked before any library began a thread here.
"""

import os
import shutil
import signal
import sys
from pathlib import Path

from actors.base.errors import StorageUnavailable
from cluster.acceptance.memory import in_memory
from tests.shells.actors.spans.adapters.backed import Backed, until
from tests.shells.actors.spans.adapters.killer import EVERY, Killer, forked

MAX_STEPS = 400


def home_of(folder: Path) -> Backed:
    """Open the home, its writer's log as it was left."""
    home = Backed(folder)
    home.write(2)
    home.now_s = 100.0
    return home


def fails_over(folder: Path, at: int) -> None:
    """Fail over, and be killed on the way."""
    home, killer = home_of(folder), Killer(at, armed=False)
    actor = home.opened(killer.disk)
    home.tick(actor)
    home.breaks()
    home.write(3)
    killer.armed = True
    home.tick(actor, 4)


def in_use(folder: Path) -> None:
    """Leave a home whose backup is in use and holds batches of several commits, and whose first storage is back."""
    home = home_of(folder)
    actor = home.opened()
    home.tick(actor)
    home.fails_over(actor, 3)
    home.write(2)
    home.tick(actor)
    home.mends()


def comes_back(folder: Path, at: int) -> None:
    """Bring everything back, take more rows in, let the copies go; and be killed on the way."""
    home, killer = written(folder, 7), Killer(at, armed=False)
    actor = home.opened(killer.disk)
    killer.armed = True
    home.tick(actor, 3)
    home.now_s += 1000
    home.tick(actor, 2)


def written(folder: Path, rows: int) -> Backed:
    """Open a home whose writer wrote so many rows: two, three, two."""
    home = Backed(folder)
    for count in (2, 3, 2):
        if home.next_seq <= rows:
            home.write(count)
    home.now_s = 200.0
    return home


def goes_on(folder: Path, rows: int) -> None:
    """Find one truth, begin again, and have every row once in the end; exit with what is wrong."""
    home = written(folder, rows)
    readable, problem = True, ""
    if not home.first.is_dir():  # the first storage is still away: whoever may go on does
        try:
            actor = home.opened()
            home.tick(actor, 3)
            actor.close()
        except StorageUnavailable:
            readable = False
        word = home.word()
        if word is not None and word.in_use and not (readable and {3, 4, 5} <= set(backup_seen(home))):
            problem = "the backup is in use, and its rows are not had"
        home.mends()
    if home.found()[1] or home.seen() != sorted(set(home.seen())):
        problem = problem or f"a reader finds {home.found()} and {home.seen()}"
    actor = home.opened()
    until(lambda: home.is_whole() and home.rows() == home.seen(), lambda: home.tick(actor))
    home.write(1)
    home.tick(actor, 2)
    if not home.is_whole() or len(list(home.backup.iterdir())) > 2:
        problem = problem or f"in the end there is {home.found()}, {home.seen()}, {list(home.backup.iterdir())}"
    if problem:
        print(problem, file=sys.stderr)
        os._exit(1)


def backup_seen(home: Backed) -> list[int]:
    """Return the writer's rows that are had although the first storage is away."""
    files, _ = home.stores().reachable_files()
    rows = [row for file in files for row in home.stores().read_file(file.path, ["writer_seq"]).to_pylist()]
    return [row["writer_seq"] for row in rows]


def main(kind: str, folder: Path) -> None:
    """Kill at one step in ``EVERY``; print one line a kill, and the last one of the run that was not killed."""
    made, work = folder / "made", folder / "work"
    made.mkdir()
    if kind == "back":
        work.mkdir()
        forked(lambda: in_use(work))
        shutil.copytree(work, made, dirs_exist_ok=True)
    scene, rows = (fails_over, 5) if kind == "over" else (comes_back, 7)
    for at in range(0, MAX_STEPS, EVERY):
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(made, work)
        status = forked(lambda: scene(work, at))  # noqa: B023
        after = forked(lambda: goes_on(work, rows))
        print(
            f"{at} {'killed' if status == signal.SIGKILL else 'ended' if status == 0 else 'failed'} {after}", flush=True
        )
        if status != signal.SIGKILL:
            return


if __name__ == "__main__":
    with in_memory(Path(sys.argv[2])) as memory:
        main(sys.argv[1], memory)
