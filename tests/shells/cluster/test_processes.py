"""Finding and ending what is ours, with real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cluster.processes import MARKER, Led, Process, alive, end, leader, led, lineage, ours, process, reap

MARK = os.urandom(12).hex()
SLEEP = "import time; print('up', flush=True); time.sleep(600)"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); {SLEEP}"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start Python snippets that print when they are up; end them all."""
    children: list[subprocess.Popen[str]] = []

    def run(code: str, *, mark: str | None = MARK, session: bool = False) -> "subprocess.Popen[str]":
        environ = {**os.environ} | ({MARKER: mark} if mark else {})
        child = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", code], env=environ, stdout=subprocess.PIPE, text=True, start_new_session=session
        )
        children.append(child)
        assert child.stdout is not None
        assert child.stdout.readline().strip()
        return child

    yield run
    for child in children:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def pids(found: list[Process]) -> set[int]:
    """Return process ids."""
    return {known.pid for known in found}


def test_only_marked_processes_are_ours(start: Start) -> None:
    """Another marker, or one that merely begins like ours, is somebody else's."""
    mine = start(SLEEP)
    start(SLEEP, mark=None)
    start(SLEEP, mark=f"{MARK}0")
    assert pids(ours(MARK, None)) == {mine.pid}


def test_members_of_the_session_are_ours_without_a_marker(start: Start) -> None:
    """A process that overwrote its environment is still found by its session, also once its leader is gone."""
    head = start(PARENT, mark=None, session=True)
    known = process(head.pid)
    assert known is not None
    session = Led(known.pid, known.start_ticks, Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    assert leader(session) == known
    members = pids(ours(MARK, session))
    assert head.pid in members
    assert len(members) == 2
    head.kill()
    head.wait()
    orphan = members - {head.pid}
    assert pids(ours(MARK, session)) == orphan
    assert end(lambda: ours(MARK, session), 5.0) == []


def test_a_reused_process_id_leads_nothing(start: Start) -> None:
    """A session whose number belongs to a younger process is not ours."""
    stranger = start(SLEEP, mark=None, session=True)
    known = process(stranger.pid)
    assert known is not None
    earlier = Led(known.pid, known.start_ticks - 1, "boot")
    assert leader(earlier) is None
    assert ours(MARK, earlier) == []


def test_a_session_of_an_earlier_boot_is_forgotten(tmp_path: Path) -> None:
    """Process ids begin anew with the machine; so does a file that cannot be read."""
    path = tmp_path / "session.json"
    path.write_text('{"pid": 1, "start_ticks": 1, "boot_id": "other"}')
    assert led(path) is None
    path.write_text("{")
    assert led(path) is None
    assert led(tmp_path / "none") is None


def test_the_same_number_later_is_another_process(start: Start) -> None:
    """A process is known by its start time too."""
    child = start(SLEEP)
    known = process(child.pid)
    assert known is not None
    assert alive(known)
    assert not alive(Process(known.pid, known.start_ticks + 1, known.session))


def test_who_does_not_end_when_asked_is_made_to(start: Start) -> None:
    """SIGTERM first; after the grace SIGKILL; nothing of ours remains and nobody else is touched."""
    polite, stubborn, stranger = start(SLEEP), start(STUBBORN), start(SLEEP, mark=None)
    assert end(lambda: ours(MARK, None), 0.3) == []
    assert polite.wait() == -signal.SIGTERM
    assert stubborn.wait() == -signal.SIGKILL
    assert stranger.poll() is None


def test_spared_processes_stay(start: Start) -> None:
    """The caller and its ancestors are not ended by their own sweep."""
    child = start(SLEEP)
    assert pids(end(lambda: ours(MARK, None), 0.1, {child.pid})) == set()
    assert child.poll() is None
    assert {os.getpid(), os.getppid()} - {1} <= lineage(os.getpid())


def test_ended_children_are_reaped_but_for_spared_ones(start: Start) -> None:
    """A zombie is taken leave of; one that somebody else waits for is left to him."""
    spared = start(SLEEP)
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    spared.kill()
    for ended in (pid, spared.pid):
        os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)  # until it has ended, without taking leave of it
    others = {child.pid for child in psutil.Process().children()} - {
        pid
    }  # what runs beside these tests may have ended, too
    assert spared.pid in others
    assert reap(others) == 1
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    assert spared.wait() == -signal.SIGKILL
