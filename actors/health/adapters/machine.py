"""Reads the machine: processor time, memory, and the file system of the home."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from actors.health.monitors import Unread


class Machine:
    """Levels of CPU, memory and disk as shares of what there is."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._times = _processor_times()

    def levels(self) -> Mapping[str, float | Unread]:
        """Return each level, or why it cannot be read."""
        return {
            "cpu": _read(self._cpu),
            "memory": _read(lambda: psutil.virtual_memory().percent / 100),
            "disk": _read(self._disk),
        }

    def _cpu(self) -> float:
        """Return the share of processor time that was used since the last look."""
        before, self._times = self._times, _processor_times()
        busy, total = (now - then for now, then in zip(self._times, before, strict=True))
        if total <= 0:
            raise OSError("no processor time has passed since the last look")
        return min(max(busy / total, 0.0), 1.0)

    def _disk(self) -> float:
        """Return the used share of what we may use: what is kept for the system's administrator is neither."""
        usage = shutil.disk_usage(self._home)
        return usage.used / (usage.used + usage.free)


def available_mib() -> int:
    """Return how much memory can be had without swapping."""
    return int(psutil.virtual_memory().available) >> 20


def _processor_times() -> tuple[float, float]:
    times = psutil.cpu_times()
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - times.idle - getattr(times, "iowait", 0.0), total


def _read(level: Callable[[], float]) -> float | Unread:
    try:
        return float(level())
    except (OSError, psutil.Error, ValueError, ArithmeticError) as error:
        return Unread(f"{type(error).__name__}: {error}")
