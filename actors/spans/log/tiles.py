"""Tiles (c2sp.org/tlog-tiles): a log as files that never change, from which anybody makes any proof.

Rules:
- A tile of level L holds 256 hashes of complete subtrees of 256^L leaves; the last of each level holds as many as there are.
  A tile that is not full is a file of its own, named by its width. None is empty.
- A bundle holds the leaves that the tile of level 0 beside it holds the hashes of, each behind its length in two bytes.
- A tile and a bundle of a log never change: a larger log has wider ones, under other names, that begin with the same bytes.

Left out: files (``adapters.log``); taking away partial tiles that a full one stands for.
"""

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from actors.base.errors import IntegrityError
from actors.spans.merkle import HASH_BYTES, tree_root

HEIGHT = 8
"""Levels of the tree between those that have tiles."""
WIDTH = 1 << HEIGHT
"""Hashes of a full tile."""
MAX_LEVEL = 63
MAX_LEAF_BYTES = 65_535
ENTRIES = -1
"""In place of a level: a bundle of leaves."""
_LENGTH = struct.Struct(">H")
_PATH = re.compile(
    r"(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Tile:
    """Which tile, or which bundle of leaves."""

    level: int
    """0 to 63, or ``ENTRIES``."""
    number: int
    """From the left."""
    width: int = WIDTH
    """How many hashes or leaves it holds."""

    @property
    def path(self) -> str:
        """Return where it lies below ``tile/``."""
        digits = f"{self.number:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        *high, low = (digits[at : at + 3] for at in range(0, len(digits), 3))
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return "/".join([level, *(f"x{part}" for part in high), low]) + partial

    @property
    def full(self) -> "Tile":
        """Return the tile that it grows into."""
        return replace(self, width=WIDTH)


def read_path(path: str) -> Tile | None:
    """Return which tile lies at a path below ``tile/``; ``None`` where none does, however the path is written."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    level, number, width = found.groups()
    tile = Tile(
        ENTRIES if level == "entries" else int(level),
        int(number.replace("x", "").replace("/", "")),
        WIDTH if width is None else int(width),
    )
    return tile if tile.path == path else None


def tile_of(level: int, number: int, size: int) -> Tile:
    """Return tile ``number`` of a level as it is in a log of ``size`` leaves; its width is 0 where there is none."""
    hashes = size >> (HEIGHT * max(0, level))
    return Tile(level, number, max(0, min(WIDTH, hashes - number * WIDTH)))


def tiles_of(size: int) -> Iterator[Tile]:
    """Yield all tiles and bundles of a log of ``size`` leaves, bundles first."""
    for level in range(ENTRIES, MAX_LEVEL + 1):
        number = 0
        while (tile := tile_of(level, number, size)).width:
            yield tile
            number += 1
        if number == 0 and level != ENTRIES:
            return


ReadTile = Callable[[Tile], bytes]
"""Tile → its bytes, of exactly its width."""


class Hashes:
    """The hashes of complete subtrees of a log of some size, out of its tiles: each tile is read once."""

    def __init__(self, size: int, read: ReadTile) -> None:
        self._size, self._read = size, read
        self._tiles: dict[Tile, list[bytes]] = {}

    def __call__(self, level: int, number: int) -> bytes:
        """Return the hash of subtree ``number`` of 2^level leaves."""
        tile_level, above = divmod(level, HEIGHT)
        first = number << above
        tile = tile_of(tile_level, first // WIDTH, self._size)
        hashes = self._hashes(tile)[first % WIDTH :][: 1 << above]
        if len(hashes) != 1 << above:
            raise IntegrityError(f"subtree {number} of level {level} is not whole in a log of {self._size}", "log")
        return tree_root(hashes)

    def _hashes(self, tile: Tile) -> list[bytes]:
        if tile not in self._tiles:
            self._tiles[tile] = split_hashes(self._read(tile), tile)
        return self._tiles[tile]


def grown(size: int, added: Sequence[bytes], read: ReadTile) -> dict[Tile, bytes]:
    """Return the tiles that leaf hashes behind the first ``size`` make or widen, lowest level first, with their bytes."""
    made: dict[Tile, bytes] = {}
    level, count, new = 0, size, list(added)
    while new:
        kept = tile_of(level, count // WIDTH, size)
        hashes = [*(split_hashes(read(kept), kept) if kept.width else []), *new]
        new = []
        for start in range(0, len(hashes), WIDTH):
            part = hashes[start : start + WIDTH]
            made[Tile(level, count // WIDTH + start // WIDTH, len(part))] = b"".join(part)
            if len(part) == WIDTH:
                new.append(tree_root(part))
        level, count = level + 1, count // WIDTH
    return made


def bundles(size: int, leaves: Sequence[bytes], kept: Sequence[bytes]) -> dict[Tile, bytes]:
    """Return the bundles that leaves behind the first ``size`` make or widen; ``kept`` is what the last one holds of those."""
    first, all_of_it = size // WIDTH, [*kept, *leaves]
    made = {}
    for start in range(0, len(all_of_it), WIDTH):
        part = all_of_it[start : start + WIDTH]
        made[Tile(ENTRIES, first + start // WIDTH, len(part))] = join_leaves(part)
    return made


def split_hashes(data: bytes, tile: Tile) -> list[bytes]:
    """Return a tile's hashes; raise ``IntegrityError`` unless they are as many as its width."""
    if len(data) != tile.width * HASH_BYTES:
        raise IntegrityError(f"tile {tile.path} has {len(data)} bytes and not {tile.width * HASH_BYTES}", "log")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def join_leaves(leaves: Sequence[bytes]) -> bytes:
    """Return a bundle's bytes; raise ``IntegrityError`` if a leaf is too long for one."""
    if any(len(leaf) > MAX_LEAF_BYTES for leaf in leaves):
        raise IntegrityError(f"a leaf of the log has at most {MAX_LEAF_BYTES} bytes", "log")
    return b"".join(_LENGTH.pack(len(leaf)) + leaf for leaf in leaves)


def split_leaves(data: bytes) -> list[bytes]:
    """Return a bundle's whole leaves, up to the first that is cut."""
    leaves, at = [], 0
    while at + _LENGTH.size <= len(data):
        end = at + _LENGTH.size + _LENGTH.unpack_from(data, at)[0]
        if end > len(data):
            break
        leaves.append(data[at + _LENGTH.size : end])
        at = end
    return leaves
