"""A command's end: what it said is said, its exit code is its own, and what would run at exit does not."""

import subprocess
import sys

SCRIPT = """
import atexit, os, sys, threading, time
from cluster.leaving import leave
atexit.register(os.abort)
threading.Thread(target=lambda: (time.sleep(0.2), print("worked"))).start()
sys.stdout.write("said")
leave(3)
"""


def test_it_waits_flushes_and_takes_nothing_apart() -> None:
    """A thread ends its work, the output is whole, and the abort that lies in wait at exit is never reached."""
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (3, "saidworked\n")
