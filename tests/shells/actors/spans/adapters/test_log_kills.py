"""The log's writer is killed at its write steps: readers find the old log or the new one, and a restart mends it."""

import shutil
import signal
from pathlib import Path

import pytest

from actors.spans.adapters.log import LogFiles
from actors.spans.log.checkpoint import sign_checkpoint
from actors.spans.log.tiles import tiles_of
from actors.spans.merkle import leaf_hash, tree_root
from cluster.acceptance.memory import in_memory
from tests.shells.actors.spans.adapters.killer import EVERY, Killer, forked
from tests.unit.actors.spans.telemetry import Authority

KEY = Authority().key()
LEAVES = [b"leaf %d" % number for number in range(700)]
MAX_STEPS = 200


def grow(files: LogFiles, start: int, end: int) -> None:
    """Append and vouch for it."""
    files.put(sign_checkpoint(KEY, "log", end, files.extend(start, LEAVES[start:end]), 5000))


def grow_killed(path: Path, start: int, end: int, at: int) -> bool:
    """Do so in a process that is killed at a step; tell whether it was."""
    status = forked(lambda: grow(LogFiles(path, Killer(at).disk), start, end))
    assert status in {0, signal.SIGKILL}
    return status != 0


def size_of(files: LogFiles) -> int:
    """Read the log as anyone does; return its size once all of it was found whole."""
    signed = files.checkpoint()
    assert signed is not None
    head = signed.head
    assert files.root(head.size) == head.root == tree_root([leaf_hash(leaf) for leaf in LEAVES[: head.size]])
    assert list(files.leaves(0, head.size)) == LEAVES[: head.size]
    for tile in tiles_of(head.size):
        files.tile(tile)
    return head.size


@pytest.mark.parametrize(("old", "new"), [(0, 1), (3, 7), (254, 256), (255, 257), (250, 600)])
def test_a_kill_at_any_step_leaves_the_old_log_or_the_new_one(tmp_path: Path, old: int, new: int) -> None:
    """Over the end of a tile, too, when partial ones are taken away; then the log grows on as if nothing had been."""
    with in_memory(tmp_path) as place:
        _killed_everywhere(place, old, new)


def _killed_everywhere(place: Path, old: int, new: int) -> None:
    made = place / "made"
    made.mkdir()
    grow(LogFiles(made / "log"), 0, old)
    found = []
    for at in range(0, MAX_STEPS, EVERY):
        home = place / "killed"
        shutil.copytree(made, home)
        killed = grow_killed(home / "log", old, new, at)
        files = LogFiles(home / "log")
        found.append(size_of(files))
        grow(files, found[-1], new)
        grow(files, new, new + 1)
        assert size_of(files) == new + 1
        lying = {path.relative_to(home / "log" / "tile").as_posix() for path in (home / "log" / "tile").rglob("*")}
        assert {tile.path for tile in tiles_of(new + 1)} <= lying
        assert not any(path.startswith(("0/000.p", "entries/000.p")) for path in lying if new >= 256)
        shutil.rmtree(home)
        if not killed:
            break
    else:
        pytest.fail("the writer never came to an end")
    assert (found[0], found[-1], found == sorted(found)) == (old, new, True)
