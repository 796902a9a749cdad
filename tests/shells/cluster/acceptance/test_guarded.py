"""A campaign that is ended in the middle leaves nothing running, whoever is ended and however."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.processes import Process, alive, process

ROOT = Path(__file__).parents[4]
WAIT_S = 60.0
PAUSE = threading.Event()
SYSTEM = """
import os, signal, subprocess, sys, time
if len(sys.argv) < 3:  # as `up` does: what serves goes on when whoever started it is gone
    subprocess.Popen([sys.executable, __file__, sys.argv[1], "serve"], start_new_session=True, close_fds=True)
else:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(sys.argv[1] + ".new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    time.sleep(600)
"""
CAMPAIGN = """
import asyncio, subprocess, sys, time
from pathlib import Path
from cluster.acceptance.guarded import guarded

folder, swallows = Path(sys.argv[1]), len(sys.argv) > 2

async def load():
    (folder / "loaded").touch()
    while True:
        await asyncio.gather(*(asyncio.sleep(0.001) for _ in range(8)))

def campaign():
    (folder / "campaign").write_text(str(__import__("os").getpid()))
    subprocess.run([sys.executable, str(folder / "system.py"), str(folder / "serving")], check=True)
    while not (folder / "serving").exists():
        time.sleep(0.01)
    try:
        asyncio.run(load())
    except SystemExit:
        if not swallows:
            raise
        (folder / "swallowed").touch()
        time.sleep(600)
    finally:
        bringing_down = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(0.5)"
        subprocess.run([sys.executable, "-c", bringing_down, str(folder / "begun")], check=True, start_new_session=True)
        (folder / "unwound").touch()
    return 0

sys.exit(guarded(campaign, unwind_s=0.5 if swallows else 60.0, grace_s=0.2))
"""


def await_(found: Path) -> None:
    """Wait until somebody has made a file."""
    give_up = time.monotonic() + WAIT_S
    while not found.exists():
        assert time.monotonic() < give_up, f"{found.name} was never made"
        PAUSE.wait(0.01)


class Running:
    """A campaign in mid load, and the system that it brought up."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.folder = folder
        (folder / "system.py").write_text(SYSTEM)
        self.outer = subprocess.Popen(  # noqa: S603 - this interpreter and a program written above
            [sys.executable, "-c", CAMPAIGN, str(folder), *more], cwd=ROOT, start_new_session=True
        )
        await_(folder / "loaded")
        self.campaign, self.system = self._of("campaign"), self._of("serving")

    def _of(self, name: str) -> Process:
        known = process(int((self.folder / name).read_text()))
        assert known is not None
        return known

    def ended(self) -> int:
        """Return with what it ended, once nothing of it runs."""
        status = self.outer.wait(WAIT_S)
        give_up = time.monotonic() + WAIT_S
        while alive(self.campaign) or alive(self.system):
            assert time.monotonic() < give_up, "something still runs"
            PAUSE.wait(0.01)
        return status

    def kill(self) -> None:
        """Leave nothing, whatever became of it."""
        for known in (self.campaign, self.system):
            if alive(known):
                os.kill(known.pid, signal.SIGKILL)
        self.outer.kill()
        self.outer.wait()


@pytest.fixture
def running(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    """Yield one; it is ended by its ids, whatever the test finds."""
    begun = Running(tmp_path, *getattr(request, "param", ()))
    yield begun
    begun.kill()


def test_a_campaign_that_is_asked_to_end_unwinds_and_leaves_nothing(running: Running) -> None:
    """SIGTERM in mid load: what brings the system down is run to its end, and what detached itself and hears nothing is gone."""
    running.outer.terminate()
    assert running.ended() == 128 + signal.SIGTERM
    assert (running.folder / "unwound").exists()


def test_being_asked_again_ends_nothing_half_way(running: Running) -> None:
    """A second SIGTERM, to the whole group and while it unwinds, does not end what brings the system down."""
    running.outer.terminate()
    await_(running.folder / "begun")
    os.killpg(running.outer.pid, signal.SIGTERM)
    assert running.ended() == 128 + signal.SIGTERM
    assert (running.folder / "unwound").exists()


@pytest.mark.parametrize("running", [("swallows",)], indirect=True)
def test_one_that_does_not_unwind_is_killed(running: Running) -> None:
    """Whatever swallows the exception: its time is bounded, and then its system is ended as well."""
    running.outer.terminate()
    await_(running.folder / "swallowed")
    assert running.ended() == 128 + signal.SIGKILL


def test_one_that_is_killed_leaves_nothing(running: Running) -> None:
    """It could bring nothing down: who guards it does, by id."""
    os.kill(running.campaign.pid, signal.SIGKILL)
    assert running.ended() == 128 + signal.SIGKILL


def test_one_whose_guard_is_killed_unwinds(running: Running) -> None:
    """It is told, and brings down what it brought up."""
    running.outer.kill()
    await_(running.folder / "unwound")
