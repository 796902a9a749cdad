"""Merkle trees as in RFC 6962, §2.1: hashes, roots, inclusion and consistency proofs, also of trees whose hashes are stored.

Rules:
- A leaf hashes as SHA-256(0x00 ‖ data), an inner node as SHA-256(0x01 ‖ left ‖ right); the root of no leaves is SHA-256("").
- A tree of n leaves splits at the largest power of two below n.
- The hash of a *complete* subtree never changes as a tree grows; any root or proof is made of about log2(n) of them.
- A subtree [start, end) of a tree is one of leaves that begin at a multiple of the smallest power of two that holds them
  (draft-ietf-plants-merkle-tree-certs, §4). A whole tree is one that begins at 0: its proofs are those of RFC 9162.
- What is checked comes from strangers: nothing they give raises, but for what is no hash at all.

Left out: how hashes are stored (``log.tiles``), files (``adapters.log``), what a leaf is (``batch``).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Read = Callable[[int, int], bytes]
"""Level and number of a complete subtree (of 2^level leaves, counted from the left) → its hash."""


def leaf_hash(data: bytes) -> bytes:
    """Hash a leaf's data."""
    return hashlib.sha256(b"\x00" + data).digest()


def leaf_hashes(leaves: Iterable[bytes]) -> list[bytes]:
    """Hash leaves' data."""
    return [hashlib.sha256(b"\x00" + data).digest() for data in leaves]


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
        level = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in pairs] + odd
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
    if not 0 <= index < size or not _are_hashes(leaf, *path):
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


def is_subtree(start: int, end: int) -> bool:
    """Tell whether [start, end) are the leaves of a subtree of some tree."""
    return 0 <= start < end and start % (1 << (end - start - 1).bit_length()) == 0


def root_of_subtree_path(index: int, start: int, end: int, leaf: bytes, path: Sequence[bytes]) -> bytes | None:
    """Return the root of subtree [start, end) that a leaf hash and its path come to; ``None`` if the path cannot be one."""
    return root_of_path(index - start, end - start, leaf, path) if is_subtree(start, end) else None


def is_consistent(first: int, size: int, first_root: bytes, root: bytes, path: Sequence[bytes]) -> bool:
    """Tell whether a path proves the tree of ``first`` leaves to be the beginning of that of ``size`` (RFC 9162, §2.1.4.2).

    A tree of no leaves is the beginning of any, and nothing proves it: false.
    """
    return first > 0 and is_consistent_subtree(0, first, size, first_root, root, path)


def is_consistent_subtree(
    start: int, end: int, size: int, subtree_root: bytes, root: bytes, path: Sequence[bytes]
) -> bool:
    """Tell whether a path proves subtree [start, end) to be one of the tree of ``size`` leaves (the draft's §4.4.3).

    Of no leaves there is one in every tree, and it takes no proof.
    """
    if 0 <= start == end <= size:
        return subtree_root == EMPTY_ROOT and not path
    if not is_subtree(start, end) or end > size or not _are_hashes(*path):
        return False
    first, at, last, rest = start, end - 1, size - 1, list(path)
    while first != at and (at == last or at % 2):
        first, at, last = first // 2, at // 2, last // 2
    if first != at and not rest:
        return False
    of_subtree = of_tree = subtree_root if first == at else rest.pop(0)
    for sibling in rest:
        if last == 0:
            return False
        if at % 2 or at == last:
            of_subtree = node_hash(sibling, of_subtree) if first < at else of_subtree
            of_tree = node_hash(sibling, of_tree)
            while at and not at % 2:
                first, at, last = first // 2, at // 2, last // 2
        else:
            of_tree = node_hash(of_tree, sibling)
        first, at, last = first // 2, at // 2, last // 2
    return last == 0 and of_subtree == subtree_root and of_tree == root


def _are_hashes(*given: bytes) -> bool:
    return all(len(item) == HASH_BYTES for item in given)


# Trees whose hashes are stored.


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


def consistency_path(first: int, size: int, read: Read) -> list[bytes]:
    """Return the hashes that prove the tree of ``first`` leaves to be the beginning of that of ``size`` (RFC 9162, §2.1.4.1)."""
    if not 0 < first <= size:
        raise ValueError(f"a tree of {first} is not the beginning of one of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end != first:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(_range_root(middle, end, read))
            end = middle
        else:
            path.append(_range_root(start, middle, read))
            start = middle
    if start:  # else the checker has this very root
        path.append(_range_root(start, end, read))
    return path[::-1]


def _split(count: int) -> int:
    """Return the largest power of two below ``count``."""
    return 1 << (count - 1).bit_length() - 1


def _range_root(start: int, end: int, read: Read) -> bytes:
    """Return the root over leaves [start, end), which begin where a subtree of that size may."""
    *rest, root = [read(level, number) for level, number in _complete(start, end)]
    for left in reversed(rest):
        root = node_hash(left, root)
    return root


def _complete(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (level, number) of the complete subtrees that [start, end) consists of, largest first."""
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level
