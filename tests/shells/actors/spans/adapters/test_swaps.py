"""What is removed after files were swapped: only what the table says is nobody's any more."""

import json
from pathlib import Path

import pytest

from actors.spans.adapters.files import DirectoryFiles
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.swaps import NOTES, Swaps
from tests.unit.actors.spans.telemetry import Recorder

INPUTS, OUTPUT = ("d/1", "d/2"), "d/3"


@pytest.fixture
def swaps(tmp_path: Path) -> Swaps:
    """Return notes of one swap, all of whose files are there."""
    (tmp_path / "d").mkdir()
    for name in (*INPUTS, OUTPUT):
        (tmp_path / name).touch()
    made = opened(tmp_path)
    made.note([OUTPUT], INPUTS, 1000)
    return made


def opened(root: Path, disk: Disk | None = None) -> Swaps:
    """Open the notes of a table in a directory."""
    disk = disk or Disk()
    return Swaps(DirectoryFiles(root, disk), root, disk)


def left(root: Path) -> set[str]:
    """Return which files are left."""
    return {str(path.relative_to(root)) for path in (root / "d").iterdir()}


@pytest.mark.parametrize("fresh", [False, True], ids=["the same process", "another one"])
@pytest.mark.parametrize(
    ("current", "now_ms", "kept", "noted"),
    [
        ({OUTPUT}, 1499, {*INPUTS, OUTPUT}, True),
        ({OUTPUT}, 1500, {OUTPUT}, False),
        ({"d/4"}, 1500, {OUTPUT}, False),
        ({*INPUTS}, 0, {*INPUTS}, False),
        ({INPUTS[0]}, 9999, {*INPUTS, OUTPUT}, True),
        ({*INPUTS, OUTPUT}, 9999, {*INPUTS, OUTPUT}, True),
    ],
    ids=["committed just now", "committed long ago", "merged on since", "never committed", "half of it", "all of it"],
)
def test_the_table_says_what_goes(
    tmp_path: Path, swaps: Swaps, current: set[str], now_ms: int, kept: set[str], noted: bool, fresh: bool
) -> None:  # fmt: skip
    """Inputs once no reader needs them, an output that never counted; what nobody can tell stays, with its note."""
    asked = opened(tmp_path) if fresh else swaps
    asked.settle(current, now_ms, 500)
    assert left(tmp_path) == kept
    assert bool(list((tmp_path / NOTES).iterdir())) is noted


def test_a_swap_that_is_still_to_come_is_left_alone(tmp_path: Path, swaps: Swaps) -> None:
    """Its inputs are the table's, and its output waits."""
    assert swaps.settle({*INPUTS}, 9999, 500, pending=INPUTS) == []
    assert left(tmp_path) == {*INPUTS, OUTPUT}


def test_an_output_is_never_removed_where_an_input_is_gone(tmp_path: Path, swaps: Swaps) -> None:
    """A table that was set back names files that are not there any more: what holds their rows stays."""
    (tmp_path / INPUTS[0]).unlink()
    assert swaps.settle({*INPUTS}, 9999, 500) == []
    assert OUTPUT in left(tmp_path)


def test_half_a_note_is_of_no_swap(tmp_path: Path, swaps: Swaps) -> None:
    """It was cut while it was written; its swap was never begun. Others are not forgotten over it."""
    (tmp_path / NOTES / "0.json").write_bytes(b'{"unix')
    (tmp_path / NOTES / "1.json").write_bytes(json.dumps({"unix_ms": 1}).encode())
    asked = opened(tmp_path)
    assert len(asked.settle({OUTPUT}, 1500, 500)) == 2
    assert swaps is not asked
    assert list((tmp_path / NOTES).iterdir()) == []


def test_a_note_outlives_what_it_names(tmp_path: Path, swaps: Swaps) -> None:
    """Files are durably gone before it is: else a crash would leave files that nobody knows of."""
    recorder = Recorder(tmp_path)
    opened(tmp_path, recorder.disk).settle({OUTPUT}, 1500, 500)
    assert swaps is not None
    assert [call for call, _ in recorder.calls] == ["remove", "remove", "directory", "remove"]
    assert recorder.calls[2] == ("directory", "d")
    assert recorder.calls[3][1].startswith(NOTES)


def test_a_note_is_durable_before_anything_else(tmp_path: Path) -> None:
    """With its folder."""
    recorder = Recorder(tmp_path)
    opened(tmp_path, recorder.disk).note([OUTPUT], INPUTS, 0)
    assert [call for call, _ in recorder.calls] == ["directory", "file", "directory"]
    assert recorder.calls[2] == ("directory", NOTES)
