"""RFC 6962 trees: the definition as it is written, against which the fast forms are held."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.spans.merkle import (
    EMPTY_ROOT,
    Read,
    consistency_path,
    inclusion_path,
    is_consistent,
    is_consistent_subtree,
    is_subtree,
    leaf_hash,
    leaf_hashes,
    node_hash,
    root_of_path,
    root_of_subtree_path,
    stored_path,
    stored_root,
    tree_root,
)

DATA = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
"""Leaves and roots of the Certificate Transparency project's reference tree (certificate-transparency, merkletree tests)."""


def defined(leaves: Sequence[bytes]) -> bytes:
    """MTH as RFC 6962, §2.1 defines it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(defined(leaves[:split]), defined(leaves[split:]))


def tree(size: int) -> list[bytes]:
    """Return leaf hashes."""
    return [leaf_hash(b"%d" % number) for number in range(size)]


def stored(leaves: Sequence[bytes], reads: list[tuple[int, int]] | None = None) -> Read:
    """Return a storage of the hashes of complete subtrees, and nothing else; note what is read of it."""

    def read(level: int, number: int) -> bytes:
        start, end = number << level, (number + 1) << level
        assert end <= len(leaves), "no complete subtree of this tree"
        if reads is not None:
            reads.append((level, number))
        return defined(leaves[start:end])

    return read


def proof_of_prefix(first: int, leaves: Sequence[bytes], *, known: bool = True) -> list[bytes]:
    """PROOF(m, D[n]) as RFC 6962, §2.1.2 defines it (SUBPROOF where ``known`` is given)."""
    if first == len(leaves):
        return [] if known else [defined(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if first <= split:
        return [*proof_of_prefix(first, leaves[:split], known=known), defined(leaves[split:])]
    return [*proof_of_prefix(first - split, leaves[split:], known=False), defined(leaves[:split])]


@pytest.mark.parametrize("size", sorted(ROOTS))
def test_the_reference_tree_has_the_published_roots(size: int) -> None:
    """Eight leaves and the roots that the Certificate Transparency project publishes for them."""
    leaves = [leaf_hash(bytes.fromhex(data)) for data in DATA[:size]]
    assert tree_root(leaves).hex() == ROOTS[size]


@given(st.integers(0, 130))
def test_roots_are_those_of_the_definition(size: int) -> None:
    """One pass a level, and the hashes of complete subtrees alone, both come to what the RFC defines."""
    leaves = tree(size)
    assert tree_root(leaves) == defined(leaves)
    assert stored_root(size, stored(leaves)) == defined(leaves)


@given(st.data())
def test_a_path_leads_to_the_root_and_no_other_does(data: st.DataObject) -> None:
    """From any leaf of any tree; an altered hash, a missing one or one too many, another place: none comes to the root."""
    size = data.draw(st.integers(1, 100))
    index = data.draw(st.integers(0, size - 1))
    leaves = tree(size)
    path = inclusion_path(index, leaves)
    root = tree_root(leaves)
    assert root_of_path(index, size, leaves[index], path) == root
    assert root_of_path(index, size, leaf_hash(b"other"), path) != root
    assert root_of_path(index, size, leaves[index], [*path, path[0] if path else root]) is None
    if path:
        changed = data.draw(st.integers(0, len(path) - 1))
        wrong = [*path[:changed], leaf_hash(b"wrong"), *path[changed + 1 :]]
        assert root_of_path(index, size, leaves[index], wrong) != root
        assert root_of_path(index, size, leaves[index], path[:-1]) is None
    other = data.draw(st.integers(-1, size))
    if other != index:
        assert root_of_path(other, size, leaves[index], path) != root


@given(st.data())
def test_stored_hashes_give_the_path_in_every_tree_that_ever_was(data: st.DataObject) -> None:
    """A storage of many leaves proves each of them in the tree of any smaller size too."""
    total = data.draw(st.integers(1, 100))
    size = data.draw(st.integers(1, total))
    index = data.draw(st.integers(0, size - 1))
    leaves = tree(total)
    reads: list[tuple[int, int]] = []
    assert stored_path(index, size, stored(leaves, reads)) == inclusion_path(index, leaves[:size])
    assert len(reads) <= 2 * size.bit_length() ** 2


@given(st.data())
def test_a_smaller_tree_is_the_beginning_of_a_larger_one_and_of_no_other(data: st.DataObject) -> None:
    """Made of stored hashes, the proof is the RFC's; with another root or hash, one less or one more, it proves nothing."""
    size = data.draw(st.integers(1, 100))
    first = data.draw(st.integers(1, size))
    leaves = tree(size)
    path = consistency_path(first, size, stored(leaves))
    assert path == proof_of_prefix(first, leaves)
    roots = tree_root(leaves[:first]), tree_root(leaves)
    assert is_consistent(first, size, *roots, path)
    assert not is_consistent(first, size, leaf_hash(b"other"), roots[1], path)
    assert not is_consistent(first, size, roots[0], leaf_hash(b"other"), path)
    assert not is_consistent(first, size, *roots, [*path, roots[0]])
    if path:
        changed = data.draw(st.integers(0, len(path) - 1))
        assert not is_consistent(first, size, *roots, [*path[:changed], leaf_hash(b"x"), *path[changed + 1 :]])
        assert not is_consistent(first, size, *roots, path[:-1])
    other = [*leaves[: first - 1], leaf_hash(b"changed"), *leaves[first:]]
    assert not is_consistent(first, size, tree_root(other[:first]), roots[1], path)


