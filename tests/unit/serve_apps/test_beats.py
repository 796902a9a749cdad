"""Signs of life."""

import os
from pathlib import Path

import pytest

from serve_apps.beats import Heart, beats_folder, read_beat


def test_a_beat_changes_what_is_seen_and_another_process_its_name(tmp_path: Path) -> None:
    """Nothing before the first; then another time at each beat, and another incarnation after a restart."""
    assert read_beat(tmp_path, "A") is None
    heart = Heart(tmp_path, "A", "one")
    heart.beat()
    first = read_beat(tmp_path, "A")
    os.utime(beats_folder(tmp_path) / "A.json", (1, 1))
    heart.beat()
    second = read_beat(tmp_path, "A")
    assert first is not None
    assert second is not None
    assert (first.incarnation, second.incarnation) == ("one", "one")
    assert second.at_ns > 10**9
    Heart(tmp_path, "A", "two").beat()
    third = read_beat(tmp_path, "A")
    assert third is not None
    assert third.incarnation == "two"


def test_a_disk_that_refuses_stops_no_actor(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and tried again at the next tick."""
    (tmp_path / "run").write_text("no folder")
    heart = Heart(tmp_path, "A", "one")
    heart.beat()
    assert "cannot give a sign of life" in caplog.text
    (tmp_path / "run").unlink()
    heart.beat()
    assert read_beat(tmp_path, "A") is not None


def test_what_is_no_sign_of_life_is_none(tmp_path: Path) -> None:
    """A damaged file says nothing."""
    beats_folder(tmp_path).mkdir(parents=True)
    for text in ("", "[]", "{}"):
        (beats_folder(tmp_path) / "A.json").write_text(text)
        assert read_beat(tmp_path, "A") is None
