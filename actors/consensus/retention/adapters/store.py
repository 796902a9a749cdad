"""The store of retained content: one compressed file a decision below one folder, bounded in space, number and age.

Rules:
- A file appears whole or not at all (``actors.base.files``), with mode 0600, in a folder that is closed to others first.
- Before a file is added the oldest go, by the time in the decision's id, until it fits: never more than ``max_bytes`` and
  ``max_files`` of all replicas together. What is older than ``max_age_days`` goes within ten minutes, while a gateway runs.
- Replicas share a lock, which dies with its holder, and in its file the sum of what is there. Whoever was killed between writing
  and summing leaves the sum wrong by one file until the folder is counted again: at each start, each hour, and when room is made.
- Only files of its own names are counted or removed.

Left out: whose content is kept, and what happens to that which cannot be (``keeper``).
"""

import os
import re
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from actors.base.errors import ConfigurationError, IntegrityError, StorageUnavailable
from actors.base.files import Folders, sync_folder, write_atomic
from actors.base.ids import ulid_time_ms
from actors.base.locks import in_turn
from actors.consensus.retention.config import ContentConfig
from actors.consensus.retention.content import Content, read_content

SUFFIX = ".json.gz"
BLOCK = 4096
COUNT_EVERY_S = 3600.0
EXPIRE_EVERY_S = 600.0
KEPT_SHARE = 15 / 16
"""How full the store is left when room is made, so that it is not made for each decision."""
MAX_CONTENT_BYTES = 2**28
"""Uncompressed: longer content is no decision's."""
_KEPT = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}\.json\.gz")
_UNFINISHED = re.compile(r"\.[0-9A-Z]{26}\.json\.gz\.[a-z0-9_]{8}")
_DAY_MS = 86_400_000
_GZIP = 16 + zlib.MAX_WBITS


