"""The sandbox of a replica: nothing runs unproven, and callers come and go."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.consensus.sandbox.adapters.bubblewrap import NO_BWRAP, BubblewrapSandbox
from actors.consensus.sandbox.confinement import Confinement, Interpreter, confinement
from actors.consensus.sandbox.protocol import Job, Ran
from tests.shells.actors.consensus.sandbox.conftest import STEADY as CONFIG
from tests.shells.actors.consensus.sandbox.conftest import Ticks, vouch

GOOD = Job("def f(x): return x * 2", ("f(21)",))
ENDLESS = Job("while True: pass", ())


@pytest.fixture(scope="session")
def confined(interpreter: Interpreter) -> Confinement:
    """Every barrier, and time to spare."""
    return confinement(CONFIG, interpreter)


@pytest.fixture(scope="session")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the folder in which the sandboxes of these tests share their proof, as replicas do."""
    return tmp_path_factory.mktemp("proofs")


@pytest.fixture
async def sandbox(confined: Confinement, proofs: Path) -> AsyncIterator[BubblewrapSandbox]:
    """Start a sandbox that is proven."""
    made = BubblewrapSandbox(CONFIG, shared=proofs, confine=lambda: confined)
    await made.start()
    assert made.state() == ""
    yield made
    await made.close()


def values(done: list[Ran]) -> list[object]:
    """Return the first value of each job."""
    return [ran.calls[0].value for ran in done]


def running_still(pid: int) -> bool:
    """Tell whether a process is there, dead or alive."""
    return Path(f"/proc/{pid}").exists()


async def test_jobs_come_back_in_order(sandbox: BubblewrapSandbox) -> None:
    """Each job has its outcome in its place, whatever another did."""
    done = await sandbox.run([GOOD, ENDLESS, Job("import os\nos._exit(1)", ()), GOOD])
    assert [ran.end for ran in done] == ["ran", "timeout", "crash", "ran"]
    assert values([done[0], done[3]]) == [["i", "42"], ["i", "42"]]


async def test_nothing_runs_before_the_self_test(confined: Confinement) -> None:
    """Without a proof every job is unavailable and no process is started."""
    sandbox = BubblewrapSandbox(CONFIG, confine=lambda: confined)
    done = await sandbox.run([GOOD])
    assert (done[0].end, done[0].calls[0].end, done[0].detail) == ("unavailable", "not_run", sandbox.state())
    assert "not been run" in sandbox.state()
    assert sandbox._parents == []
    await sandbox.close()


async def test_nothing_runs_without_bubblewrap() -> None:
    """Where it is not installed, ``state`` says so in one line."""
    sandbox = BubblewrapSandbox(CONFIG, bwrap="no-such-bwrap")
    await sandbox.start()
    assert sandbox.state() == NO_BWRAP
    assert (await sandbox.run([GOOD]))[0].end == "unavailable"
    await sandbox.close()


async def test_nothing_runs_after_a_failed_self_test(confined: Confinement) -> None:
    """A barrier that does not hold closes the sandbox and is named."""
    settings = confined.settings | {"readable": None}
    sandbox = BubblewrapSandbox(CONFIG, confine=lambda: dataclasses.replace(confined, settings=settings))
    await sandbox.start()
    assert "nothing can be written" in sandbox.state()
    assert (await sandbox.run([GOOD]))[0].end == "unavailable"
    assert sandbox._parents == []
    await sandbox.close()


async def test_nothing_runs_once_the_proof_is_stale(confined: Confinement, bwrap: str, tmp_path: Path) -> None:
    """A proof counts until its expiry; proving again opens the sandbox again."""
    ticks = Ticks(50.0)
    shared = vouch(tmp_path, confined, bwrap, ticks.now_s)
    sandbox = BubblewrapSandbox(CONFIG, shared=shared, confine=lambda: confined, monotonic=ticks)
    await sandbox.start()
    ticks.now_s += CONFIG.self_test_expiry_s - 1
    assert values(await sandbox.run([GOOD])) == [["i", "42"]]
    ticks.now_s += 1
    assert (await sandbox.run([GOOD]))[0].end == "unavailable"
    assert "older than" in sandbox.state()
    await sandbox.start()
    assert values(await sandbox.run([GOOD])) == [["i", "42"]]
    await sandbox.close()


