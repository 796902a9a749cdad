"""Follows a directory of signed snapshots from a thread of its own: nothing but the disk can keep it from doing so.

Rules:
- What is in force is one attribute, replaced whole; readers take no lock and never wait.
- The last good snapshot stays in force whatever is found: a lower version, a rewritten file, a bad signature, garbage.
  Each such finding opens one incident a process (incidents are deduplicated over processes by the file's digest).
- A poll that finds nothing new costs three ``stat`` calls; every ``FULL_EVERY``-th reads and compares the file itself,
  so that a change that file times do not show is found within seconds.
- A snapshot in force is *confirmed* when the source was readable and holds it, unchanged, as its newest.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from actors.base.digests import sha256_hex
from actors.base.errors import IntegrityError
from actors.base.ports import IncidentSink
from actors.policy.adapters.directory import Fingerprint, SnapshotDirectory

FULL_EVERY = 20
MAX_REPORTED = 256

_log = logging.getLogger(__name__)


class View(Protocol):
    """What readers of a snapshot see."""

    def at(self, now_s: float, *, confirmed: bool) -> Self:
        """Return the view as of a poll at ``now_s`` (monotonic seconds)."""


V = TypeVar("V", bound=View)


@dataclass(frozen=True, slots=True)
class Found(Generic[V]):
    """An accepted file: its version, the SHA-256 of its bytes, and what readers see."""

    version: int
    digest: str
    view: V


class Kind(Protocol[V]):
    """How one kind of snapshot is believed."""

    name: str

    def load(self, now_s: int) -> Found[V]:
        """Return what is in force at a start; raise ``IntegrityError`` or ``OSError``."""

    def advance(self, current: Found[V], newest: int, now_s: int) -> Iterator[Found[V]]:
        """Yield what followed ``current``, up to version ``newest``; raise ``IntegrityError`` at what is refused."""


class SnapshotWatcher(Generic[V]):
    """Keeps ``current`` at the newest snapshot that can be believed."""

    def __init__(
        self,
        kind: Kind[V],
        directory: SnapshotDirectory,
        incidents: IncidentSink,
        poll_ms: int,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self.current: V | None = None
        """What is in force; ``None`` until something could be believed."""
        self._kind, self._directory, self._incidents = kind, directory, incidents
        self._poll_s, self._clock, self._monotonic = poll_ms / 1000, clock, monotonic
        self._held: Found[V] | None = None
        self._seen: Fingerprint | None = None
        self._quiet_polls = 0
        self._confirmed = False
        self._readable = True
        self._reported: OrderedDict[str, None] = OrderedDict()
        self._looking = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def version(self) -> int:
        """Return the version in force, 0 if there is none."""
        return self._held.version if self._held is not None else 0

    def start(self) -> None:
        """Poll once, so that what can be in force is, and then from a thread until ``stop``."""
        self._guarded_poll()
        self._thread = threading.Thread(target=self._run, name=f"{self._kind.name}-watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop polling and wait for the thread to end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def poll_once(self) -> None:
        """Look at the source once, from any thread; what is found is in force, or reported, on return."""
        with self._looking:
            try:
                self._look(int(self._clock()))
                self._readable = True
            except OSError as error:
                self._confirmed, self._seen = False, None
                self._source_lost(error)
            if self._held is not None:
                base = self.current if self.current is not None else self._held.view
                self.current = base.at(self._monotonic(), confirmed=self._confirmed)

    def _run(self) -> None:
        while not self._stop.wait(self._poll_s):
            self._guarded_poll()

    def _guarded_poll(self) -> None:
        try:
            self.poll_once()
        except Exception as error:  # noqa: BLE001 - a defect must not end the thread that brings halts
            _log.exception("polling %s failed", self._kind.name)
            evidence = {"error": type(error).__name__}
            self._incidents.open(f"{self._kind.name}_watcher_defect", "level_1_critical", evidence, self._kind.name)

    def _look(self, now_s: int) -> None:
        if self._held is not None:
            seen = self._directory.fingerprint(self._held.version)
            if seen == self._seen and self._quiet_polls < FULL_EVERY:
                self._quiet_polls += 1
                return
            self._seen = seen
        self._quiet_polls = 0
        self._confirmed = False
        try:
            self._read(now_s)
            self._confirmed = True
        except IntegrityError as error:
            self._refused(error)

    def _read(self, now_s: int) -> None:
        if self._held is None:
            self._hold(self._kind.load(now_s))
            return
        held = self._held
        newest = self._directory.newest_version() or 0
        if newest < held.version:
            raise self._tampered("rollback", f"version {newest} is the newest on disk", newest, "")
        for found in self._kind.advance(held, newest, now_s):
            self._hold(found)
        digest = sha256_hex(self._directory.read(self.version))
        if digest != self._held.digest:
            raise self._tampered("overwritten", "its file holds something else", self.version, digest)

    def _hold(self, found: Found[V]) -> None:
        self._held, self._seen = found, None
        self.current = found.view.at(self._monotonic(), confirmed=True)
        _log.info("%s version %d is in force", self._kind.name, found.version)

    def _tampered(self, step: str, what: str, version: int, digest: str) -> IntegrityError:
        name = f"{self._kind.name} {step}"
        message = f"{name}: version {self.version} stays in force, but {what}"
        return IntegrityError(message, name, {"version": str(version), "sha256": digest})

    def _refused(self, error: IntegrityError) -> None:
        details = {key: str(value) for key, value in error.details.items()}
        key = ":".join((self._kind.name, error.param or "", details.get("version", ""), details.get("sha256", "")))
        if key in self._reported:
            return
        self._reported[key] = None
        if len(self._reported) > MAX_REPORTED:
            self._reported.popitem(last=False)
        _log.error("%s refused: %s", self._kind.name, error)
        evidence = {
            **details,
            "step": error.param or "",
            "reason": str(error),
            "in_force": str(self.version),
            "directory": str(self._directory.path),
        }
        self._incidents.open(f"{self._kind.name}_refused", "level_1_critical", evidence, key)

    def _source_lost(self, error: OSError) -> None:
        if not self._readable:
            return
        self._readable = False
        _log.error("%s cannot be read: %s", self._directory.path, error)
        evidence = {"directory": str(self._directory.path), "error": error.strerror or str(error)}
        self._incidents.open(
            f"{self._kind.name}_unreadable", "level_2_major", evidence, f"{self._kind.name}:unreadable"
        )
