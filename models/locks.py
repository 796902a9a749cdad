"""One worker at a time in a directory: an advisory lock on a file in ``.locks``, waited for with a bound."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.errors import WeightsError
from models.sources import Progress

_LOCK_TIMEOUT_S = 3600.0
_LOCK_POLL_S = 0.2


@contextmanager
def locked(name: str, directory: Path, progress: Progress) -> Iterator[int]:
    """Hold the lock of ``name`` in ``directory`` and yield its descriptor; raises ``WeightsError`` where it is kept too long."""
    locks = directory / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    handle = os.open(locks / name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _acquire(handle, name, progress)
        yield handle
    finally:
        os.close(handle)


def _acquire(handle: int, name: str, progress: Progress) -> None:
    give_up = time.monotonic() + _LOCK_TIMEOUT_S
    while time.monotonic() < give_up:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("wait for another process", 0, 0)
            time.sleep(_LOCK_POLL_S)
        else:
            return
    waited = f"for {_LOCK_TIMEOUT_S:.0f} s another process has been preparing it"
    raise WeightsError(f"{name}: {waited}; stop it and try again")
