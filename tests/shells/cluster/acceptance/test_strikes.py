"""The kernel tells every change of files, whoever makes it, and a child is struck exactly where it was said."""

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from cluster.acceptance.power_loss import Shadow, digest, lay_out
from cluster.acceptance.strikes import FAILED, GO_ON, Do, Step, Tell, apart, struck
from tests.shells.cluster.acceptance.forked import elsewhere

FIRST, SECOND = b"a" * 100, b"b" * 100


def story(root: Path, tell: Tell) -> None:
    """Write a file and sync it, write more without, rename it, and write another in a thread."""
    folder = root / "folder"
    folder.mkdir()
    with (folder / "one.new").open("wb", buffering=0) as file:
        file.write(FIRST)
        os.fsync(file.fileno())
        tell("synced", "one")
        file.write(SECOND)
    (folder / "one.new").rename(folder / "one")
    thread = threading.Thread(target=(root / "two").write_bytes, args=(b"two",))
    thread.start()
    thread.join()
    (root / "two").unlink()
    (root / "never").unlink(missing_ok=True)


SHAPES = [
    "mkdir folder", "create folder/one.new", "write folder/one.new", "sync folder/one.new", "write folder/one.new",
    "rename folder/one", "create two", "write two", "remove two",
]  # fmt: skip


def lived(root: Path, at: int = -1, do: Do = GO_ON) -> dict[str, Any]:
    """Live the story, struck at a step; return what came of it."""
    root.mkdir(exist_ok=True)
    left = [at]

    def plan(_: Step) -> Do:
        left[0] -= 1
        return do if left[0] == -1 else GO_ON

    ran = struck(story, root, plan)
    files = {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    return {
        "shapes": [shape for shape, _ in ran.steps], "files": files, "killed": ran.killed, "told": ran.told,
        "failed": ran.said(FAILED), "status": ran.status,
    }  # fmt: skip


def test_every_change_is_told_once_and_nothing_else(tmp_path: Path) -> None:
    """In order, those of threads as well; removing what is not there is no change."""
    found = elsewhere(lived, tmp_path / "root")
    assert found["shapes"] == SHAPES
    assert (found["killed"], found["failed"], found["status"]) == (False, [], 0)
    assert found["files"] == {"folder/one": FIRST + SECOND}


@pytest.mark.parametrize(
    ("at", "do", "files", "told"),
    [
        (1, Do(kill=True), {}, 0),
        (2, Do(kill=True), {"folder/one.new": b""}, 0),
        (2, Do(kill=True, tear=True), {"folder/one.new": FIRST[:50]}, 0),
        (4, Do(kill=True), {"folder/one.new": FIRST}, 1),
        (4, Do(kill=True, tear=True), {"folder/one.new": FIRST + SECOND[:50]}, 1),
        (8, Do(kill=True), {"folder/one": FIRST + SECOND, "two": b"two"}, 1),
    ],
)
def test_a_kill_comes_before_its_step_or_in_the_middle_of_it(
    tmp_path: Path, at: int, do: Do, files: dict[str, bytes], told: int
) -> None:
    """What was there before is there, what came after is not; what was told before is known."""
    found = elsewhere(lived, tmp_path / "root", at, do)
    assert (found["killed"], found["files"], len(found["told"])) == (True, files, told)
    assert found["shapes"] == SHAPES[: at + 1]


@pytest.mark.parametrize(("at", "error"), [(0, errno.ENOSPC), (3, errno.EIO), (5, errno.EROFS)])
def test_an_error_is_what_the_call_says(tmp_path: Path, at: int, error: int) -> None:
    """The call is not made, and whoever made it is told why."""
    found = elsewhere(lived, tmp_path / "root", at, Do(error=error))
    assert (found["killed"], found["status"], len(found["shapes"])) == (False, 1, at + 1)
    assert os.strerror(error) in found["failed"][0]
    assert "folder/one" not in found["files"]


def test_what_is_held_is_done_later(tmp_path: Path) -> None:
    """And nothing is missing in the end."""
    found = elsewhere(lived, tmp_path / "root", 3, Do(hold_s=0.05))
    assert (found["shapes"], found["status"]) == (SHAPES, 0)


def lost(root: Path) -> list[dict[str, dict[str, bytes | None]]]:
    """Live the story; return what a loss of power before each step may leave, and at last once more from what was laid out."""
    root.mkdir()
    shadow, found = Shadow(root), []

    def plan(step: Step) -> Do:
        trees = {state: dict(tree) for state, tree in shadow.trees().items()}
        for state, tree in trees.items():
            lay_out(tree, root.with_name(f"{len(found)}-{state}"))
            assert digest(Shadow(root.with_name(f"{len(found)}-{state}")).trees()["certain"]) == digest(tree)
        found.append(trees)
        shadow.note(step.effect)
        return GO_ON

    assert struck(story, root, plan).said(FAILED) == []
    return found


def test_a_loss_of_power_leaves_what_was_synced(tmp_path: Path) -> None:
    """Content as of the last sync, names as of their folder's; beyond that what each state says."""
    found = elsewhere(lost, tmp_path / "root")
    before_rename = found[5]
    assert before_rename["certain"] == {}, "nobody synced a folder"
    assert before_rename["content"] == {}
    assert before_rename["names"] == {"folder": None, "folder/one.new": FIRST}
    assert before_rename["halves"] == {"folder": None, "folder/one.new": FIRST + SECOND[:50]}
    assert found[6]["names"] == {"folder": None, "folder/one": FIRST}
    assert found[3]["names"] == {"folder": None, "folder/one.new": b""}, "not synced yet"


def test_a_child_that_fails_is_told(tmp_path: Path) -> None:
    """What is done apart is returned by value, or the reason why not."""
    assert elsewhere(apart, _three) == 3
    with pytest.raises(RuntimeError, match="no such thing"):
        elsewhere(apart, _fails)


def _three() -> int:
    return 3


def _fails() -> None:
    raise LookupError("no such thing")
