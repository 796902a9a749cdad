"""RFC 6962 trees: the definition as it is written, against which the fast forms are held."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.spans.merkle import (
    EMPTY_ROOT,
    Frontier,
    hashes_of_leaf,
    inclusion_path,
    leaf_hash,
    node_hash,
    root_of_path,
    stored_before,
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


def stored(leaves: Sequence[bytes]) -> list[bytes]:
    """Return the storage that grows leaf by leaf."""
    storage: list[bytes] = []
    for number, leaf in enumerate(leaves):
        assert len(storage) == stored_before(number)
        storage += hashes_of_leaf(number, leaf, storage.__getitem__)
    return storage


@pytest.mark.parametrize("size", sorted(ROOTS))
def test_the_reference_tree_has_the_published_roots(size: int) -> None:
    """Eight leaves and the roots that the Certificate Transparency project publishes for them."""
    leaves = [leaf_hash(bytes.fromhex(data)) for data in DATA[:size]]
    assert tree_root(leaves).hex() == ROOTS[size]


@given(st.integers(0, 130))
def test_roots_are_those_of_the_definition(size: int) -> None:
    """One pass a level, and a storage that only grew, both come to what the RFC defines."""
    leaves = tree(size)
    assert tree_root(leaves) == defined(leaves)
    storage = stored(leaves)
    assert stored_root(size, storage.__getitem__) == defined(leaves)


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
    storage = stored(leaves)
    reads: list[int] = []

    def read(place: int) -> bytes:
        reads.append(place)
        return storage[place]

    assert stored_path(index, size, read) == inclusion_path(index, leaves[:size])
    assert len(reads) <= 2 * size.bit_length() ** 2


def test_places_outside_a_tree_are_refused() -> None:
    """Asking for a leaf that is not there is a mistake of the caller."""
    for index, size in ((-1, 3), (3, 3), (0, 0)):
        with pytest.raises(ValueError, match="not in a tree"):
            inclusion_path(index, tree(size))
        with pytest.raises(ValueError, match="not in a tree"):
            stored_path(index, size, tree(size).__getitem__)
    assert root_of_path(0, 0, EMPTY_ROOT, []) is None


@given(st.integers(0, 70))
def test_a_frontier_is_all_that_growing_takes(size: int) -> None:
    """Root and stored hashes come out as from the whole tree, with one hash a level in hand."""
    leaves, frontier, storage = tree(size), Frontier(), list[bytes]()
    for leaf in leaves:
        storage += frontier.add(leaf)
    assert (frontier.size, frontier.root(), storage) == (size, tree_root(leaves), stored(leaves))
