"""A small disk of a campaign's own, and somebody who fills it."""

import errno
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = bytes(64 * 1024)
STEP_S = 0.5


@contextmanager
def mounted(path: Path, size_bytes: int) -> Iterator[None]:
    """Mount a disk in memory at ``path``; one that an earlier run left there is taken as it is. Needs root."""
    path.mkdir(parents=True, exist_ok=True)
    if not path.is_mount():
        _must(["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=0755", "tmpfs", str(path)])
    try:
        yield
    finally:
        _must(["umount", str(path)])


def used_share(path: Path) -> float:
    """Return how full the disk is, as the health actor sees it."""
    usage = shutil.disk_usage(path)
    return usage.used / (usage.used + usage.free)


class Filler:
    """Writes a file at a steady rate, from a thread; once nothing more goes in, takes whatever becomes free."""

    def __init__(self, file: Path, limit: float, rate_bytes_s: float) -> None:
        self._file, self._limit, self._rate = file, limit, rate_bytes_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="filler", daemon=True)
        self.began_s = 0.0
        self.passed_s: float | None = None
        """When the disk passed its limit (monotonic)."""
        self.full_s: float | None = None
        """When it first took nothing more."""
        self.written = 0

    def start(self) -> None:
        """Begin."""
        self.began_s = time.monotonic()
        self._thread.start()

    def free(self) -> int:
        """Stop, and give everything back; return how many bytes that was."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._file.unlink(missing_ok=True)
        return self.written

    def _run(self) -> None:
        with self._file.open("wb", buffering=0) as file:
            while not self._stop.wait(STEP_S):
                due = (time.monotonic() - self.began_s) * self._rate
                while self.written < due and self._takes(file.fileno()):
                    pass
                if self.passed_s is None and used_share(self._file.parent) > self._limit:
                    self.passed_s = time.monotonic()

    def _takes(self, descriptor: int) -> bool:
        try:
            self.written += os.write(descriptor, CHUNK)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            self.full_s = self.full_s or time.monotonic()
            return False
        return True


def _must(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode != 0:
        raise RuntimeError(
            f"`{' '.join(command)}` failed ({done.stderr.strip()}): this campaign mounts a small disk and needs root"
        )
