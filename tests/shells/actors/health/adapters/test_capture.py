"""Content capture goes off while a disk fills, and on again after a long quiet."""

from pathlib import Path

import pytest

from actors.base.errors import StorageUnavailable
from actors.health.adapters.capture import CONTENT, SWITCH, CaptureOff
from actors.health.config import HealthConfig

CONFIG = HealthConfig(capture_again_below=0.8, capture_again_after_s=60)


class Beside:
    """What else is done about a disk."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def carry_out(self, now_s: float) -> str:
        """Say that it was done."""
        self.asked.append("carried out")
        return "removed 2 files"

    def settle(self, now_s: float, level: float | None) -> str:
        """Say that there was nothing to do."""
        self.asked.append("settled")
        return ""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home that keeps content."""
    for folder in (CONTENT, "run"):
        (tmp_path / folder).mkdir()
    return tmp_path


def test_the_switch_is_put_there_and_the_rest_is_done(home: Path) -> None:
    """One incident tells both."""
    beside = Beside()
    assert CaptureOff(home, beside, CONFIG).carry_out(0.0) == "content capture is off; removed 2 files"
    assert (home / "run" / SWITCH).exists()
    assert beside.asked == ["carried out"]


def test_a_home_without_content_needs_no_switch(tmp_path: Path) -> None:
    """Nothing is kept there, so nothing is switched off."""
    (tmp_path / "run").mkdir()
    assert CaptureOff(tmp_path, Beside(), CONFIG).carry_out(0.0) == "removed 2 files"
    assert not (tmp_path / "run" / SWITCH).exists()


def test_capture_goes_on_after_a_quiet_without_a_break(home: Path) -> None:
    """Full again, or unreadable, the quiet begins anew; a restart of the actor finds the switch as it was."""
    CaptureOff(home, Beside(), CONFIG).carry_out(0.0)
    restarted, switch = CaptureOff(home, Beside(), CONFIG), home / "run" / SWITCH
    levels = {0: 0.7, 50: 0.7, 55: 0.85, 60: 0.7, 100: None, 110: 0.7, 169: 0.7}
    assert {restarted.settle(float(at_s), level) for at_s, level in levels.items()} == {""}
    assert switch.exists()
    assert restarted.settle(170.0, 0.7) == "content is captured again"
    assert not switch.exists()
    assert restarted.settle(300.0, 0.7) == ""


def test_a_switch_that_cannot_be_put_there_is_told_after_the_rest_is_done(home: Path) -> None:
    """The mitigation counts as failed, and has freed what it could."""
    beside = Beside()
    (home / "run").rmdir()
    with pytest.raises(StorageUnavailable, match=r"cannot be switched off .*; removed 2 files"):
        CaptureOff(home, beside, CONFIG).carry_out(0.0)
    assert beside.asked == ["carried out"]
