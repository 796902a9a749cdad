"""``trust.json`` as a running process follows it: read again when it changes, so that new keys need no restart.

Rules:
- A look costs one ``stat``; the file is read only when that says it changed.
- Root's key stays what it was when the process began: another one is refused and an incident, for whoever can write the
  file could otherwise make himself everybody.
- The bundle only grows: one that lacks an entry of the bundle in force is refused, for root signed older bundles too, in
  which a stolen key is not revoked yet. A process that starts takes none that lacks a revocation that was ``noted``.
- A file that is missing, damaged or refused leaves the last good bundle in force; each finding is one incident.
"""

import logging
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from actors.base.certificates import TrustBundle, extends, no_longer_revoked, read_trust
from actors.base.digests import sha256_hex
from actors.base.errors import HomeError, IntegrityError
from actors.base.ports import IncidentSink

TrustSource = Callable[[], TrustBundle]
"""Whom to believe now."""
ROOT = "trust root"
LESS = "trust revocation"

_log = logging.getLogger(__name__)


def require_revoked(trust: TrustBundle, noted: Mapping[str, int]) -> None:
    """Raise ``IntegrityError`` if a key that was seen revoked is believed again by this bundle."""
    if found := no_longer_revoked(trust, noted):
        raise IntegrityError(
            f"{LESS}: trust.json lacks the revocation of {', '.join(found[:3])}: bring the newest one back, from a backup "
            "or from whoever verifies with it",
            LESS,
        )


class TrustFile:
    """A ``TrustSource``: call it for the bundle in force; from any thread."""

    def __init__(self, path: Path, incidents: IncidentSink, noted: Mapping[str, int] = MappingProxyType({})) -> None:
        """Read the bundle; raise ``HomeError`` if there is none, ``IntegrityError`` if it cannot be believed.

        ``noted`` are the keys that were ever seen revoked: key id → since when.
        """
        self._path, self._name, self._incidents = path, str(path), incidents
        self._lock = threading.Lock()
        self._reported = ""
        try:
            self._seen = self._stamp()
            self._trust = read_trust(path.read_bytes())
        except OSError as error:
            raise HomeError(f"{path} cannot be read: {error.strerror}; run `weavergen up`") from error
        try:
            require_revoked(self._trust, noted)
        except IntegrityError as error:
            self._report("start", str(error))
            raise

    def __call__(self) -> TrustBundle:
        """Return the bundle in force, as fresh as the file."""
        with self._lock:
            try:
                self._look()
            except OSError as error:
                self._report("unreadable", error.strerror or str(error))
            return self._trust

    def _look(self) -> None:
        seen = self._stamp()
        if seen == self._seen:
            return
        data = self._path.read_bytes()
        self._seen = seen
        try:
            trust = read_trust(data)
            if trust.root != self._trust.root:
                raise IntegrityError(f"{ROOT}: trust.json names another root key", ROOT)
            if not extends(trust, self._trust):
                raise IntegrityError(f"{LESS}: trust.json lacks an entry of the bundle in force: an older one", LESS)
        except IntegrityError as error:
            self._report(sha256_hex(data), str(error))
            return
        self._trust, self._reported = trust, ""
        _log.info("%s was read again: %d certificates", self._path, len(trust.certificates))

    def _stamp(self) -> tuple[int, int, int]:
        found = os.stat(self._name)  # noqa: PTH116 - every answer looks here: half of what ``Path.stat`` takes
        return found.st_ino, found.st_size, found.st_ctime_ns

    def _report(self, what: str, reason: str) -> None:
        if what == self._reported:
            return
        self._reported = what
        _log.error("%s is refused, the bundle in force stays: %s", self._path, reason)
        evidence = {"file": str(self._path), "reason": reason}
        self._incidents.open("trust_refused", "level_1_critical", evidence, f"trust:{what}")
