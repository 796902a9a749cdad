"""The way back, storage by storage: what is copied, what is compared, what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans.adapters.bring_back import BringBack
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.stores import HANDOVER
from actors.spans.adapters.table import LOG, SpanTable
from actors.spans.columns import Rows
from actors.spans.committed import read_said
from tests.shells.actors.spans.adapters.sealed import NOW_MS, Sealed, W
from tests.unit.actors.spans.telemetry import spans_from


class Two:
    """A home whose table and log hold six sealed batches of three rows, of which the first storage knows two."""

    def __init__(self, folder: Path) -> None:
        self.backup = Sealed(folder / "sealed")
        self.backup.batches(6)
        self.backup.table.put([], {HANDOVER: 2}, NOW_MS)
        self.path = folder / "first"
        self.batches = self.backup.table.batches(0, 5)
        self.first = SpanTable(self.path, 10)
        self.put(0, 1)

    def put(self, first: int, last: int) -> None:
        """Put batches into the first storage."""
        self.first.put(self.batches[first : last + 1], {W: 3 * last + 3, LOG: last}, NOW_MS)

    def way(self, max_rows: int = 6) -> BringBack:
        """Begin the way back."""
        return BringBack(SpanTable(self.path, 10), self.backup.table, 2, self.backup.files, max_rows)


@pytest.fixture
def two(tmp_path: Path) -> Two:
    """Return both."""
    return Two(tmp_path)


def test_so_many_rows_are_brought_back_at_a_time(two: Two) -> None:
    """Batch by batch under their numbers; what everybody reached comes last, without the backup's own word."""
    way, left = two.way(), []
    while not way.step(NOW_MS):
        left.append(way.left)
        assert two.first.batches(0, 5) == two.batches[: 6 - way.left]
    assert left == [2]
    two.backup.table.put([], {"adopted/X": 7}, NOW_MS)
    way.finish(NOW_MS)
    reached = two.first.transactions().numbers
    assert reached == {
        name: number for name, number in two.backup.table.transactions().numbers.items() if name != HANDOVER
    }
    way.finish(NOW_MS)
    assert two.first.transactions().numbers == reached


def test_what_is_there_already_is_compared(two: Two) -> None:
    """A commit whose end nobody could tell took effect: its batches are the backup's, and are not written again."""
    two.put(2, 3)
    before = two.first.current_files()
    assert two.way(100).step(NOW_MS)
    after = two.first.current_files()
    assert (set(before) <= set(after), len(after) - len(before)) == (True, 1)
    assert two.first.batches(0, 5) == two.batches


def test_another_batch_under_the_same_number_is_another_history(two: Two) -> None:
    """It is named, and nothing is written over or behind it."""
    other = replace(two.batches[2], spans=spans_from(7, 2))
    two.first.put([other], {W: 8, LOG: 2}, NOW_MS)
    way = two.way()
    for _ in range(2):
        with pytest.raises(IntegrityError, match="batch 2 of the first span storage"):
            two.way(1).step(NOW_MS)
    with pytest.raises(IntegrityError, match="batch 2 of the first span storage"):
        way.step(NOW_MS)


def test_more_than_is_known_is_another_history(two: Two) -> None:
    """Somebody went on with the first storage beside the backup."""
    two.put(2, 5)
    two.first.put([Rows("X", 1, 1, spans_from(1, 1), 6)], {"X": 1, LOG: 6}, NOW_MS)
    with pytest.raises(IntegrityError, match="only 6 are known"):
        two.way().step(NOW_MS)


def test_fewer_than_it_held_were_set_back(two: Two, tmp_path: Path) -> None:
    """Before the way back began, or while it went on: nothing is put behind a gap."""
    two.path = tmp_path / "older"
    two.first = SpanTable(two.path, 10)
    two.put(0, 0)
    with pytest.raises(IntegrityError, match="was set back"):
        two.way().step(NOW_MS)
    two.put(1, 1)
    way = two.way()
    assert not way.step(NOW_MS)
    two.path.rename(tmp_path / "newer")
    two.first = SpanTable(two.path, 10)
    two.put(0, 1)
    way.first = SpanTable(two.path, 10)
    with pytest.raises(IntegrityError, match="was set back"):
        way.step(NOW_MS)
    way = two.way()
    while not way.step(NOW_MS):
        pass
    assert two.first.batches(0, 5) == two.batches


def test_no_table_is_no_empty_table(two: Two, tmp_path: Path) -> None:
    """Where rows were, nothing is begun anew."""
    two.path = tmp_path / "nothing"
    with pytest.raises(StorageUnavailable, match="holds no table"):
        two.way().step(NOW_MS)
    assert not two.path.exists()


def test_only_what_was_sealed_is_brought_back(two: Two, tmp_path: Path) -> None:
    """A row of the backup that was changed since does not get into the first storage."""
    forged = SpanTable(tmp_path / "forged", 10)
    forged.put([replace(batch, spans=spans_from(100, 3)) for batch in two.batches[2:]], {LOG: 5, HANDOVER: 2}, NOW_MS)
    way = BringBack(SpanTable(two.path, 10), forged, 2, two.backup.files, 100)
    with pytest.raises(IntegrityError, match="batch 2 of the backup span storage is not what was sealed"):
        way.step(NOW_MS)
    unsealed = BringBack(SpanTable(two.path, 10), forged, 2, LogFiles(tmp_path / "nolog"), 100)
    assert unsealed.step(NOW_MS), "what was never sealed is compared with nothing"


def test_a_backup_with_a_gap_gives_nothing_back(two: Two, tmp_path: Path) -> None:
    """A file of it is gone."""
    gappy = SpanTable(tmp_path / "gappy", 10)
    gappy.put([two.batches[2], two.batches[4]], {LOG: 4, HANDOVER: 2}, NOW_MS)
    with pytest.raises(IntegrityError, match="not whole in the backup"):
        BringBack(SpanTable(two.path, 10), gappy, 2, two.backup.files, 100).step(NOW_MS)
    assert two.first.last_committed(LOG) == 1


def test_what_the_first_reached_is_never_lowered(two: Two) -> None:
    """A number of a commit without batches, whose end nobody could tell, stays."""
    two.first.put([], {"adopted/X": 9}, NOW_MS)
    two.backup.table.put([], {"adopted/X": 7}, NOW_MS)
    way = two.way(100)
    assert way.step(NOW_MS)
    way.finish(NOW_MS)
    assert two.first.last_committed("adopted/X") == 9


def test_what_commits_said_of_batches_that_wait_comes_along(two: Two) -> None:
    """Whoever seals them has to be able to tell whether they still are what was committed; of the others the leaves say it."""
    for _ in range(2):
        two.backup.commit()
    way = two.way()
    while not way.step(NOW_MS):
        pass
    said = read_said(two.first.said(), two.backup.authority.trust())
    assert said == {index: digest for index, digest in _said(two).items() if index >= 6}
    assert sorted(said) == [6, 7]


def _said(two: Two) -> dict[int, bytes]:
    return read_said(two.backup.table.said(), two.backup.authority.trust())
