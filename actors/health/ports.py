"""What the health actor needs from outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from actors.base.errors import NotReady, StorageUnavailable
from actors.health.alarms import Alarms
from actors.health.monitors import Check, Readings
from actors.health.predictor import Prediction


class Probe(Protocol):
    """Reads the machine and the voters."""

    def read(self, now_s: float) -> Readings:
        """Return what is seen now; what cannot be read is ``Unread``. Never raises, never waits for long."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick, as it is kept and shown."""

    at_ms: int
    score: float
    levels: Mapping[str, float]
    """Signal → level, of those that were read."""
    checks: tuple[Check, ...]
    predictions: tuple[Prediction, ...] = ()
    alarms: Alarms = field(default_factory=Alarms)


@dataclass(frozen=True, slots=True)
class Past:
    """What an earlier instance knew."""

    levels: Sequence[tuple[int, Mapping[str, float]]] = ()
    """(Unix milliseconds, signal → level), oldest first."""
    alarms: Alarms = field(default_factory=Alarms)


class History(Protocol):
    """Keeps ticks. Both methods raise ``StorageUnavailable``."""

    def load(self, since_ms: int) -> Past:
        """Return the ticks from a time on, and the newest alarms."""

    def add(self, tick: Tick) -> None:
        """Keep a tick, and drop the oldest beyond the bound."""


class Mitigation(Protocol):
    """Does something about one cause."""

    def carry_out(self, now_s: float) -> str:
        """Do it, bounded, and return in words what was done or why nothing; raise what ``FAILURES`` names if it cannot be."""

    def settle(self, now_s: float, level: float | None) -> str:
        """Take back what is no longer needed; return in words what was done, empty if nothing. Never raises.

        Called at every tick with the signal's level, if one was read.
        """


FAILURES = (StorageUnavailable, NotReady)
"""Why a mitigation cannot be carried out."""


@dataclass(frozen=True, slots=True)
class Replicas:
    """A deployment's replicas, as they are now."""

    asked: int
    """Those that run, start, or wait for room."""
    running: int
    free_cpus: float
    """Logical CPUs that nothing holds."""


class DeploymentScaler(Protocol):
    """Changes how many replicas a deployment has; those that stay are not restarted. Both methods raise ``NotReady``."""

    def look(self) -> Replicas:
        """Return what there is."""

    def scale(self, replicas: int) -> None:
        """Ask for so many, without waiting until they run."""
