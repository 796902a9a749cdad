"""The storm's pin, ``home/quarantine/storm.json``: durable before anybody is told, and there until an operator puts it away.

Rules:
- The first storm pins the last clean point. While it is pinned later storms change nothing: what was clean before the first is
  clean before all. A pin that the disk does not take is written at the next look, also when the storm is over by then.
- While it is there nothing is learned (``learn`` refuses and names it), and gateways freeze learning in policy (they have the
  policy key already; who reads rows needs none for this).
- A pin that cannot be read is a pin: what cannot be told is not clean.
- An operator puts it away by renaming (``weavergen policy unfreeze``); then the window begins anew.
- The window ends with the process: the next one fills it from the table's newest rows, but for what an operator has judged since.

Left out: when there is a storm (``checkers.storm``).
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from actors.base.errors import StorageUnavailable, WeaverGenError
from actors.base.files import Folders, sync_folder, write_atomic
from actors.base.ports import IncidentSink
from actors.spans.checkers.storm import Seen, Storm, StormWindow
from actors.spans.checkers.storm_recalled import Begun, seen_before
from actors.spans.columns import Rows

RootAt = Callable[[int], bytes]
"""How many batches → the log's root at that size; raises ``WeaverGenError`` if that cannot be told."""
KIND = "span_corruption_storm"
_MAX_BYTES = 64 * 1024


class Pin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last point at which the log was clean."""

    schema: str
    at_ms: int
    """When the storm was seen, Unix milliseconds."""
    log_size: int
    """How many batches were sealed before the storm's first bad row was read."""
    root: str
    """The log's root at that size, hex; empty where it could not be read."""
    rows: int
    bad: int
    first_bad: str
    """Writer and number of the first row that was set aside."""

    def __str__(self) -> str:
        return f"{self.bad} of {self.rows} rows were set aside; the log was last clean at {self.log_size} batches"


SCHEMA = "weavergen.storm/1"
UNREADABLE = Pin(SCHEMA, 0, 0, "", 0, 0, "")
"""Stands for a pin of which nothing can be told."""


def pin_file(home: Path) -> Path:
    """Return where a home's pin lies."""
    return home / "quarantine" / "storm.json"


def read_pin(home: Path) -> Pin | None:
    """Return what is pinned; ``None`` if nothing is. Raises ``StorageUnavailable`` if that cannot be told."""
    path = pin_file(home)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageUnavailable(f"{path.name} cannot be read: {error.strerror}") from error
    try:
        return msgspec.json.decode(data, type=Pin)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return UNREADABLE


def put_away(home: Path) -> Path | None:
    """Rename the pin, durably, so that it is none any more; return where it is then, ``None`` if there was none."""
    path = pin_file(home)
    if (pin := read_pin(home)) is None:
        return None
    aside = path.with_name(f"storm-{pin.at_ms}.json")
    try:
        path.rename(aside)
        os.utime(aside)  # what came before this moment was judged
        sync_folder(path.parent)
    except OSError as error:
        raise StorageUnavailable(f"{path.name} cannot be put away: {error.strerror}") from error
    return aside


class StormWatch:
    """Looks at every tick's rows; pins and reports the first storm."""

    def __init__(self, home: Path, window: StormWindow, incidents: IncidentSink) -> None:
        self._home, self._window, self._incidents = home, window, incidents
        self.pin: Pin | None = None
        self.problem = ""
        """Why nobody can tell whether a storm is pinned, or why one is not; it is tried again at the next look."""
        self._unwritten: Pin | None = None
        """What is to be pinned, and was not yet."""
        self._look()

    def see(self, seen: Seen, root_at: RootAt, steady_s: float, wall_s: float) -> None:
        """Take in what came in one tick."""
        was = self.pin
        self._look()
        if was is not None and self.pin is None:
            self._window.clear()
        storm = self._window.add(seen, steady_s)
        if self.pin is not None:
            self._unwritten = None
        elif self._unwritten is not None:
            self._put(self._unwritten)
        elif storm is not None:
            self._begin(storm, root_at, wall_s)

    def recall(self, batches: Sequence[Rows], begun: Begun, steady_s: float, wall_s: float) -> None:
        """Take in what came before this process, as far as the table's newest batches tell."""
        since_s = max(wall_s - self._window.window_s, _judged_s(self._home))
        for at_s, seen in seen_before(batches, begun, since_s, wall_s):
            self._window.add(seen, steady_s - (wall_s - at_s))

    def _look(self) -> None:
        try:
            self.pin, self.problem = read_pin(self._home), ""
        except StorageUnavailable as error:
            self.problem = str(error)

    def _put(self, pin: Pin) -> None:
        """Pin it, unless an earlier pin may be there that cannot be read now."""
        path, self._unwritten = pin_file(self._home), pin
        if self.problem:
            return
        try:
            Folders(self._home).ensure(path.parent)
            write_atomic(path, msgspec.json.encode(pin))
        except OSError as error:
            self.problem = f"the storm cannot be pinned: {error.strerror}"
        else:
            self.pin, self.problem, self._unwritten = pin, "", None

    def _begin(self, storm: Storm, root_at: RootAt, wall_s: float) -> None:
        pin = Pin(
            SCHEMA, int(wall_s * 1000), storm.clean_size, _root(root_at, storm.clean_size), storm.rows, storm.bad,
            storm.first_bad,
        )  # fmt: skip
        self._put(pin)
        evidence = {
            "rows": str(pin.rows), "set_aside": str(pin.bad), "share": f"{storm.share:.4f}", "first_bad": pin.first_bad,
            "clean_log_size": str(pin.log_size), "clean_log_root": pin.root,
            "pinned": self.problem or pin_file(self._home).name,
            "what_to_do": "look at `weavergen quarantine list`; then `weavergen policy unfreeze`",
        }  # fmt: skip
        self._incidents.open(KIND, "level_1_critical", evidence, f"{KIND}/{self._home}")


def _judged_s(home: Path) -> float:
    """Return when an operator last put a storm away (Unix seconds); 0 if that never was."""
    return max((path.stat().st_mtime for path in pin_file(home).parent.glob("storm-*.json")), default=0.0)


def _root(root_at: RootAt, size: int) -> str:
    try:
        return root_at(size).hex()
    except WeaverGenError:  # the size is what matters; a log that cannot be read is its own incident
        return ""
