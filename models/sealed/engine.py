"""One engine that is closed off: started, proven, asked over its socket, ended.

Rules:
- Nothing is asked of an engine before its look from inside shows that it is closed off; one that is not is ended at once.
- The listener that the engine must not reach is reached from here first: a proof that could not fail would be none.
- ``check`` tells at any time whether the engine still runs, in a network namespace of its own that leads nowhere, and answers:
  one that nobody asks for a minute is kept warm with one token, which it has to give; one that is busy has to answer somebody.
- The door is the socket that the engine made and nothing that it may have put there instead: a link is not followed. Its folder
  is in the engine's own memory and held from here from the first look on, whatever becomes of the process's number.
- The kernel ends it with the thread that started it, so a killed replica leaves no engine behind.
"""

import asyncio
import contextlib
import json
import os
import platform
import shutil
import socket
import sys
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from models.engine import EngineSettings
from models.errors import VoterEmpty, VoterFailed, VoterTimeout
from models.http1 import ConnectionPool
from models.openai_http import OpenAIHttpVoter
from models.sealed.confinement import FOLDER, LOOK, SOCKET, Python, arguments, environment, serve_arguments
from models.sealed.look import Look, leads_out, why_open
from models.sealed.seccomp import program
from models.voter import Candidate, Message, Sampling, VoterInfo, VoterRequest

T = TypeVar("T")
IDLE_S = 60.0
PROBE_S = 15.0
STUCK_S = 330.0
"""Longer than anybody waits for an answer: an engine that answered nobody for so long, though asked, hangs."""
SCRATCH_MIB = 64
"""What is enough for looking around."""
LOOK_S = 30.0
START_S = 900.0
NO_BWRAP = "bubblewrap (bwrap) is not installed"
_POLL_S = 0.1
_WORDS_BYTES = 2000
_WARM_UP = VoterRequest("warm-up", (Message("user", "Hello"),), Sampling(max_tokens=1, temperature=0.0))
_GPU_DEVICES = ("nvidia*", "kfd", "dri")


class NotSealed(Exception):
    """The engine cannot be closed off here, or is not; the text says why."""


