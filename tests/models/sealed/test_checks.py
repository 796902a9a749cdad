"""When a closed-off engine counts as hung: with a door behind which somebody answers, or nobody."""

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from models.catalog import load_catalog
from models.engine import engine_settings
from models.errors import VoterFailed, VoterTooLong
from models.http1 import CannotConnect, ConnectionPool, Endpoint
from models.sealed import engine as sealing
from models.sealed.engine import NotSealed, SealedEngine
from models.voter import Candidate, Message, Sampling, VoterRequest

REQUEST = VoterRequest("r", (Message("user", "hello"),), Sampling(max_tokens=8))


class Door:
    """Answers, refuses, or keeps everybody waiting."""

    def __init__(self) -> None:
        self.silent, self.asked = False, 0
        self.refusal: Exception | None = None

    async def ask(self, _: VoterRequest) -> Candidate:
        """Do what it is set to."""
        self.asked += 1
        if self.silent:
            await asyncio.Event().wait()
        if self.refusal is not None:
            raise self.refusal
        return Candidate("yes", "stop", 1, 1)


class Clock:
    """Time that is told what it is."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        """Return it."""
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Take the place of the engine's clock, and make probes short."""
    made = Clock()
    monkeypatch.setattr(sealing, "time", made)
    monkeypatch.setattr(sealing, "PROBE_S", 0.01)
    return made


@pytest.fixture
async def engine(clock: Clock) -> AsyncIterator[Any]:
    """Return an engine whose process is well and whose door is the test's."""
    settings = engine_settings(load_catalog().entry("smollm2-135m-instruct"), Path("/m"), "cpu")
    made: Any = SealedEngine("v", settings, 64)
    made._door, made._sealed.check = Door(), lambda: None
    made._answered_s = clock.now_s
    yield made
    await made.close()


async def test_an_engine_that_gives_no_token_fails_every_check_until_it_does(engine: Any, clock: Clock) -> None:
    """One check that failed does not make the next one pass: Serve wants three in a row."""
    engine._door.silent = True
    clock.now_s += 61
    for _ in range(3):
        with pytest.raises(NotSealed, match="did not answer"):
            await engine.check()
        clock.now_s += 5
    engine._door.silent = False
    await engine.check()
    assert engine._door.asked == 4
    await engine.check()
    assert engine._door.asked == 4


async def test_a_busy_engine_is_not_probed_and_fails_only_when_it_answers_nobody(engine: Any, clock: Clock) -> None:
    """Long answers are no sign of death; nobody answered for longer than anybody waits is."""
    engine._door.silent = True
    waiting = [asyncio.create_task(engine.ask(REQUEST)) for _ in range(2)]
    await asyncio.sleep(0)
    for passed_s in (100, 200):
        clock.now_s += passed_s
        await engine.check()
    assert engine._door.asked == 2
    clock.now_s += 31
    with pytest.raises(VoterFailed, match="answered nobody for 330 s"):
        await engine.check()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_an_answer_to_one_gives_the_others_time_and_no_more(engine: Any, clock: Clock) -> None:
    """Whoever goes on waiting is waited with from the last answer on."""
    engine._door.silent = True
    waiting = asyncio.create_task(engine.ask(REQUEST))
    await asyncio.sleep(0)
    clock.now_s += 300
    engine._door.silent = False
    await engine.ask(REQUEST)
    clock.now_s += 300
    await engine.check()
    clock.now_s += 31
    with pytest.raises(VoterFailed, match="answered nobody"):
        await engine.check()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_asks_that_fail_one_after_the_other_hide_nothing(engine: Any, clock: Clock) -> None:
    """Between two of them it is idle, and has not answered for a minute."""
    engine._door.refusal = VoterFailed("v", "broke off")
    for _ in range(4):
        clock.now_s += 20
        with pytest.raises(VoterFailed):
            await engine.ask(REQUEST)
    with pytest.raises(VoterFailed):
        await engine.check()
    engine._door.refusal = VoterTooLong("v", "too long")  # that is an answer
    with pytest.raises(VoterTooLong):
        await engine.ask(REQUEST)
    asked = engine._door.asked
    await engine.check()
    assert engine._door.asked == asked


async def test_a_link_in_the_place_of_the_socket_is_not_followed(tmp_path: Path) -> None:
    """Whoever can write the folder could have us ask somebody else."""
    folder = tmp_path / ("long" * 30)  # and a path may be longer than a socket's address
    folder.mkdir()
    answered = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answered)
        writer.close()

    server = await asyncio.start_unix_server(answer, str(tmp_path / "s"))
    (tmp_path / "s").rename(folder / "real.sock")
    (folder / "link.sock").symlink_to(folder / "real.sock")
    pool = ConnectionPool(1)
    try:
        assert stat.S_ISSOCK((folder / "real.sock").lstat().st_mode)
        endpoint = Endpoint("http://localhost/x", {}, folder / "real.sock")
        assert (await pool.post(endpoint, b"{}", 5, 100)).body == b"{}"
        for name in ("link.sock", "none.sock"):
            with pytest.raises(CannotConnect):
                await pool.post(Endpoint("http://localhost/x", {}, folder / name), b"{}", 5, 100)
    finally:
        pool.close()
        server.close()
