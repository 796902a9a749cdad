"""A Python process of a test's own, with what it starts: ended whatever becomes of the test."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence


def run_child(arguments: Sequence[str], environ: Mapping[str, str], timeout_s: float) -> tuple[int, str]:
    """Run Python with these arguments in a session of its own; return its exit code and what it said.

    Raises ``TimeoutExpired`` once its time is up, when its whole session has been ended.
    """
    child = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, env=dict(environ),
    )  # fmt: skip
    try:
        output, _ = child.communicate(timeout=timeout_s)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    return child.returncode, output
