"""What the supervisor says of itself: one small file that `up` and `status` read."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from cluster.home import Home, write_atomic
from cluster.processes import Process, leader, led, ours


@dataclass(frozen=True, slots=True)
class Status:
    """The supervisor's last word."""

    phase: str
    cause: str
    """Why it is not ready; empty when it is."""
    restarts: int
    since_unix_s: float
    config_sha256: str
    port: int


def session_file(home: Home) -> Path:
    """Return where the supervisor's session is written down."""
    return home.run / "session.json"


def supervisor(home: Home) -> Process | None:
    """Return the running supervisor of a home."""
    return leader(led(session_file(home)))


def processes(home: Home) -> list[Process]:
    """Return every running process of a home."""
    return ours(home.marker, led(session_file(home)))


def write_status(home: Home, status: Status) -> None:
    """Replace the status file."""
    write_atomic(home.run / "status.json", json.dumps(asdict(status)).encode())


def read_status(home: Home) -> Status | None:
    """Return the last word, ``None`` if there was none."""
    try:
        return Status(**json.loads((home.run / "status.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
