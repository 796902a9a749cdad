"""Merkle trees as in RFC 6962, §2.1: hashes, roots and inclusion proofs; and how a growing tree's hashes are stored.

Rules:
- A leaf hashes as SHA-256(0x00 ‖ data), an inner node as SHA-256(0x01 ‖ left ‖ right); the root of no leaves is SHA-256("").
- A tree of n leaves splits at the largest power of two below n.
- Every *complete* subtree's hash is stored once, right after the last hash it is made of, so that storage only grows and
  any root or proof takes about log2(n) reads (the layout of Go's checksum database, research.swtch.com/tlog, appendix A).

Left out: files (``adapters.log``), what a leaf is (``batch``), consistency proofs (with witnesses).
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Read = Callable[[int], bytes]
"""Place in the storage → the hash that lies there."""


def leaf_hash(data: bytes) -> bytes:
    """Hash a leaf's data."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes, in one pass over each level."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [node_hash(left, right) for left, right in pairs] + odd
    return level[0]


def inclusion_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the sibling hashes from leaf ``index`` up to the root over leaf hashes."""
    if not 0 <= index < len(leaves):
        raise ValueError(f"leaf {index} is not in a tree of {len(leaves)}")
    path: list[bytes] = []
    level, at = list(leaves), index
    while len(level) > 1:
        if (at ^ 1) < len(level):
            path.append(level[at ^ 1])
        odd = level[-1:] if len(level) % 2 else []
        level = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=False)] + odd
        at //= 2
    return path


def root_of_path(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes | None:
    """Return the root that a leaf hash and its path come to (RFC 9162, §2.1.3.2); ``None`` if the path cannot be one."""
    if not 0 <= index < size:
        return None
    at, last, root, rest = index, size - 1, leaf, list(path)
    while last > 0:
        if at % 2 or at < last:  # else this node has no sibling and rises as it is
            if not rest:
                return None
            sibling = rest.pop(0)
            root = node_hash(sibling, root) if at % 2 else node_hash(root, sibling)
        at, last = at // 2, last // 2
    return None if rest else root


class Frontier:
    """The complete subtrees that a growing tree's leaves come to, largest first: all that its next hashes and root take."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, leaf: bytes) -> list[bytes]:
        """Take the next leaf's hash; return what storing it adds (``hashes_of_leaf``)."""
        added, number = [leaf], self.size
        while number & 1:
            added.append(node_hash(self._peaks.pop(), added[-1]))
            number >>= 1
        self._peaks.append(added[-1])
        self.size += 1
        return added

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        if not self._peaks:
            return EMPTY_ROOT
        *rest, root = self._peaks
        for left in reversed(rest):
            root = node_hash(left, root)
        return root


# Storage of a growing tree.


def stored_at(level: int, number: int) -> int:
    """Return where the hash of complete subtree ``number`` of 2^level leaves is stored."""
    first_leaf_behind = ((number + 1) << level) - 1
    return stored_before(first_leaf_behind) + level


def stored_before(leaf: int) -> int:
    """Return how many hashes are stored when leaf ``leaf`` is about to be: those of all complete subtrees before it."""
    return 2 * leaf - leaf.bit_count()


def hashes_of_leaf(number: int, leaf: bytes, read: Read) -> list[bytes]:
    """Return what storing leaf ``number`` adds: its hash, then those of every subtree that it completes."""
    added, level = [leaf], 0
    while (number >> level) & 1:
        left = read(stored_at(level, (number >> level) - 1))
        added.append(node_hash(left, added[-1]))
        level += 1
    return added


def stored_root(size: int, read: Read) -> bytes:
    """Return the root of the first ``size`` leaves."""
    return _range_root(0, size, read) if size else EMPTY_ROOT


def stored_path(index: int, size: int, read: Read) -> list[bytes]:
    """Return the sibling hashes of leaf ``index`` in the tree of the first ``size`` leaves."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_root(middle, end, read))
            end = middle
        else:
            path.append(_range_root(start, middle, read))
            start = middle
    return path[::-1]


def _split(count: int) -> int:
    """Return the largest power of two below ``count``."""
    return 1 << (count - 1).bit_length() - 1


def _range_root(start: int, end: int, read: Read) -> bytes:
    """Return the root over leaves [start, end), which begin where a subtree of that size may."""
    *rest, root = [read(stored_at(level, number)) for level, number in _complete(start, end)]
    for left in reversed(rest):
        root = node_hash(left, root)
    return root


def _complete(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (level, number) of the complete subtrees that [start, end) consists of, largest first."""
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level
