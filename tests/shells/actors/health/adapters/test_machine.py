"""Reading this very machine."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from actors.health.adapters import machine
from actors.health.adapters.machine import Machine
from actors.health.monitors import Unread

FIELDS = ("total", "used", "free")


def test_levels_are_shares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory and disk of this machine lie between none and all; of the processor, three of four ticks were used."""
    times = iter([(10.0, 100.0), (13.0, 104.0)])
    monkeypatch.setattr(machine, "_processor_times", lambda: next(times))
    levels = Machine(tmp_path).levels()
    assert levels["cpu"] == 0.75
    usage = shutil.disk_usage(tmp_path)
    assert levels["disk"] == pytest.approx(usage.used / (usage.used + usage.free), abs=0.01)
    assert 0 < float(levels["memory"]) < 1  # type: ignore[arg-type]


def test_the_processors_times_rise() -> None:
    """What was used is part of what there was."""
    busy, total = machine._processor_times()
    assert 0 < busy < total
    assert machine._processor_times()[1] >= total


def test_what_cannot_be_read_says_why_and_takes_nothing_from_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home that is gone, and a processor whose time stands still."""
    monkeypatch.setattr(machine, "_processor_times", lambda: (1.0, 2.0))
    levels = Machine(tmp_path / "gone").levels()
    assert isinstance(levels["disk"], Unread)
    assert "FileNotFoundError" in levels["disk"].why
    assert isinstance(levels["cpu"], Unread)
    assert isinstance(levels["memory"], float)


def test_what_is_kept_for_the_administrator_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of what we may use is used, however much is reserved; full is full when nothing is left for us."""
    usages = iter([(1000, 100, 300), (1000, 700, 0)])
    monkeypatch.setattr(
        machine.shutil, "disk_usage", lambda _: SimpleNamespace(**dict(zip(FIELDS, next(usages), strict=True)))
    )
    assert [Machine(tmp_path).levels()["disk"] for _ in range(2)] == [0.25, 1.0]
