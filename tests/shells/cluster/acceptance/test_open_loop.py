"""The generator's requests do not wait for answers: against real servers, and as the process that campaigns start."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from cluster.acceptance.arrivals import poisson
from cluster.acceptance.driven import driven, empty_server
from cluster.acceptance.open_loop import Generator, _Link, requests
from cluster.acceptance.sent import Plan, Report

OK = b"HTTP/1.1 200 OK\r\nX-Weavergen-Decision: d1\r\nX-Weavergen-Degraded: false\r\nContent-Length: 2\r\n\r\n{}"
BODY = b'{"error": {"code": "overloaded"}}'
BUSY = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def plan(url: str, due_s: list[float], **more: object) -> Plan:
    """Return requests that are due then."""
    settings = {"timeout_s": 5.0, "max_connections": 64, "bodies": ["{}"], "headers": {}} | more
    return Plan(url=url, due_s=due_s, numbers=list(range(len(due_s))), **settings)  # type: ignore[arg-type]


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[str]:
    """Run a server that reads one request after the other and lets ``answer`` do the rest; yield its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1/x"


def saying(data: bytes) -> Answer:
    """Return an answer of these bytes."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return answer


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Say nothing until the client has left."""
    await reader.read()


async def ran(answer: Answer, due_s: list[float], **more: object) -> Report:
    """Follow a plan against a server with that answer."""
    async with server(answer) as url:
        return await Generator(plan(url, due_s, **more)).run()


async def test_requests_do_not_wait_for_answers() -> None:
    """A server that is silent gets every request when it is due, and each has its own time from then."""
    began = time.monotonic()
    report = await ran(silent, [0.0, 0.1, 0.2], timeout_s=0.5)
    assert time.monotonic() - began < 3
    assert [item.cause for item in report.sent] == ["timed out"] * 3
    assert [item.due_s for item in report.sent] == [0.0, 0.1, 0.2]
    assert all(item.sent_s - item.due_s < 0.3 for item in report.sent)
    assert all(item.latency_s >= 0.5 for item in report.sent)
    assert report.connections == 3


async def test_waiting_for_a_connection_is_part_of_the_latency() -> None:
    """With one connection the second request is sent when the first is answered, and took its time from when it was due."""
    gate = asyncio.Event()

    async def late(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.write(OK)

    asyncio.get_running_loop().call_later(0.6, gate.set)
    report = await ran(late, [0.0, 0.05], max_connections=1)
    first, second = report.sent
    assert (first.status, second.status, report.connections) == (200, 200, 1)
    assert second.sent_s >= first.ended_s
    assert second.latency_s > 0.2


async def test_what_never_got_a_connection_is_given_up_in_its_time() -> None:
    """The queue is bounded by every request's time: no connection is spent on what is over, and the report says so."""
    report = await ran(silent, [0.0] * 60, max_connections=1, timeout_s=0.4)
    causes = [item.cause for item in report.sent]
    assert set(causes) == {"timed out", "timed out, never sent"}
    assert causes.count("timed out, never sent") > 50
    assert max(item.latency_s for item in report.sent) < 3


async def test_an_early_request_whose_connection_came_late_is_given_up_in_its_time() -> None:
    """It stands behind one that was due later; its own time counts."""
    generator = Generator(plan("http://127.0.0.1:1/", [0.0, 10.0], timeout_s=1.0))
    generator._began_s = time.monotonic() - 10.5
    for number in (1, 0):
        generator._send(_Link(generator), number)
    assert [link.number for link in generator._overdue()] == [None]
    assert list(generator._busy) == [1]


async def test_a_connection_is_used_again_and_answers_are_told_apart() -> None:
    """Two requests in a row need one connection; the decision's id is kept."""
    report = await ran(saying(OK), [0.0, 0.3, 0.6])
    assert [(item.status, item.cause, item.decision_id) for item in report.sent] == [(200, "", "d1")] * 3
    assert report.connections == 1
    assert report.late_p99_ms > 0


async def test_a_refusal_tells_its_code_and_whether_it_says_when_to_come_back() -> None:
    """429 with Retry-After and without; nothing of one answer stays for the next on the connection."""
    replies = iter((BUSY, BUSY.replace(b"Retry-After: 1\r\n", b""), OK.replace(b"false", b"true"), OK))

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(replies))

    report = await ran(answer, [0.0, 0.3, 0.6, 0.9])
    assert [(item.status, item.cause, item.retry_after, item.degraded) for item in report.sent] == [
        (429, "429 overloaded", True, False), (429, "429 overloaded", False, False), (200, "", False, True),
        (200, "", False, False),
    ]  # fmt: skip
    assert report.connections == 1


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "connection cut"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "connection cut"),
        (b"no http at all\r\n\r\n", "no HTTP"),
    ],
)
async def test_half_an_answer_is_none(data: bytes, cause: str) -> None:
    """A connection that ends before its answer is whole answers nothing, whatever the head said."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        writer.close()

    report = await ran(answer, [0.0, 0.1])
    assert [(item.status, item.cause) for item in report.sent] == [(0, cause)] * 2


async def test_a_connection_that_the_server_closes_is_not_used_again() -> None:
    """An answer that ends its connection is whole; the next request has another."""
    closing = OK.replace(b"Content-Length", b"Connection: close\r\nContent-Length")
    report = await ran(saying(closing), [0.0, 0.3])
    assert [item.status for item in report.sent] == [200, 200]


async def test_where_nobody_listens_every_request_is_refused() -> None:
    """Those that wait for a connection, too: none is left behind."""
    async with server(silent) as url:
        pass
    report = await Generator(plan(url, [0.0] * 10, max_connections=2)).run()
    assert [item.cause for item in report.sent] == ["connection refused"] * 10


async def test_bodies_are_sent_by_number() -> None:
    """A request has the body of its number, headers as given, and its length."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            seen.append(await reader.readuntil(b"}"))
            writer.write(OK)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1/x"
        asked = Plan(url, {"Authorization": "Bearer k"}, ["{a}", "{bb}"], [0.0, 0.2], [3, 2], 5.0, 1)
        await Generator(asked).run()
    assert [one.rpartition(b"\r\n")[2] for one in seen] == [b"{bb}", b"{a}"]
    assert b"Authorization: Bearer k\r\n" in seen[0]
    assert b"Content-Length: 4\r\n" in seen[0]


@pytest.mark.parametrize(
    ("url", "due_s", "numbers", "why"),
    [
        ("https://h/", [0.0], [0], "plain HTTP"),
        ("http://h/", [1.0, 0.0], [0, 1], "sort due_s"),
        ("http://h/", [0.0], [], "each has one"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(url: str, due_s: list[float], numbers: list[int], why: str) -> None:
    """What is wrong is said before anything is sent."""
    with pytest.raises(ValueError, match=why):
        requests(Plan(url, {}, ["{}"], due_s, numbers, 1.0, 1))


def test_the_process_follows_its_plan_and_says_what_it_took() -> None:
    """A few hundred requests a second against the empty server: all are served, and the generator tells its own cost."""
    due = poisson(300.0, 1.5, 1)
    with empty_server() as url:
        report = driven(plan(url, due))
    assert [item.status for item in report.sent] == [200] * len(due)
    assert [item.due_s for item in report.sent] == due
    assert 0 < report.cpu_s < report.seconds
    assert report.cpu_each_s


def test_a_generator_that_fails_says_why() -> None:
    """Its last words are in the error."""
    with pytest.raises(RuntimeError, match="plain HTTP"):
        driven(plan("https://h/", [0.0]))
