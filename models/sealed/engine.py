"""One engine that is closed off: started, proven, asked over its socket, ended.

Rules:
- Nothing is asked of an engine before its look from inside shows that it is closed off; one that is not is ended at once.
- The listener that the engine must not reach is reached from here first: a proof that could not fail would be none.
- ``check`` tells at any time whether the engine still runs, and still in a network namespace of its own.
- It is kept warm: one that nobody asked for a minute is asked for one token, and has to give it.
- The kernel ends it with the thread that started it, so a killed replica leaves no engine behind.
"""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from models.engine import EngineSettings
from models.errors import VoterEmpty, VoterFailed
from models.http1 import ConnectionPool
from models.openai_http import OpenAIHttpVoter
from models.sealed.confinement import LOOK, SOCKET, Python, arguments, environment, serve_arguments
from models.sealed.look import Look, why_open
from models.voter import Candidate, Message, Sampling, VoterInfo, VoterRequest

T = TypeVar("T")
IDLE_S = 60.0
LOOK_S = 30.0
START_S = 900.0
_POLL_S = 0.1
_WARM_UP = VoterRequest("warm-up", (Message("user", "Hello"),), Sampling(max_tokens=1, temperature=0.0))
NO_BWRAP = "bubblewrap (bwrap) is not installed"


class NotSealed(Exception):
    """The engine cannot be closed off here, or is not; the text says why."""


class Sealed:
    """A process of ours behind its barriers; as a context it is ended at the end."""

    def __init__(self, settings: EngineSettings | None, place: Path | None = None) -> None:
        """Prepare an engine with these settings, its folder in ``place``; without settings it only looks around and ends."""
        self._settings = settings
        self._folder = Path(tempfile.mkdtemp(prefix="engine-", dir=place))
        self._process: asyncio.subprocess.Process | None = None
        self._inner: int | None = None

    @property
    def socket(self) -> Path:
        """The engine's only door."""
        return self._folder / SOCKET

    async def start(self) -> None:
        """Start it and hold it to its look around; raise ``NotSealed`` unless it is closed off."""
        bwrap = shutil.which("bwrap")
        if bwrap is None:
            raise NotSealed(NO_BWRAP)
        try:
            with _listening() as port:
                self._inner = await self._start(bwrap, port)
                seen, namespace = await _within(LOOK_S, self._look(), "it said nothing")
        except OSError as error:
            raise NotSealed(f"bubblewrap cannot be started: {error.strerror}") from error
        if reason := why_open(seen, _namespace("self"), namespace):
            raise NotSealed(reason)

    def check(self) -> None:
        """Raise ``NotSealed`` unless it runs, closed off."""
        if self._process is None or self._inner is None or self._process.returncode is not None:
            raise NotSealed("it does not run")
        try:
            namespace = _namespace(str(self._inner))
        except OSError as error:
            raise NotSealed("its process is gone") from error
        if namespace == _namespace("self"):
            raise NotSealed("it runs in the network namespace of the machine")

    async def close(self) -> None:
        """End it and everything inside, and remove its folder."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def __aenter__(self) -> Self:
        """Start it."""
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        await self.close()

    async def _start(self, bwrap: str, port: int) -> int:
        """Start it; return the process id of what runs inside, as seen from here."""
        settings = self._settings
        weights, variables = (Path(settings.model_path), settings.env) if settings else (None, {})
        python = python_of_this()
        read, write = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                bwrap, "--info-fd", str(write),
                *arguments(python, self._folder, weights, gpu=settings is not None and settings.device == "gpu"),
                *environment(variables, os.environ), "--",
                python.executable, "-m", "models.sealed.inside", str(port),
                *([json.dumps(serve_arguments(settings))] if settings else []),
                stdin=asyncio.subprocess.DEVNULL, pass_fds=(write,), cwd="/",
            )  # fmt: skip
        finally:
            os.close(write)
            told = await asyncio.to_thread(_read_all, read)
        try:
            return int(json.loads(told)["child-pid"])
        except (ValueError, KeyError) as error:
            raise NotSealed("bubblewrap makes no namespaces here (its words are in the log)") from error

    async def _look(self) -> tuple[Look, int]:
        """Return what it saw and its network namespace, which is read before it can have ended."""
        try:
            namespace = _namespace(str(self._inner))
        except OSError as error:
            raise NotSealed("it ended at once (its words are in the log)") from error
        while True:
            with contextlib.suppress(FileNotFoundError):
                return msgspec.json.decode((self._folder / LOOK).read_bytes(), type=Look), namespace
            if self._process is None or self._process.returncode is not None:
                raise NotSealed("it ended before it looked around (its words are in the log)")
            await asyncio.sleep(_POLL_S)


class SealedEngine:
    """A voter's engine, closed off."""

    def __init__(self, voter: str, settings: EngineSettings, place: Path | None = None) -> None:
        """``place`` is a folder of ours with a short path: a socket's has at most 107 bytes."""
        self._sealed = Sealed(settings, place)
        self._pool = ConnectionPool(int(settings.engine_kwargs["max_num_seqs"]) * 4)
        info = VoterInfo(voter, "", "", int(settings.engine_kwargs["max_model_len"]))
        self._door = OpenAIHttpVoter(
            info, "http://localhost/v1", settings.served_name, None, self._pool, timeout_s=START_S, stop=settings.stop,
            socket_path=self._sealed.socket,
        )  # fmt: skip
        self._asked_s = 0.0

    async def start(self) -> None:
        """Start it, closed off, and let it answer once; raise ``NotSealed`` or ``VoterError`` with the reason."""
        await self._sealed.start()
        await _within(START_S, self._first_answer(), "it did not answer")

    async def ask(self, request: VoterRequest) -> Candidate:
        """Return one complete candidate or raise ``VoterError``."""
        self._asked_s = time.monotonic()
        return await self._door.ask(request)

    async def check(self) -> None:
        """Raise unless it runs, closed off, and answers; cancelled where that takes too long."""
        self._sealed.check()
        if time.monotonic() - self._asked_s > IDLE_S:
            await self._say_something()

    async def close(self) -> None:
        """End it."""
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
        with contextlib.suppress(VoterEmpty):
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


@contextmanager
def _listening() -> Iterator[int]:
    """Listen on the loopback address; yield the port, once it was reached from here."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
        socket.create_connection(("127.0.0.1", port), LOOK_S).close()
        yield port


def _namespace(process: str) -> int:
    return Path("/proc", process, "ns", "net").stat().st_ino


def _read_all(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


async def _within(seconds: float, done: Awaitable[T], otherwise: str) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await done
    except TimeoutError as error:
        raise NotSealed(f"{otherwise} within {seconds:g} s") from error
