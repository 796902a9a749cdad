"""One at a time: taken, refused, waited for, and given back."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from actors.base.errors import HomeError
from actors.base.locks import alone, hold, in_turn, is_free, only_one, try_lock


def is_taken(path: Path) -> bool:
    """Tell whether somebody holds a file's lock."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return not is_free(fd)
    finally:
        os.close(fd)


def test_one_holds_it_and_the_next_is_told(tmp_path: Path) -> None:
    """Until it is closed; the file is made for its user alone and stays, and what asks about it takes nothing."""
    path = tmp_path / "lock"
    fd = only_one(path, "busy")
    assert (is_taken(path), is_taken(path), try_lock(path), path.stat().st_mode & 0o777) == (True, True, None, 0o600)
    with pytest.raises(HomeError, match="busy"):
        only_one(path, "busy")
    os.close(fd)
    assert not is_taken(path)
    again = try_lock(path)
    assert again is not None
    os.close(again)


def test_a_block_holds_it_and_gives_it_back(tmp_path: Path) -> None:
    """Whatever ends the block; who comes meanwhile is refused, or waits."""
    path, seen = tmp_path / "lock", list[bool]()
    for held in (alone(path, "busy"), in_turn(path)):
        with pytest.raises(HomeError, match="busy"), held:
            only_one(path, "busy")
        assert not is_taken(path)
    with in_turn(path):
        waits = threading.Thread(target=lambda: seen.append(_in_turn(path)))
        waits.start()
        waits.join(0.05)
        assert (waits.is_alive(), seen) == (True, [])
    waits.join(60)
    assert seen == [True]


def _in_turn(path: Path) -> bool:
    with in_turn(path):
        return is_taken(path)


def test_an_open_file_is_locked_if_nobody_else_has_it(tmp_path: Path) -> None:
    """Twice by the same descriptor is no conflict."""
    path = tmp_path / "lock"
    with path.open("wb") as one, path.open("rb") as other:
        assert (hold(one.fileno()), hold(one.fileno()), hold(other.fileno())) == (True, True, False)


def test_it_dies_with_its_process_and_is_not_inherited(tmp_path: Path) -> None:
    """A program that the holder started goes on without it."""
    path = tmp_path / "lock"
    script = (
        "import subprocess, sys; from pathlib import Path; from actors.base.locks import only_one;"
        "only_one(Path(sys.argv[1]), 'busy');"
        "child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=sys.stdin, close_fds=False); print(1, flush=True);"
        "sys.stdin.readline(); child.kill(); child.wait()"
    )
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:  # noqa: S603
        assert holder.stdout is not None
        holder.stdout.readline()
        assert is_taken(path)
        holder.kill()
        holder.wait(60)
        assert not is_taken(path)


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    """Whoever can write to the folder cannot have another file opened."""
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        try_lock(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()
