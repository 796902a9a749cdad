"""A directory, a sink that remembers, and clocks that stand still."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from actors.base.ports import IncidentLevel
from actors.policy.adapters.directory import SnapshotDirectory


@dataclass
class Incidents:
    """Remembers what was opened."""

    opened: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def open(self, kind: str, level: IncidentLevel, evidence: Mapping[str, str], dedup_key: str) -> None:
        """Remember."""
        self.opened.append((kind, dict(evidence) | {"level": level, "dedup_key": dedup_key}))

    @property
    def steps(self) -> list[str]:
        """Return the failing step of each."""
        return [evidence.get("step", kind) for kind, evidence in self.opened]


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float

    def __call__(self) -> float:
        """Return the time that was set."""
        return self.now


@pytest.fixture
def directory(tmp_path: Path) -> SnapshotDirectory:
    """Return an empty directory of snapshots that exists."""
    (tmp_path / "policy").mkdir()
    return SnapshotDirectory(tmp_path / "policy", max_bytes=20_000)


@pytest.fixture
def incidents() -> Incidents:
    """Return a sink that remembers."""
    return Incidents()


@pytest.fixture
def clock(now_s: int) -> Clock:
    """Return the wall clock."""
    return Clock(now_s)


@pytest.fixture
def monotonic() -> Clock:
    """Return the monotonic clock."""
    return Clock(100.0)
