"""Processes that come back."""

import subprocess
from contextlib import ExitStack

from cluster.processes import Process, process


class Stubborn:
    """Something that is started again and again, and what is alive of it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        """Start it once more: it waits for an input that never comes."""
        child = self._stack.enter_context(subprocess.Popen(["cat"], stdin=subprocess.PIPE))  # noqa: S607
        self._stack.callback(child.kill)
        self.started.append(child)
        return child

    def alive(self) -> list[Process]:
        """Return what lives."""
        return [known for child in self.started if (known := process(child.pid))]