class ContentStore:
    """Files below one folder. For one thread of each replica; every method raises ``StorageUnavailable``."""

    def __init__(self, folder: Path, config: ContentConfig, now_s: Callable[[], float]) -> None:
        self._folder, self._config, self._now_s = folder, config, now_s
        self._folders = Folders(folder.parent, mode=0o700)
        self._counted_s = self._expired_s = -COUNT_EVERY_S

    def put(self, decision_id: str, data: bytes, still: Callable[[], bool] = lambda: True) -> bool:
        """Keep the content of one decision, durably, if it ``still`` may be once nobody else changes the folder; tell whether."""
        packed = _packed(data)
        if _on_disk(len(packed)) > self._config.max_bytes * KEPT_SHARE:
            raise StorageUnavailable(f"the content of {decision_id} alone is larger than what may be kept")
        try:
            with self._locked() as lock:
                if not still():
                    return False
                used, files = self._fitting(_read_sum(lock), _on_disk(len(packed)))
                write_atomic(self._folder / f"{decision_id}{SUFFIX}", packed)
                _write_sum(lock, used + _on_disk(len(packed)), files + 1)
        except OSError as error:
            raise StorageUnavailable(f"content cannot be kept ({error.strerror})") from error
        return True

    def erase(self, is_theirs: Callable[[Content], bool], then: Callable[[], None]) -> tuple[int, int]:
        """Remove what is somebody's, durably, ``then`` do that, and nothing is kept in between.

        Return how many contents went, and how many cannot be read: nobody can tell whose they are.
        """
        gone = unread = 0
        try:
            with self._locked() as lock:
                for name, _ in list(self._files()):
                    try:
                        data = find_content(self._folder, name.removesuffix(SUFFIX))
                        found = None if data is None else read_content(data)
                    except (ConfigurationError, IntegrityError):
                        unread += 1
                        continue
                    if found is not None and is_theirs(found):
                        (self._folder / name).unlink()
                        gone += 1
                sync_folder(self._folder)
                then()
                _write_sum(lock, *self._counted(self._config.max_bytes, self._config.max_files))
        except OSError as error:
            raise StorageUnavailable(f"content cannot be erased ({error.strerror})") from error
        return gone, unread

    def expire(self) -> bool:
        """Remove what is too old, if it is time to look; tell whether it was."""
        if 0 <= self._now_s() - self._expired_s < EXPIRE_EVERY_S:
            return False
        try:
            with self._locked() as lock:
                _write_sum(lock, *self._without_old(_read_sum(lock)))
        except OSError as error:
            raise StorageUnavailable(f"old content cannot be removed ({error.strerror})") from error
        return True

    def _fitting(self, known: tuple[int, int] | None, more: int) -> tuple[int, int]:
        """Return bytes and files that are kept, once there is room for one more."""
        config, now_s = self._config, self._now_s()
        if known is None or not 0 <= now_s - self._counted_s < COUNT_EVERY_S:
            known = self._counted(config.max_bytes, config.max_files)
        if known[0] + more > config.max_bytes or known[1] + 1 > config.max_files:
            kept = int(config.max_bytes * KEPT_SHARE) - more, int(config.max_files * KEPT_SHARE) - 1
            known = self._counted(*kept)
        return known

    def _counted(self, max_bytes: int, max_files: int) -> tuple[int, int]:
        """Count the folder; remove what is unfinished or too old, and the oldest beyond the bounds."""
        self._counted_s = self._now_s()
        sizes = dict(sorted(self._files()))  # by id, hence by time
        used, files = sum(sizes.values()), len(sizes)
        for name, size in sizes.items():
            if used <= max_bytes and files <= max_files and not self._too_old(name):
                break
            (self._folder / name).unlink(missing_ok=True)
            used, files = used - size, files - 1
        return used, files

    def _without_old(self, known: tuple[int, int] | None) -> tuple[int, int]:
        """Remove what is too old; sizes of the others are not looked up, for they may be many."""
        self._expired_s = self._now_s()
        if known is None:
            return self._counted(self._config.max_bytes, self._config.max_files)
        used, files = known
        for name in sorted(entry.name for entry in self._entries()):
            if not self._too_old(name):
                break
            path = self._folder / name
            used, files = used - _on_disk(path.lstat().st_size), files - 1
            path.unlink()
        return max(used, 0), max(files, 0)

    def _too_old(self, name: str) -> bool:
        age_ms = self._now_s() * 1000 - ulid_time_ms(name.removesuffix(SUFFIX))
        return age_ms > self._config.max_age_days * _DAY_MS

    def _files(self) -> Iterator[tuple[str, int]]:
        """Yield name and blocks of what is kept; whatever is unfinished goes, for who writes holds the lock, which we hold."""
        for entry in self._entries(unfinished=True):
            if _KEPT.fullmatch(entry.name):
                yield entry.name, _on_disk(entry.stat(follow_symlinks=False).st_size)
            else:
                Path(entry.path).unlink(missing_ok=True)

    def _entries(self, *, unfinished: bool = False) -> Iterator[os.DirEntry[str]]:
        with os.scandir(self._folder) as entries:
            for entry in entries:
                ours = _KEPT.fullmatch(entry.name) or (unfinished and _UNFINISHED.fullmatch(entry.name))
                if ours and entry.is_file(follow_symlinks=False):
                    yield entry

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Hold the folder's lock; the folder is made if it is not there, and closed if others can look into it."""
        self._folders.ensure(self._folder)
        if stat.S_IMODE(self._folder.stat().st_mode) & 0o077:
            self._folder.chmod(0o700)
        with in_turn(self._folder / ".lock") as lock:
            yield lock


def find_content(place: Path, decision_id: str) -> bytes | None:
    """Return the content of a decision from a file, or from a folder that holds it; ``None`` if it is not in the folder.

    Raises ``ConfigurationError`` for what is not there or cannot be read, ``IntegrityError`` for what is no content.
    """
    path = place / f"{decision_id}{SUFFIX}" if place.is_dir() else place
    try:
        packed = path.read_bytes()
    except FileNotFoundError:
        if path == place:
            raise ConfigurationError(f"content {place} is not there") from None
        return None
    except OSError as error:
        raise ConfigurationError(f"content {path} cannot be read ({error.strerror})") from error
    if not packed.startswith(b"\x1f\x8b"):
        return packed  # as it was written, unpacked by somebody
    unpacking = zlib.decompressobj(_GZIP)
    try:
        data = unpacking.decompress(packed, MAX_CONTENT_BYTES)
    except zlib.error as error:
        raise IntegrityError(f"content: {path.name} cannot be unpacked ({error})", "content") from error
    if not unpacking.eof or unpacking.unused_data:
        raise IntegrityError(f"content: {path.name} is no one whole compressed file", "content")
    return data


def _packed(data: bytes) -> bytes:
    packing = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    return packing.compress(data) + packing.flush()


def _on_disk(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _read_sum(lock: int) -> tuple[int, int] | None:
    try:
        used, files = map(int, os.pread(lock, 64, 0).split())
    except ValueError:
        return None
    return used, files


def _write_sum(lock: int, used: int, files: int) -> None:
    os.pwrite(lock, f"{used:<20}{files:<20}\n".encode(), 0)