class Sealed:
    """A process of ours behind its barriers; as a context it is ended at the end."""

    def __init__(self, settings: EngineSettings | None, scratch_mib: int = SCRATCH_MIB) -> None:
        """Prepare an engine with these settings; without any it only looks around. ``arguments`` says what ``scratch_mib`` is."""
        self._settings = settings
        self._scratch_mib = scratch_mib
        self._folder: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._inner: int | None = None

    @property
    def folder(self) -> Path:
        """The folder that the engine's socket is in; there is one while it runs."""
        if self._folder is None:
            raise NotSealed("it does not run")
        return Path(f"/proc/self/fd/{self._folder}")

    async def start(self) -> None:
        """Start it and hold it to its look around; raise ``NotSealed``, with nothing left behind, unless it is closed off."""
        try:
            await self._prove()
        except BaseException:
            await self.close()
            raise

    def check(self) -> None:
        """Raise ``NotSealed`` unless it runs, closed off."""
        if self._process is None or self._inner is None or self._process.returncode is not None:
            raise NotSealed("it does not run")
        if self._namespace() == _namespace("self"):
            raise NotSealed("it runs in the network namespace of the machine")
        if out := leads_out(str(self._inner)):
            raise NotSealed(f"a route leads out by the network interface {out[0]}")

    async def close(self) -> None:
        """End it and everything inside; what it wrote goes with it."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None

    async def __aenter__(self) -> Self:
        """Start it."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        await self.close()

    async def _prove(self) -> None:
        bwrap, filter_ = shutil.which("bwrap"), program(platform.machine())
        if bwrap is None:
            raise NotSealed(NO_BWRAP)
        if filter_ is None:
            raise NotSealed(f"no filter of system calls is written for {platform.machine()}")
        try:
            with _listening() as port:
                self._inner = await _within(LOOK_S, self._start(bwrap, filter_, port), "bubblewrap did not start it")
                seen, namespace = await _within(LOOK_S, self._look(), "it said nothing")
        except OSError as error:
            raise NotSealed(f"it cannot be started: {error}") from error
        if reason := why_open(seen, _namespace("self"), namespace):
            raise NotSealed(reason)

    async def _start(self, bwrap: str, filter_: bytes, port: int) -> int:
        """Start it; return the process id of what runs inside, as seen from here."""
        settings = self._settings
        weights, variables = (Path(settings.model_path), settings.env) if settings else (None, {})
        devices = _gpu_devices() if settings and settings.device == "gpu" else ()
        python = python_of_this()
        with _pipe() as (told, tell), _pipe() as (rules, written):
            written.write(filter_)
            written.close()
            self._process = await asyncio.create_subprocess_exec(
                bwrap, "--info-fd", str(tell.fileno()), "--seccomp", str(rules.fileno()),
                *arguments(python, weights, self._scratch_mib, devices), *environment(variables, os.environ), "--",
                python.executable, "-m", "models.sealed.inside", str(port),
                *([json.dumps(serve_arguments(settings))] if settings else []),
                stdin=asyncio.subprocess.DEVNULL, pass_fds=(tell.fileno(), rules.fileno()), cwd="/",
                # What only looks may be started from a terminal, which is none of its business, and has nobody to read its log.
                stderr=None if settings else asyncio.subprocess.PIPE, start_new_session=settings is None,
            )  # fmt: skip
            tell.close()
            info = await _read_all(told)
        try:
            return int(json.loads(info)["child-pid"])
        except (ValueError, KeyError) as error:
            raise NotSealed(f"bubblewrap makes no namespaces here{await self._words()}") from error

    async def _look(self) -> tuple[Look, int]:
        """Return what it saw and its network namespace, which is read before it can have ended."""
        namespace = self._namespace()
        while True:
            self._hold()
            if self._folder is not None and (look := self.folder / LOOK).exists():
                return msgspec.json.decode(look.read_bytes(), type=Look), namespace
            if self._process is None or self._process.returncode is not None:
                raise NotSealed(f"it ended before it looked around{await self._words()}")
            await asyncio.sleep(_POLL_S)

    def _hold(self) -> None:
        """Hold its folder from here, once it has a root of its own with one in it."""
        root = f"/proc/{self._inner}/root"
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if self._folder is None and not Path(root).samefile("/"):
                self._folder = os.open(root + FOLDER, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def _namespace(self) -> int:
        try:
            return _namespace(str(self._inner))
        except FileNotFoundError as error:
            raise NotSealed("it ended") from error
        except OSError as error:
            raise NotSealed(f"its network namespace cannot be read: {error.strerror}") from error

    async def _words(self) -> str:
        """Return the last line of what bubblewrap complained of, where it is kept."""
        if self._process is None or self._process.stderr is None:
            return ", as the log says"
        said = (await self._process.stderr.read(_WORDS_BYTES)).decode("utf-8", "replace").strip()
        return f": {said.splitlines()[-1]}" if said else ""


class SealedEngine:
    """A voter's engine, closed off."""

    def __init__(self, voter: str, settings: EngineSettings, scratch_mib: int) -> None:
        """Prepare it."""
        self._voter, self._settings = voter, settings
        self._sealed = Sealed(settings, scratch_mib)
        self._pool = ConnectionPool(int(settings.engine_kwargs["max_num_seqs"]) * 4)
        self._door: OpenAIHttpVoter | None = None
        self._under_way = 0
        self._answered_s = 0.0
        self._waiting_since_s: float | None = None
        """When somebody first asked, or went on waiting, after its last answer."""

    async def start(self) -> None:
        """Start it, closed off, and let it answer once; raise ``NotSealed`` or ``VoterError`` with the reason."""
        await self._sealed.start()
        settings = self._settings
        info = VoterInfo(self._voter, "", "", int(settings.engine_kwargs["max_model_len"]))
        self._door = OpenAIHttpVoter(
            info, "http://localhost/v1", settings.served_name, None, self._pool, timeout_s=START_S, stop=settings.stop,
            socket_path=self._sealed.folder / SOCKET,
        )  # fmt: skip
        await _within(START_S, self._first_answer(), "it did not answer")

    async def ask(self, request: VoterRequest) -> Candidate:
        """Return one complete candidate or raise ``VoterError``."""
        if self._door is None:
            raise VoterFailed(self._voter, "its engine does not run")
        if self._waiting_since_s is None:
            self._waiting_since_s = time.monotonic()
        self._under_way += 1
        answered = True
        try:
            return await self._door.ask(request)
        except (VoterFailed, VoterTimeout, asyncio.CancelledError):
            answered = False
            raise
        finally:
            self._under_way -= 1
            if answered:  # refusing a request is an answer, too
                self._answered_s = time.monotonic()
                self._waiting_since_s = self._answered_s if self._under_way else None

    async def check(self) -> None:
        """Raise unless it runs, closed off, and answers; one that is not closed off is ended."""
        try:
            self._sealed.check()
        except NotSealed:
            await self.close()
            raise
        now_s = time.monotonic()
        if self._under_way and now_s - (self._waiting_since_s or now_s) > STUCK_S:
            raise VoterFailed(self._voter, f"its engine answered nobody for {STUCK_S:.0f} s")
        if not self._under_way and now_s - self._answered_s > IDLE_S:
            await _within(PROBE_S, self._say_something(), "it did not answer")

    async def close(self) -> None:
        """End it."""
        self._door = None
        self._pool.close()
        await self._sealed.close()

    async def _first_answer(self) -> None:
        while True:
            try:
                return await self._say_something()
            except VoterFailed:  # it does not listen yet
                self._sealed.check()
                await asyncio.sleep(_POLL_S)

    async def _say_something(self) -> None:
        with contextlib.suppress(VoterEmpty):  # a token may be the end of the text
            await self.ask(_WARM_UP)


async def why_not() -> str:
    """Return in one line why no engine can be closed off on this machine; empty if one can."""
    try:
        async with Sealed(None):
            return ""
    except NotSealed as error:
        return str(error)


def python_of_this() -> Python:
    """Return the Python that runs here."""
    package = Path(__file__).resolve().parents[1]
    return Python(sys.executable, (sys.prefix, sys.base_prefix), str(package))


def _gpu_devices() -> tuple[str, ...]:
    return tuple(sorted(str(path) for pattern in _GPU_DEVICES for path in Path("/dev").glob(pattern)))


@contextmanager
def _listening() -> Iterator[int]:
    """Listen on the loopback address; yield the port, once it was reached from here."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
        socket.create_connection(("127.0.0.1", port), LOOK_S).close()
        yield port


@contextmanager
def _pipe() -> Iterator[tuple[FileIO, FileIO]]:
    """Yield both ends of a pipe and close what is still open of it."""
    read, write = os.pipe()
    with FileIO(read, "rb") as out, FileIO(write, "wb") as into:
        yield out, into


def _namespace(process: str) -> int:
    return Path("/proc", process, "ns", "net").stat().st_ino


async def _read_all(pipe: FileIO) -> bytes:
    """Read a pipe to its end, without a thread that could not be called back."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        return await reader.read()
    finally:
        transport.close()


async def _within(seconds: float, done: Awaitable[T], otherwise: str) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await done
    except TimeoutError as error:
        raise NotSealed(f"{otherwise} within {seconds:g} s") from error
