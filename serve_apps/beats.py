"""Signs of life of control actors: a file each below ``home/run/beats``, which the supervisor can see without Ray.

The file is written at a process's first tick and touched at every other: touching takes no space, so that a full disk does not
make a living actor look silent.
"""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from actors.base.files import write_atomic

SPAN_ACTOR = "SpanActor"
HEALTH_ACTOR = "HealthActor"
CONTROL_ACTORS = (SPAN_ACTOR, HEALTH_ACTOR)
"""Whoever gives signs of life, by its name in Ray."""

_log = logging.getLogger("weavergen.beats")


@dataclass(frozen=True, slots=True)
class Beat:
    """The newest sign of life."""

    incarnation: str
    """Of the process; another one after a restart."""
    at_ns: int
    """When the file was touched, by the wall clock: that it changes says that the actor lives."""


def beats_folder(home: Path) -> Path:
    """Return where the files lie."""
    return home / "run" / "beats"


class Heart:
    """Gives signs of life of one actor."""

    def __init__(self, home: Path, name: str, incarnation: str) -> None:
        self._file = beats_folder(home) / f"{name}.json"
        self._text = json.dumps({"incarnation": incarnation})
        self._written = False

    def beat(self) -> None:
        """Say that the actor lives; a disk that refuses even that is logged, and the supervisor will tell."""
        try:
            if not self._written:
                self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                write_atomic(self._file, self._text.encode())
                self._written = True
            os.utime(self._file)
        except OSError as error:
            _log.warning("%s cannot give a sign of life: %s", self._file.stem, error)


def read_beat(home: Path, name: str) -> Beat | None:
    """Return an actor's newest sign of life, ``None`` if there never was one."""
    file = beats_folder(home) / f"{name}.json"
    try:
        return Beat(str(json.loads(file.read_text(encoding="utf-8"))["incarnation"]), file.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError):
        return None
