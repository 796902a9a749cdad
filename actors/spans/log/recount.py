"""Counts a log anew, leaf by leaf, for whoever verifies it: hashing and tiling that share no line with the writer's.

Rules:
- Nothing comes from ``merkle`` or ``tiles``, and nothing there from here: a mistake in one of them is found by the other.
- The root is RFC 6962's definition as it is written. Whatever is smaller than a subtree of 256^L leaves stands behind those of
  that size as one more: the definition splits there anyway.
- What is held is one unfinished tile a level.

Left out: files, and what leaves say (``adapters.check``); whose word a checkpoint is.
"""

import hashlib
from collections.abc import Sequence

_FULL = 256


def root_of(hashes: Sequence[bytes], start: int = 0, end: int | None = None) -> bytes:
    """Return MTH of hashes [start, end) as RFC 6962, §2.1 defines it."""
    end = len(hashes) if end is None else end
    if end - start == 1:
        return hashes[start]
    if end == start:
        return hashlib.sha256(b"").digest()
    split = 1
    while 2 * split < end - start:
        split *= 2
    halves = root_of(hashes, start, start + split), root_of(hashes, start + split, end)
    return hashlib.sha256(b"\x01" + b"".join(halves)).digest()


def path_of(level: int, number: int, width: int) -> str:
    """Return where C2SP puts a tile below ``tile/``."""
    groups = [group.zfill(3) for group in f"{number:,}".split(",")]
    path = "/x".join([f"{level}", *groups[:-1]]) + f"/{groups[-1]}"
    return path if width == _FULL else f"{path}.p/{width}"


class Recount:
    """The tiles and the root that leaves come to."""

    def __init__(self) -> None:
        self.size = 0
        self._rows: list[list[bytes]] = [[]]
        """Level → the hashes of its last tile, while that is not full."""

    def add(self, leaf: bytes) -> list[tuple[str, bytes]]:
        """Take the next leaf; return the tiles that it fills: where each lies, and its bytes."""
        return self.extend([leaf])

    def extend(self, leaves: Sequence[bytes]) -> list[tuple[str, bytes]]:
        """Take the next leaves; return the tiles that they fill."""
        filled: list[tuple[str, bytes]] = []
        while leaves:
            row = self._rows[0]
            part, leaves = leaves[: _FULL - len(row)], leaves[_FULL - len(row) :]
            row += [hashlib.sha256(b"\x00" + leaf).digest() for leaf in part]
            self.size += len(part)
            filled += self._filled()
        return filled

    def _filled(self) -> list[tuple[str, bytes]]:
        """Put the hash of each tile that is full into the level above; return those tiles."""
        filled, level = [], 0
        while len(row := self._rows[level]) == _FULL:
            filled.append((path_of(level, (self.size >> 8 * level) // _FULL - 1, _FULL), b"".join(row)))
            item, self._rows[level], level = root_of(row), [], level + 1
            if level == len(self._rows):
                self._rows.append([])
            self._rows[level].append(item)
        return filled

    def unfilled(self) -> list[tuple[str, bytes]]:
        """Return the last tile of each level where that is not full."""
        return [
            (path_of(level, (self.size >> 8 * level) // _FULL, len(row)), b"".join(row))
            for level, row in enumerate(self._rows)
            if row
        ]

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        rest: list[bytes] = []
        for row in self._rows:
            both = [*row, *rest]
            rest = [root_of(both)] if both else []
        return rest[0] if rest else root_of([])
