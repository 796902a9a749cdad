"""The baseline's file: kept whole, and none if it is not."""

from pathlib import Path

import numpy as np
import pytest

from actors.spans.adapters.baseline import MAX_BYTES, BaselineFile, KeptStatistics
from actors.spans.checkers.baseline import Baseline, to_bytes
from actors.spans.checkers.statistical import MAX_HELD
from tests.unit.actors.spans.checkers.test_statistical import another, said
from tests.unit.actors.spans.checkers.traffic import Traffic, arrivals


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where it lies, in a folder that is not there yet."""
    return tmp_path / "quarantine" / "baseline.json"


def learned() -> Baseline:
    """Return a baseline that has learned something."""
    made = Baseline()
    cell = made.cell("a cell")
    assert cell is not None
    cell.add({"latency": np.array([3, 4])}, np.array([0, 1]))
    return made


def test_it_is_written_once_it_is_behind_and_read_back(path: Path) -> None:
    """Not for every row; a later process goes on with it."""
    kept, made = BaselineFile(path, 10), learned()
    assert kept.read().cells == {}
    assert "no baseline" in kept.problem
    kept.learned(made, 9)
    assert not path.exists()
    kept.learned(made, 1)
    assert kept.problem == ""
    again = BaselineFile(path, 10)
    assert (to_bytes(again.read()), again.problem) == (to_bytes(made), "")


@pytest.mark.parametrize("at", [0, 20, -3])
def test_a_damaged_file_is_none_and_says_so(path: Path, at: int) -> None:
    """It is learned anew; nothing of it is believed."""
    BaselineFile(path, 1).learned(learned(), 1)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    kept = BaselineFile(path, 1)
    assert kept.read().cells == {}
    assert "learned anew" in kept.problem


def test_a_file_that_cannot_be_read_or_is_too_large_is_none(path: Path) -> None:
    """A folder in its place, a file of many megabytes."""
    path.mkdir(parents=True)
    kept = BaselineFile(path, 1)
    assert kept.read().cells == {}
    assert "learned anew" in kept.problem
    path.rmdir()
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert kept.read().cells == {}
    assert "larger" in kept.problem


def test_a_disk_that_does_not_take_it_is_told_of(path: Path) -> None:
    """Rows go on; it is tried again with the next."""
    path.parent.write_text("a file where the folder belongs")
    kept = BaselineFile(path, 1)
    kept.learned(learned(), 1)
    assert "cannot be kept" in kept.problem
    path.parent.unlink()
    kept.learned(learned(), 1)
    assert (kept.problem, path.exists()) == ("", True)


def test_statistics_of_a_home_give_way_to_what_was_set_aside(tmp_path: Path) -> None:
    """And to nothing else: a voter that is another one is so at every look until enough of its rows were set aside."""
    kept, traffic = KeptStatistics(tmp_path, 1_000_000), Traffic()
    kept.learn(arrivals(traffic.frames(1_000)))
    frames = arrivals(traffic.frames(150, another))
    found = kept.check(frames)
    assert said(found)["another_voter", "CRITICAL"] == 150
    for _ in range(MAX_HELD // 150 + 1):
        assert kept.check(frames) == found
        kept.set_aside(found)
    assert kept.check(frames) == []
