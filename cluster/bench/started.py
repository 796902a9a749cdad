"""Processes of the benchmark: started in a session of their own, waited for, ended by id."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

LOOPBACK = "127.0.0.1"
_POLL_S = 0.1
_STOP_WAIT_S = 15.0
_TAIL_CHARS = 600


class BenchError(Exception):
    """Something that a measurement needs is not there; the message says what to do."""


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def listening(port: int) -> Callable[[], bool]:
    """Return a function that tells whether somebody listens on a loopback port."""

    def connects() -> bool:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex((LOOPBACK, port)) == 0

    return connects


@contextmanager
def started(
    command: Sequence[str], log: Path, ready: Callable[[], bool], wait_s: float, extra: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a program until the block ends; raise ``BenchError`` with its last words if it is not ready in time."""
    with log.open("wb") as said:
        process = subprocess.Popen(  # noqa: S603 - only this package says which programs
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env={**os.environ, **(extra or {})},
            start_new_session=True,
        )  # fmt: skip
    try:
        _await(process, ready, wait_s, log)
        yield
    finally:
        _end(process)


def run(
    command: Sequence[str], wait_s: float, extra: Mapping[str, str] | None = None, cwd: Path | None = None,
    fine: tuple[int, ...] = (0,),
) -> str:  # fmt: skip
    """Run a program to its end and return what it printed; raise ``BenchError`` unless its exit code is ``fine``."""
    environment = {**os.environ, **(extra or {})}
    try:
        done = subprocess.run(  # noqa: S603 - as above
            command, capture_output=True, text=True, check=False, timeout=wait_s, env=environment, cwd=cwd
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{Path(command[0]).name} did not end in {wait_s:g} s") from error
    if done.returncode not in fine:
        raise BenchError(f"{Path(command[0]).name} failed: {(done.stdout + done.stderr).strip()[-_TAIL_CHARS:]}")
    return done.stdout


def _await(process: "subprocess.Popen[bytes]", ready: Callable[[], bool], wait_s: float, log: Path) -> None:
    give_up = time.monotonic() + wait_s
    while not ready():
        if process.poll() is not None or time.monotonic() > give_up:
            why = f"ended with {process.returncode}" if process.poll() is not None else f"not ready in {wait_s:g} s"
            raise BenchError(f"{why}: {log.read_text(errors='replace').strip()[-_TAIL_CHARS:]}")
        time.sleep(_POLL_S)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the program and what it started in its session."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_WAIT_S)
            if number == signal.SIGKILL or not _group_alive(process.pid):
                return


def _group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
