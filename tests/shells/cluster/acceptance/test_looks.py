"""Processes are looked at from outside."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from cluster.acceptance.looks import Held, Look, Looks, look, of_children, watched

WORD = "looked-at-from-outside"


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    """Start a process that holds three files and a thread, and waits."""
    script = (
        "import sys, threading\n"
        "held = [open('/dev/null') for _ in range(3)]\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-c", script, WORD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.communicate()


def test_a_role_is_the_sum_of_its_processes(child: "subprocess.Popen[bytes]") -> None:
    """Memory, handles and threads of both; a process that has ended is left out."""
    alone = look({child.pid: "r"}).roles["r"]
    both = look({child.pid: "r", os.getpid(): "r", 2**22 + 1: "r"}).roles["r"]
    assert alone.pids == (child.pid,)
    assert alone.threads == 2
    assert alone.handles >= 6
    assert 5 < alone.rss_mib < 100
    assert both.pids == tuple(sorted((child.pid, os.getpid())))
    assert both.handles > alone.handles
    assert both.rss_mib > alone.rss_mib


def test_children_are_found_by_their_title(child: "subprocess.Popen[bytes]") -> None:
    """Only those with the word."""
    assert of_children("peer", WORD)() == {child.pid: "peer"}
    assert of_children("peer", "something else")() == {}


def test_looks_begin_before_the_block_and_end_with_it(child: "subprocess.Popen[bytes]") -> None:
    """The first look is there at once, whatever comes after."""
    with watched(lambda: {child.pid: "r"}, 60.0) as looks:
        assert [one.roles["r"].pids for one in looks.seen] == [(child.pid,)]


def test_looks_of_a_stretch_of_time() -> None:
    """Its begin belongs to it, its end does not; all roles add up."""
    held = {"a": Held((1,), 2.0, 1, 1), "b": Held((2,), 3.0, 1, 1)}
    looks = Looks([Look(at_s, held) for at_s in (1.0, 2.0, 3.0)])
    assert [one.at_s for one in looks.between(1.0, 3.0)] == [1.0, 2.0]
    assert looks.seen[0].rss_mib == 5.0
