"""Tiles: names as C2SP prints them, and the same tree whatever steps it grew in."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.base.errors import IntegrityError
from actors.spans.log.tiles import (
    ENTRIES,
    WIDTH,
    Hashes,
    Tile,
    bundles,
    grown,
    join_leaves,
    read_path,
    split_hashes,
    split_leaves,
    tile_of,
    tiles_of,
)
from actors.spans.merkle import consistency_path, inclusion_path, leaf_hash, stored_path, stored_root, tree_root

LEAVES = [leaf_hash(b"%d" % number) for number in range(70_000)]


def defined(tile: Tile) -> bytes:
    """MTH(D[(n * 256 + i) * 256**l : (n * 256 + i + 1) * 256**l]) for each i, as the specification writes it."""
    span = 256**tile.level
    starts = [(tile.number * 256 + at) * span for at in range(tile.width)]
    return b"".join(tree_root(LEAVES[start : start + span]) for start in starts)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 1234067), "0/x001/x234/067"), (Tile(0, 0), "0/000"), (Tile(63, 999, 1), "63/999.p/1"),
        (Tile(1, 1000), "1/x001/000"), (Tile(ENTRIES, 5, 255), "entries/005.p/255"),
        (Tile(ENTRIES, 10**20), "entries/x100/x000/x000/x000/x000/x000/000"),
    ],
)  # fmt: skip
def test_paths_are_those_of_the_specification(tile: Tile, path: str) -> None:
    """Its own example among them; each is read back."""
    assert (tile.path, read_path(path)) == (path, tile)


@pytest.mark.parametrize(
    "path",
    [
        "", "0", "0/0", "0/0000", "00/000", "64/000", "-1/000", "0/x000/001", "0/001/002", "0/x001", "0/000.p", "0/000.p/0",
        "0/000.p/256", "0/000.p/01", "0/000/", "/0/000", "0//000", "../0/000", "entries/../../../etc/passwd", "data/000",
        "0/000.p/1/2", "0/000\n", "0/٠٠٠", "entries/x001/x002/x003/x004/x005/x006/x007/008", "0/000.P/1", "0/X001/000",
    ],
)  # fmt: skip
def test_no_other_path_is_one(path: str) -> None:
    """Not another way of writing one, not one above the folder, not one that no log is large enough for."""
    assert read_path(path) is None


def test_a_tree_of_70000_has_the_tiles_that_the_specification_counts() -> None:
    """273 full ones and one of 112, one full and one of 17, one of 1; of 256 leaves a full one and one of 1."""
    tiles = [(tile.level, tile.number, tile.width) for tile in tiles_of(70_000)]
    assert [tile for tile in tiles if tile[0] == 0] == [*((0, n, 256) for n in range(273)), (0, 273, 112)]
    assert [tile for tile in tiles if tile[0] > 0] == [(1, 0, 256), (1, 1, 17), (2, 0, 1)]
    assert [tile[1:] for tile in tiles if tile[0] == ENTRIES] == [*((n, 256) for n in range(273)), (273, 112)]
    assert [tile.path for tile in tiles_of(256)] == ["entries/000", "0/000", "1/000.p/1"]
    assert list(tiles_of(0)) == []


def test_a_tree_of_70000_is_tiled_as_the_specification_defines() -> None:
    """Grown in a few steps, every tile it came by on the way too."""
    held: dict[Tile, bytes] = {}
    for start, end in ((0, 1), (1, 255), (255, 256), (256, 512), (512, 65_535), (65_535, 65_536), (65_536, 70_000)):
        held |= grown(start, LEAVES[start:end], held.__getitem__)
        assert {tile for tile in tiles_of(end) if tile.level != ENTRIES} <= set(held)
    for tile, data in held.items():
        assert data == defined(tile), tile.path
    read = Hashes(70_000, held.__getitem__)
    assert stored_root(70_000, read) == tree_root(LEAVES)
    assert stored_path(69_999, 70_000, read) == inclusion_path(69_999, LEAVES)
    assert stored_path(300, 70_000, read) == inclusion_path(300, LEAVES)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=6), st.data())
def test_steps_make_no_difference(steps: Sequence[int], data: st.DataObject) -> None:
    """However a log grew, its tiles prove any leaf, and any size before it, at every size that it was."""
    held: dict[Tile, bytes] = {}
    sizes, size = list[int](), 0
    for step in steps:
        held |= grown(size, LEAVES[size : size + step], held.__getitem__)
        size += step
        sizes.append(size)
    now = data.draw(st.sampled_from(sizes))
    read = Hashes(now, held.__getitem__)
    assert stored_root(now, read) == tree_root(LEAVES[:now])
    if now:
        index, first = data.draw(st.integers(0, now - 1)), data.draw(st.integers(1, now))
        assert stored_path(index, now, read) == inclusion_path(index, LEAVES[:now])
        whole = {tile: defined(tile) for tile in tiles_of(now) if tile.level != ENTRIES}
        assert consistency_path(first, now, read) == consistency_path(first, now, Hashes(now, whole.__getitem__))


@given(st.lists(st.binary(max_size=20), max_size=600), st.data())
def test_bundles_hold_the_leaves_of_the_tile_beside_them(leaves: Sequence[bytes], data: st.DataObject) -> None:
    """In as many parts as they came."""
    size = data.draw(st.integers(0, len(leaves)))
    first, last = size - size % WIDTH, size
    made = bundles(0, leaves[:size], []) | bundles(size, leaves[size:], leaves[first:last])
    assert {tile for tile in tiles_of(len(leaves)) if tile.level == ENTRIES} <= set(made) | {tile_of(ENTRIES, 0, 0)}
    for tile, content in made.items():
        assert split_leaves(content) == list(leaves[tile.number * WIDTH :][: tile.width])


def test_what_is_cut_or_too_long_is_told() -> None:
    """A tile of another length is none; of a bundle the whole leaves are left; a leaf has a bound."""
    tile = Tile(0, 0, 2)
    for data in (b"", bytes(63), bytes(65), bytes(96)):
        with pytest.raises(IntegrityError, match=r"0/000.p/2 has"):
            split_hashes(data, tile)
    assert split_leaves(join_leaves([b"ab", b"cd"])[:-1]) == [b"ab"]
    with pytest.raises(IntegrityError, match="65535"):
        join_leaves([bytes(65_536)])
    with pytest.raises(IntegrityError, match="not whole"):
        Hashes(3, lambda tile: bytes(32 * tile.width))(1, 1)


def test_a_tile_is_read_once() -> None:
    """However many hashes of it a proof takes."""
    held = grown(0, LEAVES[:1000], {}.__getitem__)
    reads: list[Tile] = []

    def read(tile: Tile) -> bytes:
        reads.append(tile)
        return held[tile]

    stored_path(500, 1000, Hashes(1000, read))
    assert len(reads) == len(set(reads)) <= 4
