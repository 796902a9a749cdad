"""``status --watch``: the same view again and again, through the system's going and coming, until it is interrupted."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from cluster.cli.main import cli
from cluster.cli.watching import drawn, in_place
from cluster.home import Home, create_home
from cluster.processes import process
from cluster.status import Status, write_status

ROOT = Path(__file__).resolve().parents[3]


class Pauses:
    """Stands in for waiting: does what a test has laid out for each pause, and interrupts when nothing is left."""

    def __init__(self, *between: Callable[[], object]) -> None:
        self.between, self.asked = list(between), list[float]()

    def __call__(self, seconds: float) -> None:
        """Pause."""
        self.asked.append(seconds)
        if not self.between:
            raise KeyboardInterrupt
        self.between.pop(0)()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home without a configuration: nothing can be learned of its gateway."""
    return create_home(tmp_path / "home")


def watched(monkeypatch: pytest.MonkeyPatch, home: Path, pauses: Pauses, *words: str) -> Result:
    """Watch a home."""
    monkeypatch.setattr("cluster.cli.status.pause", pauses)
    return CliRunner().invoke(cli, ["status", "--watch", "--home", str(home), *words], standalone_mode=False)


def supervised(monkeypatch: pytest.MonkeyPatch, *, runs: bool) -> Callable[[], None]:
    """Return what starts or ends a supervisor."""
    return lambda: monkeypatch.setattr(
        "cluster.cli.status.supervisor", lambda _: process(os.getpid()) if runs else None
    )


def lines(result: Result) -> list[dict[str, Any]]:
    """Read what was printed, an object a line."""
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_json_is_one_object_a_line_until_interrupted(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three looks are three lines with their times, two seconds apart; an interrupt is no failure."""
    pauses = Pauses(lambda: None, lambda: None)
    result = watched(monkeypatch, home.root, pauses, "--json")
    assert (result.exception, result.return_value, pauses.asked) == (None, 0, [2.0, 2.0, 2.0])
    assert [told["running"] for told in lines(result)] == [False, False, False]
    assert all(told["at"].endswith("+00:00") for told in lines(result))


def test_a_system_that_goes_away_is_shown_so_and_watched_on(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Running, gone, running again: each look says what is there then."""
    supervised(monkeypatch, runs=True)()
    write_status(home, Status("ready", "", 0, 0.0, "0" * 64, 1))
    pauses = Pauses(supervised(monkeypatch, runs=False), supervised(monkeypatch, runs=True))
    result = watched(monkeypatch, home.root, pauses, "--json")
    assert [told["running"] for told in lines(result)] == [True, False, True]
    supervised(monkeypatch, runs=True)()
    pauses = Pauses(supervised(monkeypatch, runs=False))
    result = watched(monkeypatch, home.root, pauses, "--interval-s", "7")
    assert (result.return_value, pauses.asked) == (0, [7.0, 7.0])
    before, _, after = result.stdout.partition("supervisor: ready")
    assert "every 7 s" in before
    assert f"nothing runs for {home.root}" in after.replace("\n", "")


def test_a_home_that_cannot_be_looked_at_is_watched_on(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands in the way is what is seen, and the next look is another chance."""

    def refuses(_: object) -> None:
        raise PermissionError(13, "Permission denied", "marker")

    monkeypatch.setattr("cluster.cli.status.supervisor", refuses)
    result = watched(monkeypatch, home.root, Pauses(supervised(monkeypatch, runs=False)), "--json")
    first, second = lines(result)
    assert ("Permission denied" in first["cause"], first["running"], "cause" in second) == (True, False, False)


def test_an_interval_is_watching_s(home: Home) -> None:
    """Alone it would do nothing, so it is refused."""
    result = CliRunner().invoke(cli, ["status", "--interval-s", "1"], standalone_mode=False)
    assert isinstance(result.exception, click.UsageError)


def test_a_terminal_shows_the_newest_view_in_place() -> None:
    """The cursor goes back over the last view; what is not a terminal gets one view after the other."""

    def show(console: Console, told: dict[str, Any]) -> None:
        console.print(f"[bold]phase {told['n']}[/bold]", highlight=False)

    for terminal in (True, False):
        screen = io.StringIO()
        with in_place(Console(file=screen, force_terminal=terminal, width=40, _environ={}), show) as tell:
            for number in (1, 2):
                tell({"n": number})
        between = screen.getvalue().partition("phase 1")[2].partition("phase 2")[0]
        assert ("\x1b[2K" in between) is terminal
        assert screen.getvalue().count("phase 2") >= 1


def test_a_drawn_view_is_what_would_be_printed() -> None:
    """Text and style survive, markup of untrusted text does not come to life."""
    view = drawn(
        Console(width=40, file=io.StringIO(), force_terminal=True),
        lambda c, t: c.print(t["x"], markup=False),
        {"x": "[red]x"},
    )
    assert view.plain.strip() == "[red]x"


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let children be interrupted: one started by what ignores SIGINT, as a shell's background job does, would ignore it too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_it_well(tmp_path: Path) -> None:
    """A real interrupt in the middle of a long pause: exit code 0, and no word of complaint."""
    command = [sys.executable, "-m", "cluster", "status", "--watch", "--json", "--interval-s", "3600"]
    with subprocess.Popen(  # noqa: S603 - our own command line
        [*command, "--home", str(tmp_path / "none")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["running"] is False
        watching.send_signal(signal.SIGINT)
        _, complaint = watching.communicate(timeout=60)
    assert (watching.returncode, complaint) == (0, "")