async def test_each_look_at_the_proof_stops_a_job_by_itself(confined: Confinement, bwrap: str, tmp_path: Path) -> None:
    """A job is not queued without a proof, and one that was queued before the proof went stale is not begun."""
    ticks = Ticks(50.0)
    shared = vouch(tmp_path, confined, bwrap, ticks.now_s)
    sandbox = BubblewrapSandbox(CONFIG, shared=shared, confine=lambda: confined, monotonic=ticks)
    await sandbox.start()
    assert sandbox.state() == ""
    ticks.now_s += CONFIG.self_test_expiry_s
    begun: list[Job] = []
    queued, sandbox._queued = sandbox._queued, begun.append  # type: ignore[method-assign,assignment]
    assert (await sandbox.run([GOOD]))[0].end == "unavailable"
    assert begun == []
    sandbox._queued = queued  # type: ignore[method-assign]
    assert (await sandbox._queued(GOOD)).end == "unavailable"
    await sandbox.close()


async def test_a_folder_that_cannot_be_shared_is_said(confined: Confinement, tmp_path: Path) -> None:
    """Where the proof cannot be kept, nothing runs and the reason is told."""
    sandbox = BubblewrapSandbox(CONFIG, shared=tmp_path / "missing", confine=lambda: confined)
    await sandbox.start()
    assert "cannot be locked" in sandbox.state()
    await sandbox.close()


async def test_a_cancelled_caller_wedges_nothing(sandbox: BubblewrapSandbox) -> None:
    """Its waiting jobs are dropped and the next caller is served."""
    caller = asyncio.create_task(sandbox.run([ENDLESS] * 50))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    async with asyncio.timeout(20):
        assert values(await sandbox.run([GOOD])) == [["i", "42"]]
    assert sandbox._waiting == 0


async def test_the_queue_is_bounded(confined: Confinement, proofs: Path) -> None:
    """Jobs beyond the bound are unavailable at once; those within it run."""
    config = CONFIG.model_copy(update={"max_queued": 2})
    sandbox = BubblewrapSandbox(config, shared=proofs, confine=lambda: confined)
    await sandbox.start()
    done = await sandbox.run([GOOD] * 4)
    assert [ran.end for ran in done] == ["ran", "ran", "unavailable", "unavailable"]
    assert "full" in done[3].detail
    assert [ran.end for ran in await sandbox.run([GOOD])] == ["ran"]
    await sandbox.close()


async def test_a_parent_that_died_is_replaced(sandbox: BubblewrapSandbox) -> None:
    """The next job starts another and loses nothing."""
    await sandbox.run([GOOD])
    first = sandbox._parents[0]
    first.kill()
    assert values(await sandbox.run([GOOD])) == [["i", "42"]]
    assert sandbox._parents != [first]
    assert len(sandbox._parents) == 1


async def test_closing_ends_what_is_under_way(confined: Confinement, bwrap: str, tmp_path: Path) -> None:
    """A running job ends, nothing runs afterwards, and no process is left."""
    slow = CONFIG.model_copy(update={"call_ms": 5000, "job_ms": 20_000})
    slowly = dataclasses.replace(confined, settings=confined.settings | {"call_ms": 5000, "job_ms": 20_000})
    shared = vouch(tmp_path, slowly, bwrap, time.monotonic())
    sandbox = BubblewrapSandbox(slow, shared=shared, confine=lambda: slowly)
    await sandbox.start()
    assert values(await sandbox.run([GOOD])) == [["i", "42"]]
    pid = sandbox._parents[0].pid
    running = asyncio.create_task(sandbox.run([ENDLESS]))
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await sandbox.close()
    assert (await running)[0].end in {"crash", "unavailable"}
    assert not running_still(pid)
    assert sandbox.state() == "the sandbox is closed"


async def test_workers_run_beside_each_other(confined: Confinement, proofs: Path) -> None:
    """Two workers have a warm parent each, and an endless job holds up only its own."""
    sandbox = BubblewrapSandbox(CONFIG.model_copy(update={"workers": 2}), shared=proofs, confine=lambda: confined)
    await sandbox.start()
    done = await sandbox.run([ENDLESS, GOOD, GOOD, GOOD])
    assert [ran.end for ran in done] == ["timeout", "ran", "ran", "ran"]
    assert len(sandbox._parents) == 2
    await sandbox.close()


async def test_the_proof_is_renewed(confined: Confinement, bwrap: str, tmp_path: Path) -> None:
    """``keep_proving`` proves again when a period has passed, until it is cancelled."""
    ticks = Ticks(10.0)
    config = CONFIG.model_copy(update={"self_test_period_s": 0.01})
    shared = vouch(tmp_path, confined, bwrap, ticks.now_s)
    sandbox = BubblewrapSandbox(config, shared=shared, confine=lambda: confined, monotonic=ticks)
    await sandbox.start()
    ticks.now_s += CONFIG.self_test_expiry_s
    assert sandbox.state() != ""
    keeping = asyncio.create_task(sandbox.keep_proving())
    async with asyncio.timeout(20):
        while sandbox.state():  # noqa: ASYNC110 - it has no event to wait on
            await asyncio.sleep(0)
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    await sandbox.close()
