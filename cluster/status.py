"""What the supervisor says of itself: one small file that `up` and `status` read."""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from actors.base.digests import sha256_hex
from actors.base.errors import HomeError
from actors.base.files import write_atomic
from cluster.config import Config
from cluster.home import Home
from cluster.processes import Process, leader, led, ours

STUCK_AFTER_S = 180.0
"""A supervisor that has not been through its loop for this long, beyond the time it gives processes to end, is stuck."""


class NotServing(HomeError):
    """The system did not become ready; the message says where to look."""


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
    blocked: bool = False
    """It waits for something that no restart brings."""
    alerted: bool = False
    """The alarm is raised."""


def system_id(home: Home, config: Config) -> str:
    """Return what this home's gateway says of itself: no secret, and no other home's or configuration's."""
    return _system_id(home, config.sha256)


def system_ids(home: Home, config: Config) -> frozenset[str]:
    """Return what this home's gateway may say of itself.

    It is made from the kept configuration as it reads today, or from the one that the supervisor runs with, should that
    have been read by another build with other defaults.
    """
    said = read_status(home)
    return frozenset({_system_id(home, config.sha256), _system_id(home, said.config_sha256 if said else config.sha256)})


def _system_id(home: Home, config_sha256: str) -> str:
    return sha256_hex(f"{home.marker}\0{config_sha256}".encode())[:24]


def gateway_url(config: Config) -> str:
    """Return where clients on this machine reach the gateway."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.gateway.host, config.gateway.host)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{config.gateway.port}"


def session_file(home: Home) -> Path:
    """Return where the supervisor's session is written down."""
    return home.run / "session.json"


def supervisor(home: Home) -> Process | None:
    """Return the running supervisor of a home."""
    return leader(led(session_file(home)))


def beat(home: Home) -> None:
    """Note that the supervisor is going round; it takes no space, so that a full disk does not make it look stuck."""
    os.utime(session_file(home))


def is_stuck(home: Home, stop_grace_s: float, now_s: float | None = None) -> bool:
    """Tell whether the running supervisor has stopped going round."""
    try:
        last_s = session_file(home).stat().st_mtime
    except OSError:
        return False
    return (time.time() if now_s is None else now_s) - last_s > STUCK_AFTER_S + stop_grace_s


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
