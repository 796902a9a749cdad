"""One warm parent: a bubblewrap process with the harness inside, spoken to over two pipes with deadlines.

Rules:
- It is started by, spoken to and ended in one thread: the kernel ends it with that thread.
- Whatever goes wrong with the pipes ends the process, and with it everything inside; the next job starts another.

Left out: whether it may be used now (``bubblewrap``), what the frames mean (``decoding``).
"""

import contextlib
import json
import os
import select
import struct
import subprocess
import time
from pathlib import Path

from actors.base.errors import UnavailableError
from actors.consensus.sandbox.config import SandboxConfig
from actors.consensus.sandbox.confinement import Confinement
from actors.consensus.sandbox.decoding import Frame, read, unmade
from actors.consensus.sandbox.protocol import Job, Ran

HARNESS = Path(__file__).with_name("harness.py")
_COMPLAINT_BYTES = 2000
_LETTERS = frozenset(b"HRTCE")


class SandboxBroken(UnavailableError):
    """The warm parent does not start, or ended."""


class WarmParent:
    """A started sandbox; ``run`` one job at a time."""

    def __init__(
        self,
        bwrap: str,
        confined: Confinement,
        config: SandboxConfig,
        source: str | None = None,
    ) -> None:
        """Start it with ``source`` as the harness, by default the one beside this module.

        Raises ``SandboxBroken`` if it is not ready in time.
        """
        self._config = config
        harness = HARNESS.read_text() if source is None else source
        command = [bwrap, *confined.arguments, "--", *confined.command, harness, json.dumps(confined.settings)]
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(  # noqa: S603 - no shell, every word is ours
                command, stdin=pipe, stdout=pipe, stderr=pipe, env={}, cwd="/", start_new_session=True, bufsize=0
            )
        except OSError as error:
            raise SandboxBroken(f"bubblewrap cannot be started: {error.strerror}") from error
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            os.set_blocking(stream.fileno(), False)  # type: ignore[union-attr]
        try:
            self.landlock_abi = int(self._frame(self._deadline(config.start_ms)).content)
        except (SandboxBroken, TimeoutError, ValueError) as error:
            complaint = self._complaint()
            self.close()
            raise SandboxBroken(f"the warm parent did not start: {complaint or type(error).__name__}") from error

    @property
    def alive(self) -> bool:
        """Whether it can take a job."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of bubblewrap itself, outside."""
        return self._process.pid

    def run(self, job: Job) -> Ran:
        """Run one job; one that is out of bounds is ``failed`` without being run."""
        try:
            data = self._packed(job)
        except ValueError as error:
            return unmade(job, "failed", str(error))
        frames: list[Frame] = []
        try:
            deadline = self._deadline(self._config.job_ms + self._config.spare_ms)
            self._write(data, deadline)
            left = self._config.output_bytes
            while (frame := self._frame(deadline, left)).letter != b"E":
                left -= len(frame.content)
                frames.append(frame)
                if len(frames) > len(job.calls) + 2:
                    raise SandboxBroken("the warm parent wrote more than was asked for")
        except TimeoutError:
            self.close()
            frames.append(Frame(b"T"))
        except SandboxBroken:
            self.close()
            frames.append(Frame(b"C"))
        return read(job, frames)

    def kill(self) -> None:
        """End it and everything inside, from any thread; ``run`` then returns."""
        self._process.kill()

    def close(self) -> None:
        """End it and everything inside; return when it is gone."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()  # type: ignore[union-attr]

    def _deadline(self, allowed_ms: int) -> float:
        return time.monotonic() + allowed_ms / 1000

    def _packed(self, job: Job) -> bytes:
        """Return the job as the harness reads it; raise ``ValueError`` with the reason if it is out of bounds."""
        try:
            code, calls = job.code.encode(), [call.encode() for call in job.calls]
        except UnicodeEncodeError as error:
            raise ValueError("the code is no text: it has lone surrogates") from error
        if len(code) > self._config.max_code_bytes or len(calls) > self._config.max_calls:
            raise ValueError("more code or calls than the sandbox takes")
        if max(map(len, calls), default=0) > self._config.max_call_bytes:
            raise ValueError("a longer call than the sandbox takes")
        fields = [struct.pack("<I", len(field)) + field for field in (code, *calls)]
        return b"".join([fields[0], struct.pack("<I", len(calls)), *fields[1:]])

    def _write(self, data: bytes, deadline: float) -> None:
        descriptor = self._process.stdin.fileno()  # type: ignore[union-attr]
        view = memoryview(data)
        while view:
            self._await(descriptor, select.POLLOUT, deadline)
            try:
                view = view[os.write(descriptor, view) :]
            except OSError as error:
                raise SandboxBroken("the warm parent ended") from error

    def _frame(self, deadline: float, longest: int = 0) -> Frame:
        """Return the next frame; one longer than ``longest`` is treated as the end of the warm parent."""
        head = self._read(5, deadline)
        length = struct.unpack("<I", head[1:])[0]
        if head[0] not in _LETTERS or length > max(longest, 16):
            raise SandboxBroken("the warm parent wrote what is no frame")
        return Frame(head[:1], self._read(length, deadline))

    def _read(self, length: int, deadline: float) -> bytes:
        descriptor = self._process.stdout.fileno()  # type: ignore[union-attr]
        parts: list[bytes] = []
        while length:
            self._await(descriptor, select.POLLIN, deadline)
            part = os.read(descriptor, min(length, 65_536))
            if not part:
                raise SandboxBroken("the warm parent ended")
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _await(self, descriptor: int, event: int, deadline: float) -> None:
        """Wait until a pipe is ready; raise ``TimeoutError`` at ``deadline``."""
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError

    def _complaint(self) -> str:
        """Return the last line that bubblewrap or the interpreter wrote to standard error."""
        with contextlib.suppress(BlockingIOError):
            text = os.read(self._process.stderr.fileno(), _COMPLAINT_BYTES)  # type: ignore[union-attr]
            lines = text.decode(errors="replace").strip().splitlines()
            return lines[-1][:200] if lines else ""
        return ""
