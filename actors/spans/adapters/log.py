"""The transparency log's files: what C2SP's tlog-tiles serves, as it lies.

Layout of ``home/log``:

    tile/entries/<N>[.p/<W>]   bundles of leaves
    tile/<L>/<N>[.p/<W>]       tiles of hashes (``log.tiles``)
    checkpoint                 the newest signed checkpoint
    witnessed                  the newest one that a witness signed as well
    witnessed-<N>              the newest one that N of them signed that count, where fewer signed since

Rules:
- The checkpoint is written last, once what it vouches for is durable; it says how many leaves the log has. Leaves that a
  crash left behind that must be those that come next: others are never written over. Hashes behind it are written anew.
- Each file appears whole under its name, and no file that a checkpoint vouches for ever changes. So readers need no lock.
- Of what witnesses signed nothing goes that some leaf has its most signatures by: a proof never loses one that it had. Counted
  are those that are good under keys that count now, as by whoever verifies: a line of others, or of a witness that was revoked,
  keeps nothing.
- Partial tiles go once the full tile is there and the checkpoint that needs it is durable; till then every checkpoint's
  tiles are there. Who wants a narrower one finds the beginning of a wider one instead.

Left out: what leaves say (``batch``), whose word a checkpoint is (``sealer``), what tiles hold (``log.tiles``), witnesses.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from actors.base.errors import IntegrityError, StorageUnavailable
from actors.base.files import Folders
from actors.spans.adapters.segments import Disk
from actors.spans.log.checkpoint import SignedCheckpoint, read_checkpoint
from actors.spans.log.note import NoteKey
from actors.spans.log.tiles import (
    ENTRIES,
    WIDTH,
    Hashes,
    Tile,
    bundles,
    grown,
    join_leaves,
    read_path,
    split_leaves,
    tile_of,
)
from actors.spans.merkle import HASH_BYTES, consistency_path, leaf_hash, stored_path, stored_root

WITNESSED = "witnessed"


class LogFiles:
    """The log in one directory. One process writes; any number read."""

    def __init__(self, path: Path, disk: Disk | None = None) -> None:
        self.path = path
        self._disk = disk or Disk()
        self._filled: set[Tile] = set()
        """Tiles that were filled since the last checkpoint."""
        self._folders = Folders(path.parent, self._disk.sync_directory)
        self._swept = False
        """Whether partial tiles were looked for that a process before this one left."""

    # Reading.

    def checkpoint(self) -> SignedCheckpoint | None:
        """Return the newest checkpoint, not believed yet; ``None`` if there is none."""
        return self._read_checkpoint("checkpoint")

    def witnessed(self) -> SignedCheckpoint | None:
        """Return the newest checkpoint that witnesses signed, not believed yet; ``None`` if there is none."""
        return self._read_checkpoint(WITNESSED)

    def cosigned(self) -> list[SignedCheckpoint]:
        """Return every checkpoint that lies here with what witnesses signed, not believed yet, the newest first."""
        newest, names = self.witnessed(), sorted(path.name for path in self.path.glob(f"{WITNESSED}-*"))
        earlier = [signed for name in names if (signed := self._read_checkpoint(name)) is not None]
        found = [*([] if newest is None else [newest]), *earlier]
        return sorted(found, key=lambda signed: -signed.head.size)

    @property
    def is_witnessed(self) -> bool:
        """Tell whether something lies where the newest checkpoint is kept that witnesses signed."""
        return os.path.exists(self.path / WITNESSED)  # noqa: PTH110 - raises nothing: asked at every tick

    def vouching(self, index: int, witnesses: Collection[NoteKey]) -> SignedCheckpoint | None:
        """Return the checkpoint to prove a leaf with: of those that hold it the one that most of these witnesses signed.

        Where several are equal it is the newest, and the log's own last.
        """
        own = self.checkpoint()
        found = [each for each in (*self.cosigned(), own) if each is not None and each.head.size > index]
        return max(found, key=lambda each: each.cosigners(witnesses), default=None)

    def _read_checkpoint(self, name: str) -> SignedCheckpoint | None:
        try:
            data = (self.path / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnavailable(f"the log's checkpoint cannot be read: {error.strerror}") from error
        if data.startswith(b"{"):
            raise IntegrityError(
                "an earlier version wrote this log; SpanActor brings it over when it begins", "checkpoint"
            )
        return read_checkpoint(data)

    def leaves(self, first: int, size: int) -> Iterator[bytes]:
        """Yield the leaves from ``first`` on of a log of ``size``; raise ``IntegrityError`` where one is missing."""
        for number in range(first // WIDTH, -(-size // WIDTH)):
            held = split_leaves(self._bundle(tile_of(ENTRIES, number, size)))
            for index in range(max(first, number * WIDTH), min(size, (number + 1) * WIDTH)):
                if index - number * WIDTH >= len(held):
                    raise IntegrityError(f"leaf {index} of the log is missing or cut", "log")
                yield held[index - number * WIDTH]

    def tile(self, tile: Tile) -> bytes:
        """Return a tile's bytes, from a wider one if that is what there is; raise ``IntegrityError`` if there is none."""
        data = self.read(tile)
        if data is None:
            raise IntegrityError(f"tile {tile.path} of the log is missing", "log")
        if tile.level == ENTRIES:
            return join_leaves(split_leaves(data)[: tile.width])
        return data[: tile.width * HASH_BYTES]

    def read(self, tile: Tile) -> bytes | None:
        """Return what lies in a tile's place, or in that of the full or a wider one, which begins alike; ``None`` if nothing."""
        for candidate in (tile, tile.full):
            if (data := self._bytes(candidate)) is not None:
                return data
        wider = (self._bytes(candidate) for candidate in self.partial(tile) if candidate.width > tile.width)
        found = next((data for data in wider if data is not None), None)
        return self._bytes(tile.full) if found is None else found  # they go when the full one has come

    def _bytes(self, tile: Tile) -> bytes | None:
        try:
            return self._place(tile).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnavailable(f"tile {tile.path} of the log cannot be read: {error.strerror}") from error

    def partial(self, tile: Tile) -> list[Tile]:
        """Return the partial tiles that lie in a tile's place, narrowest first."""
        folder = self._place(tile.full).with_suffix(".p")
        names = [file.name for file in folder.iterdir()] if folder.is_dir() else []
        widths = sorted(int(name) for name in names if name.isdecimal())
        return [Tile(tile.level, tile.number, width) for width in widths if 0 < width < WIDTH]

    def root(self, size: int) -> bytes:
        """Return the root of the first ``size`` leaves, from the tiles."""
        return stored_root(size, Hashes(size, self.tile))

    def path_of(self, index: int, size: int) -> list[bytes]:
        """Return the sibling hashes of a leaf in the tree of the first ``size`` leaves."""
        return stored_path(index, size, Hashes(size, self.tile))

    def consistency(self, first: int, size: int) -> list[bytes]:
        """Return the hashes that prove the first ``first`` leaves to be the beginning of the first ``size``; none of none."""
        return consistency_path(first, size, Hashes(size, self.tile)) if first else []

    def _bundle(self, tile: Tile) -> bytes:
        return self.read(tile) or b""

    def _place(self, tile: Tile) -> Path:
        return self.path / "tile" / tile.path

    # Writing.

    def extend(self, size: int, leaves: Sequence[bytes]) -> bytes:
        """Write leaves behind the first ``size`` and their hashes, durably; return the root of all.

        Nothing is in the log until ``put`` vouches for it. Raises ``StorageUnavailable`` if the disk refuses, and
        ``IntegrityError`` where another leaf lies already.
        """
        start = size - size % WIDTH
        self._hold_against_leftovers(size, leaves)
        made = bundles(size, leaves, list(self.leaves(start, size)))
        made |= grown(size, [leaf_hash(leaf) for leaf in leaves], self.tile)
        try:
            for tile, data in made.items():
                self._write(self._place(tile), data)
        except OSError as error:
            raise StorageUnavailable(f"the log in {self.path} cannot be written: {error.strerror}") from error
        self._filled |= {tile for tile in made if tile.width == WIDTH}
        end = size + len(leaves)

        def read(tile: Tile) -> bytes:
            return made[tile] if tile in made else self.tile(tile)

        return stored_root(end, Hashes(end, read))

    def _hold_against_leftovers(self, size: int, leaves: Sequence[bytes]) -> None:
        """Raise ``IntegrityError`` if a bundle that a crash left says otherwise."""
        end = size + len(leaves)
        for number in range(size // WIDTH, -(-end // WIDTH)):
            for tile in self._leftovers(number, size):
                for index, found in enumerate(split_leaves(self._bundle(tile)), number * WIDTH):
                    if size <= index < end and found != leaves[index - size]:
                        raise IntegrityError(
                            f"leaf {index} lies behind the checkpoint, and is not what comes next", "log"
                        )

    def _leftovers(self, number: int, size: int) -> list[Tile]:
        """Return the bundles of a number that are wider than in a log of ``size`` leaves."""
        vouched = tile_of(ENTRIES, number, size)
        found = [vouched.full] if self._place(vouched.full).exists() else []
        return [tile for tile in (*self.partial(vouched), *found) if tile.width > vouched.width]

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
            self._write(self.path / "checkpoint", checkpoint.data)
            self._forget_partial(checkpoint.head.size)
        except OSError as error:
            raise StorageUnavailable(f"the log in {self.path} cannot be written: {error.strerror}") from error

    def put_witnessed(self, checkpoint: SignedCheckpoint, witnesses: Collection[NoteKey]) -> None:
        """Keep a checkpoint that witnesses signed, durably, and those before that more of these witnesses signed."""
        try:
            kept = self._better(checkpoint, witnesses)
            for name, each in kept.items():
                if self._readable(name) != each:
                    self._write(self.path / name, each.data)
            self._write(self.path / WITNESSED, checkpoint.data)
            for path in self.path.glob(f"{WITNESSED}-*"):
                if path.name not in kept:
                    self._disk.remove(path)
        except OSError as error:
            raise StorageUnavailable(f"the log in {self.path} cannot be written: {error.strerror}") from error

    def _better(self, than: SignedCheckpoint, witnesses: Collection[NoteKey]) -> dict[str, SignedCheckpoint]:
        """Return name → checkpoint of those by which a leaf has more signatures.

        Those that most signed come first: so written, none is written over before it lies under its new name.
        """
        lying = (self._readable(path.name) for path in self.path.glob(f"{WITNESSED}*"))
        found = [(each.cosigners(witnesses), each.head.size, each) for each in lying if each is not None]
        kept, newest, least = dict[str, SignedCheckpoint](), -1, than.cosigners(witnesses)
        for count, size, each in sorted(found, key=lambda item: item[:2], reverse=True):
            if count > least and size > newest:
                kept[f"{WITNESSED}-{count}"], newest = each, size
        return kept

    def _readable(self, name: str) -> SignedCheckpoint | None:
        """Return a checkpoint that lies here; ``None`` for one that proves nothing to anybody: it gives way."""
        try:
            return self._read_checkpoint(name)
        except IntegrityError:
            return None

    def _write(self, place: Path, data: bytes) -> None:
        """Put a file in its place, whole and durable, its folders too."""
        self._folders.ensure(place.parent)
        fresh = place.parent / f".{place.name}"
        fresh.write_bytes(data)
        self._disk.sync_file(fresh)
        self._disk.rename(fresh, place)
        self._disk.sync_directory(place.parent)

    def _forget_partial(self, size: int) -> None:
        """Take away the partial tiles of those that were filled; the first time also what a crash may have left of others."""
        if not self._swept:
            tiles = self.path / "tile"
            found = (read_path(f"{path.relative_to(tiles).with_suffix('')}") for path in tiles.rglob("*.p"))
            self._filled |= {
                tile for tile in found if tile and tile_of(tile.level, tile.number, size).width == WIDTH
            }  # fmt: skip
        for tile in self._filled:
            self._forget(self._place(tile).with_suffix(".p"))
        self._filled.clear()
        self._swept = True

    def _forget(self, folder: Path) -> None:
        if folder.is_dir():
            for file in folder.iterdir():
                self._disk.remove(file)
            folder.rmdir()
            self._folders.forget(folder)
