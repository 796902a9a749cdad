"""A replica's own health, as Serve asks for it."""

from dataclasses import dataclass

import pytest

from actors.base.errors import NotReady
from serve_apps.gateway.replica import Gateway


@dataclass
class Log:
    """What the health check asks of the log."""

    alive: bool
    unavailable_because: str = "the log's thread ended: MemoryError()"


def replica(log: Log, external: Log) -> Gateway:
    """Make a replica of which only its logs matter."""
    gateway = Gateway.__new__(Gateway)
    gateway._tasks, gateway._wal, gateway._external = [], log, external  # type: ignore[assignment]
    return gateway


def test_a_replica_whose_log_is_dead_is_to_be_replaced() -> None:
    """It would refuse every request for ever: Serve is told, and starts another; one that writes stays.

    So with the log of other services' spans.
    """
    well, dead = Log(alive=True), Log(alive=False)
    replica(well, well).check_health()
    for logs, what in (((dead, well), "decisions"), ((well, dead), "spans")):
        with pytest.raises(NotReady, match=f"{what}.*MemoryError"):
            replica(*logs).check_health()