@given(st.data())
def test_a_subtree_is_one_of_aligned_leaves(data: st.DataObject) -> None:
    """Each of its leaves can be proven in it, and from 0 on it is a tree."""
    end = data.draw(st.integers(1, 70))
    start = data.draw(st.integers(0, end - 1))
    leaves = tree(end)
    aligned = any(start % width == 0 and end - start <= width for width in (1 << bits for bits in range(8)))
    assert is_subtree(start, end) == aligned
    index = data.draw(st.integers(start, end - 1))
    path = inclusion_path(index - start, leaves[start:end])
    root = root_of_subtree_path(index, start, end, leaves[index], path)
    assert root == (tree_root(leaves[start:end]) if aligned else None)


def test_trees_of_nothing_are_not_proven() -> None:
    """Nor one that is larger than what it should be the beginning of."""
    for first, size in ((0, 0), (0, 3), (4, 3)):
        assert not is_consistent(first, size, EMPTY_ROOT, EMPTY_ROOT, [])
        with pytest.raises(ValueError, match="not the beginning"):
            consistency_path(first, size, stored(tree(size)))
    assert is_consistent_subtree(2, 2, 3, EMPTY_ROOT, EMPTY_ROOT, [])
    assert not is_consistent_subtree(4, 4, 3, EMPTY_ROOT, EMPTY_ROOT, [])
    assert root_of_path(0, 1, b"", []) is None


def test_places_outside_a_tree_are_refused() -> None:
    """Asking for a leaf that is not there is a mistake of the caller."""
    for index, size in ((-1, 3), (3, 3), (0, 0)):
        with pytest.raises(ValueError, match="not in a tree"):
            inclusion_path(index, tree(size))
        with pytest.raises(ValueError, match="not in a tree"):
            stored_path(index, size, stored(tree(size)))
    assert root_of_path(0, 0, EMPTY_ROOT, []) is None


def test_proofs_of_the_specification_s_own_tree() -> None:
    """The seven entries of C2SP's merkle-tree, with the proofs that it prints."""
    leaves = tree(7)
    a, b, c, d, e, f, g = leaves
    h, i, j = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, right = node_hash(h, i), node_hash(j, g)
    assert tree_root(leaves) == node_hash(k, right)
    assert [inclusion_path(index, leaves) for index in (0, 3, 4, 6)] == [
        [b, i, right],
        [c, h, right],
        [f, g, k],
        [j, k],
    ]
    read = stored(leaves)
    assert [consistency_path(first, 7, read) for first in (3, 4, 6)] == [[c, d, h, right], [right], [j, g, k]]


def test_leaves_hash_together_as_each_does() -> None:
    """In their order."""
    data = [bytes.fromhex(text) for text in DATA]
    assert leaf_hashes(data) == [leaf_hash(one) for one in data]
    assert leaf_hashes([]) == []
