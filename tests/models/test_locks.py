"""The lock on a directory's work."""

import fcntl
import os
from pathlib import Path

import pytest

from models import locks
from models.errors import WeightsError
from models.locks import locked


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""


def test_a_lock_is_held_while_it_is_used(tmp_path: Path) -> None:
    """Whoever asks meanwhile is refused; afterwards the lock is free."""
    with locked("a", tmp_path, silent):
        other = os.open(tmp_path / ".locks" / "a", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)


def test_waiting_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that is never given up is an error that says so, and the waiting is told."""
    told: list[str] = []
    monkeypatch.setattr(locks, "_LOCK_TIMEOUT_S", 0.05)
    monkeypatch.setattr(locks, "_LOCK_POLL_S", 0.01)
    with (
        locked("a", tmp_path, silent),
        pytest.raises(WeightsError, match="another process"),
        locked("a", tmp_path, lambda stage, *_: told.append(stage)),
    ):
        pass
    assert "wait for another process" in told
