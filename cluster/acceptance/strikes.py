"""A child lives a story on files, and is struck at one of its steps: killed, refused space, made to wait.

Rules:
- The child is a fork of a process that has one thread and has opened no table: libraries with threads do not survive a fork.
- A step is known by its effect's shape and how many of that shape came before it, whatever other threads do meanwhile.
- What the child tells comes through a pipe: what it told before it was killed is what others may rely on.

Left out: which story, which steps, what is looked at afterwards.
"""

import contextlib
import heapq
import json
import os
import signal
import socket
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.acceptance.effects import Effect, do_half, effect_of
from cluster.acceptance.syscalls import Call, Ended, NeverBegun, Watched, die_with_parent, watch_me

Tell = Callable[[str, str], None]
"""Takes a word and what it is about."""
Story = Callable[[Path, Tell], None]
FAILED = "failed"
"""The word with which a story ends that raised."""
MAX_S = 600.0
"""How long a story may take."""


@dataclass(frozen=True, slots=True)
class Step:
    """An effect that is about to be."""

    shape: str
    nth: int
    """How many of that shape came before."""
    effect: Effect
    told: tuple[tuple[str, str], ...]
    """What the child had told by then."""

    @property
    def key(self) -> tuple[str, int]:
        """Return what it is known by in every run."""
        return self.shape, self.nth


@dataclass(frozen=True, slots=True)
class Do:
    """What is done at a step: nothing, unless one of these is given."""

    kill: bool = False
    tear: bool = False
    """Half of it is done first."""
    error: int = 0
    """It fails with that, and is not done."""
    hold_s: float = 0.0
    """It is done so much later."""


GO_ON = Do()
Plan = Callable[[Step], Do]


@dataclass(slots=True)
class Ran:
    """What came of it."""

    steps: list[tuple[str, int]] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    killed: bool = False
    status: int = 0
    """With which it ended by itself."""
    struck: int = 0
    """Steps that did not simply go on."""

    def said(self, word: str) -> list[str]:
        """Return what was told with a word."""
        return [about for said, about in self.told if said == word]


class _Pipe:
    """What a child tells, a line at a time."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self._rest = b""
        self.told: list[tuple[str, str]] = []

    def drain(self) -> None:
        """Take what is there."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.reader, 1 << 16):
                *lines, self._rest = (self._rest + data).split(b"\n")
                self.told += [(word, about) for word, _, about in (line.decode().partition(" ") for line in lines)]


def struck(story: Story, root: Path, plan: Plan) -> Ran:
    """Have a child live the story below ``root``, and do at each step what the plan says."""
    pipe, (ours, theirs) = _Pipe(), socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _live(story, root, theirs, pipe.writer)
    theirs.close()
    os.close(pipe.writer)
    try:
        return _Run(Watched(pid, ours), root, plan, pipe).whole()
    except NeverBegun as error:
        os.waitpid(pid, 0)
        pipe.drain()
        raise RuntimeError(f"a child could not be watched: {pipe.told}") from error
    finally:
        os.close(pipe.reader)


def _live(story: Story, root: Path, watcher: socket.socket, pipe: int) -> None:
    def tell(word: str, about: str) -> None:
        os.write(pipe, f"{word} {about}\n".encode())

    status = 1
    try:
        watch_me(watcher)
        story(root, tell)
        status = 0
    except BaseException:  # noqa: BLE001 - a forked child must not return into its parent's work
        tell(FAILED, traceback.format_exc().replace("\n", " | "))
    finally:
        os._exit(status)


class _Run:
    """One child and its watcher."""

    def __init__(self, watched: Watched, root: Path, plan: Plan, pipe: _Pipe) -> None:
        self._watched, self._root, self._plan, self._pipe = watched, root, plan, pipe
        self._seen: Counter[str] = Counter()
        self._held: list[tuple[float, int, Call]] = []
        self._ran = Ran(told=pipe.told)

    def whole(self) -> Ran:
        """Answer until the child is gone."""
        give_up = time.monotonic() + MAX_S
        try:
            while time.monotonic() < give_up:
                call = self._watched.next(self._wait_s(give_up))
                self._release()
                if call is not None and not self._goes_on(call):
                    self._watched.kill()
                    self._ran.killed = True
                    break
            else:
                self._watched.kill()
                self._pipe.told.append((FAILED, f"the story took more than {MAX_S:.0f} s"))
        except Ended:
            self._ran.status = os.waitstatus_to_exitcode(os.waitpid(self._watched.pid, 0)[1])
        finally:
            self._watched.close()
        self._pipe.drain()
        return self._ran

    def _wait_s(self, give_up: float) -> float:
        until = min(give_up, self._held[0][0] if self._held else give_up)
        return max(0.0, until - time.monotonic()) + 0.001

    def _release(self) -> None:
        while self._held and self._held[0][0] <= time.monotonic():
            self._watched.go_on(heapq.heappop(self._held)[2])

    def _goes_on(self, call: Call) -> bool:
        """Answer a call; return False if the child is to be killed before it is made."""
        self._pipe.drain()
        try:
            effect = effect_of(call, self._watched, self._root)
        except FileNotFoundError:  # whoever makes it is gone meanwhile, or its file is closed: it changes nothing
            effect = None
        if effect is None:
            self._watched.go_on(call)
            return True
        shape = effect.shape(self._root)
        step = Step(shape, self._seen[shape], effect, tuple(self._pipe.told))
        self._seen[shape] += 1
        self._ran.steps.append(step.key)
        do = self._plan(step)
        self._ran.struck += do != GO_ON
        if do.tear:
            do_half(call, self._watched)
        if do.kill:
            return False
        if do.error:
            self._watched.fail(call, do.error)
        elif do.hold_s:
            heapq.heappush(self._held, (time.monotonic() + do.hold_s, call.id, call))
        else:
            self._watched.go_on(call)
        return True


def apart(work: Callable[[], Any]) -> Any:  # noqa: ANN401 - plain values, whatever they are
    """Do something in a child of its own and return what it returns, by way of JSON; raise ``RuntimeError`` if it fails."""
    return Apart(work, int(MAX_S)).result()


class Apart:
    """Something that a child does."""

    def __init__(self, work: Callable[[], Any], max_s: int) -> None:
        """Begin it; after ``max_s`` it is ended."""
        reader, writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(reader)
            die_with_parent()
            signal.alarm(max_s)
            _answer(work, writer)
        os.close(writer)
        self._reader = reader
        self._ended = False

    def result(self) -> Any:  # noqa: ANN401 - plain values, whatever they are
        """Wait for it, and return what it returned; raise ``RuntimeError`` if it failed."""
        with os.fdopen(self._reader, "rb") as file:
            data = file.read()
        _, status = os.waitpid(self._pid, 0)
        self._ended = True
        if not data:
            raise RuntimeError(f"a child ended with status {status} and said nothing")
        done, found = json.loads(data)
        if not done:
            raise RuntimeError(f"a child failed: {found}")
        return found

    def end(self) -> None:
        """End it, unless it has ended, and with it whatever it is forking."""
        if not self._ended:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._ended = True


def _answer(work: Callable[[], Any], writer: int) -> None:
    try:
        try:
            answer = json.dumps([True, work()])
        except BaseException:  # noqa: BLE001 - a forked child must not return into its parent's work
            answer = json.dumps([False, traceback.format_exc()])
        with os.fdopen(writer, "wb") as file:
            file.write(answer.encode())
    finally:
        os._exit(0)
