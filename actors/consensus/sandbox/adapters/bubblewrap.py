"""The sandbox of a replica: warm parents behind a bounded queue, used only while the self-test stands.

Rules:
- Nothing is started for a job unless the proof counts at that moment; every job is then ``unavailable`` and ``state`` says why.
- Each worker thread has one warm parent and runs one job after another; a parent that ended is replaced by the next job.
- A caller that goes away leaves nothing behind: its waiting jobs are dropped, a running one ends at its bound.

Left out: which code to run, what the outcomes mean.
"""

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from actors.base.errors import OperatorError, WeaverGenError
from actors.consensus.sandbox.adapters.interpreter import find_interpreter
from actors.consensus.sandbox.adapters.proof_file import ProofFile
from actors.consensus.sandbox.adapters.proving import Prover
from actors.consensus.sandbox.adapters.warm import SandboxBroken, WarmParent
from actors.consensus.sandbox.config import SandboxConfig
from actors.consensus.sandbox.confinement import Confinement, confinement
from actors.consensus.sandbox.decoding import unmade
from actors.consensus.sandbox.protocol import Job, Ran
from actors.consensus.sandbox.selftest import Proof

_ANOTHER_PROVES_S = 1.0
"""Between two looks for the first proof of another replica that is making it."""
NO_BWRAP = "bubblewrap (bwrap) is not installed"


class BubblewrapSandbox:
    """The ``Sandbox`` of this machine. ``start`` proves it, ``keep_proving`` keeps it proven, ``close`` ends everything."""

    def __init__(
        self,
        config: SandboxConfig,
        shared: Path | None = None,
        bwrap: str = "bwrap",
        monotonic: Callable[[], float] = time.monotonic,
        confine: Callable[[], Confinement] | None = None,
    ) -> None:
        """``shared`` is a folder of this node and user where replicas share their proof; without it each makes its own."""
        self._config = config
        self._shared = ProofFile(shared) if shared else None
        self._wanted = bwrap
        self._monotonic = monotonic
        self._confine = confine or (lambda: confinement(config, find_interpreter()))
        self._reason = "the sandbox's self-test has not been run"
        self._prover: Prover | None = None
        self._proof: Proof | None = None
        self._waiting = 0
        self._counting = threading.Lock()
        self._closed = False
        self._local = threading.local()
        self._parents: list[WarmParent] = []
        self._pool = ThreadPoolExecutor(config.workers, thread_name_prefix="sandbox")
        self._proving = ThreadPoolExecutor(1, thread_name_prefix="sandbox-proof")

    def state(self) -> str:
        """Return in one line why nothing runs, or ``""`` while jobs do run."""
        if self._closed:
            return "the sandbox is closed"
        return self._prover.why_not(self._proof) if self._prover and not self._reason else self._reason

    async def start(self) -> None:
        """Find what the sandbox is made of and prove it; whatever fails is told by ``state``."""
        await asyncio.get_running_loop().run_in_executor(self._proving, self._prove)

    async def keep_proving(self) -> None:
        """Prove anew whenever it is due, until cancelled; look in between whether another replica did."""
        while True:
            another_proves = self._prover is not None and self._proof is None
            await asyncio.sleep(_ANOTHER_PROVES_S if another_proves else self._config.self_test_period_s / 4)
            await self.start()

    async def run(self, jobs: Sequence[Job]) -> list[Ran]:
        """Return what came of each job, in order; those beyond the queue's bound are ``unavailable``."""
        if reason := self.state():
            return [unmade(job, "unavailable", reason) for job in jobs]
        room = max(0, self._config.max_queued - self._waiting)
        futures = [self._queued(job) for job in jobs[:room]]
        done = await asyncio.gather(*futures)
        return [*done, *(unmade(job, "unavailable", "the sandbox's queue is full") for job in jobs[room:])]

    async def close(self) -> None:
        """End every process and thread; jobs under way end as ``crash``, waiting ones are dropped."""
        self._closed = True
        for parent in list(self._parents):
            parent.kill()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, lambda: self._pool.shutdown(cancel_futures=True))
        await loop.run_in_executor(None, lambda: self._proving.shutdown(cancel_futures=True))
        for parent in self._parents:
            parent.close()
        self._parents.clear()

    def _queued(self, job: Job) -> "asyncio.Future[Ran]":
        self._count(1)
        future = self._pool.submit(self._run, job)
        future.add_done_callback(lambda _: self._count(-1))
        return asyncio.wrap_future(future)

    def _count(self, more: int) -> None:
        with self._counting:
            self._waiting += more

    def _run(self, job: Job) -> Ran:
        """Run one job in this thread's warm parent."""
        if (reason := self.state()) or self._prover is None:
            return unmade(job, "unavailable", reason)
        try:
            return self._parent(self._prover).run(job)
        except SandboxBroken as error:
            return unmade(job, "unavailable", str(error))

    def _parent(self, prover: Prover) -> WarmParent:
        """Return this thread's warm parent, started anew if it ended."""
        parent: WarmParent | None = getattr(self._local, "parent", None)
        if parent is not None and parent.alive:
            return parent
        if parent is not None:
            parent.close()
            self._parents.remove(parent)
            self._local.parent = None
        parent = self._local.parent = prover.started()
        self._parents.append(parent)
        return parent

    def _prove(self) -> None:
        try:
            prover = self._prover or self._prepared()
            if prover.due(self._proof):
                self._proof = prover.prove() or self._proof
            self._prover, self._reason = prover, ""
        except WeaverGenError as error:
            self._reason = str(error)

    def _prepared(self) -> Prover:
        found = shutil.which(self._wanted)
        if found is None:
            raise OperatorError(NO_BWRAP)
        return Prover(found, self._confine(), self._config, self._shared, self._monotonic)
