"""The verifier's own count of a log: the definition, the writer's tiles, and no line in common."""

import ast
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from actors.spans.log import recount
from actors.spans.log.recount import Recount, path_of, root_of
from actors.spans.log.tiles import ENTRIES, Tile, grown, tiles_of
from actors.spans.merkle import leaf_hash, tree_root

LEAVES = [b"%d" % number for number in range(66_100)]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def test_it_shares_nothing_with_the_writer() -> None:
    """It imports nothing of this project."""
    tree = ast.parse(Path(recount.__file__).read_text())
    named = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert [name for name in named if name.startswith("actors")] == []


@given(st.integers(0, 600))
def test_roots_are_the_writer_s(size: int) -> None:
    """Of hashes at once, and of leaves one by one."""
    count = Recount()
    for leaf in LEAVES[:size]:
        count.add(leaf)
    assert count.root() == root_of(HASHES[:size]) == tree_root(HASHES[:size])
    assert count.size == size


def test_tiles_are_the_writer_s_at_every_level() -> None:
    """All of a log of three levels: where they lie and what they hold."""
    count, found = Recount(), dict[str, bytes]()
    for leaf in LEAVES:
        found.update(count.add(leaf))
    found.update(count.unfilled())
    assert count.root() == tree_root(HASHES)
    written = {tile.path: data for tile, data in grown(0, HASHES, {}.__getitem__).items()}
    assert found == written
    assert set(found) == {tile.path for tile in tiles_of(len(LEAVES)) if tile.level != ENTRIES}


def test_a_count_of_nothing_and_of_whole_tiles_has_no_unfilled_ones() -> None:
    """But for the hash of a whole tile in the level above."""
    count = Recount()
    assert (count.unfilled(), count.root()) == ([], root_of([]))
    for leaf in LEAVES[:256]:
        filled = count.add(leaf)
    assert [path for path, _ in filled] == ["0/000"]
    assert [path for path, _ in count.unfilled()] == ["1/000.p/1"]


@given(st.integers(0, 63), st.integers(0, 10**12), st.integers(1, 256))
def test_paths_are_the_writer_s(level: int, number: int, width: int) -> None:
    """Written by other means."""
    assert path_of(level, number, width) == Tile(level, number, width).path
