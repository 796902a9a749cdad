"""The transparency log's files: leaves, the hashes of its tree, its newest checkpoint.

Layout of ``home/log``:

    entries/<n>   leaves 256 n to 256 n + 255, each behind its length in two bytes (big endian)
    hashes        32 bytes for every complete subtree, in the order of ``merkle``
    checkpoint    canonical JSON of the newest signed checkpoint

Rules:
- The checkpoint is written last, once what it vouches for is durable; it says how many leaves the log has. Leaves that a
  crash left behind that must be those that come next: others are never written over. Hashes behind it are written anew.
- Readers need no lock: what a checkpoint vouches for never changes.

Left out: what leaves say (``batch``), whose word a checkpoint is (``sealer``), tiles and witnesses.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

from actors.base.canonical import canonical_json, decode
from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans.adapters.segments import Disk, write_all
from actors.spans.merkle import HASH_BYTES, hashes_of_leaf, leaf_hash, stored_before, stored_path, stored_root
from actors.spans.proof import SignedCheckpoint

BUNDLE = 256
"""Leaves in one file."""
_LENGTH = struct.Struct(">H")


class LogFiles:
    """The log in one directory. One process writes; any number read."""

    def __init__(self, path: Path, disk: Disk | None = None) -> None:
        self.path = path
        self._disk = disk or Disk()

    # Reading.

    def checkpoint(self) -> SignedCheckpoint | None:
        """Return the newest checkpoint, not believed yet; ``None`` if there is none."""
        try:
            data = (self.path / "checkpoint").read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnavailable(f"the log's checkpoint cannot be read: {error.strerror}") from error
        return decode(data, SignedCheckpoint, "checkpoint")

    def leaves(self, first: int, size: int) -> Iterator[bytes]:
        """Yield the leaves from ``first`` on of a log of ``size``; raise ``IntegrityError`` where one is missing."""
        for bundle in range(first // BUNDLE, -(-size // BUNDLE)):
            held = self._bundle(bundle)
            wanted = range(max(first, bundle * BUNDLE), min(size, (bundle + 1) * BUNDLE))
            for index in wanted:
                if index - bundle * BUNDLE >= len(held):
                    raise IntegrityError(f"leaf {index} of the log is missing or cut", "log")
                yield held[index - bundle * BUNDLE]

    def hash_at(self, place: int) -> bytes:
        """Return one stored hash; raise ``IntegrityError`` if it is missing."""
        try:
            with (self.path / "hashes").open("rb") as file:
                return _hash_in(file.fileno(), place)
        except OSError as error:
            raise IntegrityError(f"the log's hashes cannot be read: {error.strerror}", "log") from error

    def hashes(self) -> Iterator[bytes]:
        """Yield the stored hashes in order, however many there are."""
        try:
            with (self.path / "hashes").open("rb") as file:
                while data := file.read(HASH_BYTES):
                    yield data
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageUnavailable(f"the log's hashes cannot be read: {error.strerror}") from error

    def root(self, size: int) -> bytes:
        """Return the root of the first ``size`` leaves, from the stored hashes."""
        return stored_root(size, self.hash_at)

    def path_of(self, index: int, size: int) -> list[bytes]:
        """Return the sibling hashes of a leaf in the tree of the first ``size`` leaves."""
        return stored_path(index, size, self.hash_at)

    def _bundle(self, number: int) -> list[bytes]:
        """Return the whole leaves of one file."""
        try:
            data = self._entries(number).read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageUnavailable(f"the log's leaves cannot be read: {error.strerror}") from error
        leaves, at = [], 0
        while at + _LENGTH.size <= len(data):
            end = at + _LENGTH.size + _LENGTH.unpack_from(data, at)[0]
            if end > len(data):
                break
            leaves.append(data[at + _LENGTH.size : end])
            at = end
        return leaves

    def _entries(self, number: int) -> Path:
        return self.path / "entries" / f"{number:08d}"

    # Writing.

    def extend(self, size: int, leaves: Sequence[bytes]) -> bytes:
        """Write leaves behind the first ``size`` and their hashes, durably; return the root of all.

        Nothing is in the log until ``put`` vouches for it. Raises ``StorageUnavailable`` if the disk refuses, and
        ``IntegrityError`` where another leaf lies already.
        """
        try:
            self._ensure()
            self._write_leaves(size, leaves)
            return self._write_hashes(size, leaves)
        except OSError as error:
            raise StorageUnavailable(f"the log in {self.path} cannot be written: {error.strerror}") from error

    def settle(self) -> None:
        """Make the newest checkpoint durable: a process before this one may have been told that it is not."""
        try:
            self._disk.sync_file(self.path / "checkpoint")
            self._disk.sync_directory(self.path)
        except OSError as error:
            raise StorageUnavailable(f"the log in {self.path} cannot be synced: {error.strerror}") from error

    def put(self, checkpoint: SignedCheckpoint) -> None:
        """Make a checkpoint the newest, durably."""
        try:
            self._ensure()
            fresh = self.path / ".checkpoint"
            fresh.write_bytes(canonical_json(checkpoint))
            self._disk.sync_file(fresh)
            self._disk.rename(fresh, self.path / "checkpoint")
            self._disk.sync_directory(self.path)
        except OSError as error:
            raise StorageUnavailable(f"the log in {self.path} cannot be written: {error.strerror}") from error

    def _ensure(self) -> None:
        if not (self.path / "entries").is_dir():
            (self.path / "entries").mkdir(parents=True, exist_ok=True)
            self._disk.sync_directory(self.path)
            self._disk.sync_directory(self.path.parent)

    def _write_leaves(self, size: int, leaves: Sequence[bytes]) -> None:
        """Write each file that gets leaves anew: those it keeps, then what is added."""
        end = size + len(leaves)
        for bundle in range(size // BUNDLE, -(-end // BUNDLE)):
            start = bundle * BUNDLE
            kept = list(self.leaves(start, size)) if start < size else []
            added = leaves[max(0, start - size) : start + BUNDLE - size]
            behind = self._bundle(bundle)[len(kept) :]
            for index, (found, leaf) in enumerate(zip(behind, added, strict=False), start + len(kept)):
                if found != leaf:
                    raise IntegrityError(f"leaf {index} lies behind the checkpoint, and is not what comes next", "log")
            all_of_it = [*kept, *added, *behind[len(added) :]]
            data = b"".join(_LENGTH.pack(len(leaf)) + leaf for leaf in all_of_it)
            fresh = self.path / "entries" / ".fresh"
            fresh.write_bytes(data)
            self._disk.sync_file(fresh)
            self._disk.rename(fresh, self._entries(bundle))
        self._disk.sync_directory(self.path / "entries")

    def _write_hashes(self, size: int, leaves: Sequence[bytes]) -> bytes:
        """Write what the leaves add; return the root of all, of what is in memory where it is new."""
        fd = os.open(self.path / "hashes", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            begin = stored_before(size)
            added: list[bytes] = []

            def read(place: int) -> bytes:
                return added[place - begin] if place >= begin else _hash_in(fd, place)

            for number, leaf in enumerate(leaves, size):
                added += hashes_of_leaf(number, leaf_hash(leaf), read)
            os.ftruncate(fd, begin * HASH_BYTES)
            write_all(fd, [b"".join(added)], begin * HASH_BYTES, self._disk)
            self._disk.sync(fd)
            root = stored_root(size + len(leaves), read)
        finally:
            os.close(fd)
        self._disk.sync_directory(self.path)
        return root


def _hash_in(fd: int, place: int) -> bytes:
    data = os.pread(fd, HASH_BYTES, place * HASH_BYTES)
    if len(data) != HASH_BYTES:
        raise IntegrityError(f"hash {place} of the log is missing", "log")
    return data
