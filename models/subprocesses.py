"""Run one helper process to its end: bounded in time, its output kept out of ours, killed if we leave early."""

import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from models.errors import WeightsError

log = logging.getLogger("weavergen.models")

_TICK_S = 0.25
_TAIL_LINES = 3
_TAIL_BYTES = 4096
_CREDENTIALS = re.compile(r"//[^/\s@]+@")


def run_python(
    module: str,
    args: Sequence[str],
    *,
    log_path: Path,
    keep_open: int,
    timeout_s: float,
    tick: Callable[[], None],
    env: Mapping[str, str | None],
) -> None:
    """Run ``python -m module args``; raise ``WeightsError`` with the last lines of its output if it fails.

    ``keep_open`` is a file descriptor the child inherits: a lock on it outlives us as long as the child does, so that an
    orphan and a successor never work in one directory. ``env`` adds to our environment; ``None`` removes a name.
    """
    child_env = {k: v for k, v in ({**os.environ, **env}).items() if v is not None}
    child_env["PYTHONPATH"] = os.pathsep.join(
        p for p in (str(Path(__file__).parents[1]), child_env.get("PYTHONPATH")) if p
    )
    with log_path.open("wb") as output:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter, arguments validated by the catalogue
            [sys.executable, "-m", module, *args],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=child_env, pass_fds=(keep_open,),
        )  # fmt: skip
        try:
            code = _wait(child, timeout_s, tick)
        except BaseException:
            child.kill()
            child.wait()
            raise
    if code != 0:
        raise WeightsError(f"{module} ended with {code}: {_tail(log_path)}")


def _wait(child: "subprocess.Popen[bytes]", timeout_s: float, tick: Callable[[], None]) -> int:
    give_up = time.monotonic() + timeout_s
    while time.monotonic() < give_up:
        try:
            return child.wait(_TICK_S)
        except subprocess.TimeoutExpired:
            tick()
    raise WeightsError(f"no end after {timeout_s:.0f} s")


def _tail(log_path: Path) -> str:
    text = log_path.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("[notice]")]
    return _CREDENTIALS.sub("//", " | ".join(lines[-_TAIL_LINES:])) or "no output"
