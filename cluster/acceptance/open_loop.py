"""``python -m cluster.acceptance.open_loop REPORT``: a load generator whose requests do not wait for answers.

Rules:
- A request is sent when it is due, whatever became of those before; its time runs from there (no coordinated omission). With
  every connection busy it waits for one, and that counts as its latency.
- Everything is bounded: connections, a request's time, the whole run: its last due time and one request's time.
- Nothing is retried. A connection is used again after a whole response that allows it.
- It must be cheap, because it runs beside what it measures: requests are encoded before the start, responses parsed by llhttp,
  bodies read only of refusals. The report says what it took and how late it was.

Left out: TLS, redirects, compression; a response that ends with its connection counts as cut.
"""

import asyncio
import contextlib
import itertools
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httptools
import msgspec

from cluster.acceptance.load import refusal
from cluster.acceptance.sent import Plan, Report, Sent, percentile
from models.http1 import KEEP_IDLE_S

START_IN_S = 0.2
TIMER_S = 0.001
"""Resolution of the loop's timers, which round down: sent this much later, a request is at most a fraction of it early."""
SWEEP_S = 0.1
MAX_REFUSAL_BYTES = 16_384
DECISION, DEGRADED, RETRY_AFTER = b"x-weavergen-decision", b"x-weavergen-degraded", b"retry-after"


def requests(plan: Plan) -> tuple[str, int, list[bytes]]:
    """Return host, port and every request's bytes; raise ``ValueError`` if the plan cannot be followed. Pure."""
    parts = urlsplit(plan.url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{plan.url!r} is no address of plain HTTP")
    if any(late < early for early, late in itertools.pairwise(plan.due_s)):
        raise ValueError("requests are due in order: sort due_s")
    if len(plan.numbers) != len(plan.due_s):
        raise ValueError(f"{len(plan.numbers)} numbers for {len(plan.due_s)} requests: each has one")
    lines = [f"POST {parts.path or '/'} HTTP/1.1", f"Host: {parts.netloc}", "Content-Type: application/json"]
    head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in plan.headers.items())]).encode()
    bodies = (body.encode() for body in plan.bodies)
    return parts.hostname, parts.port or 80, [b"%b\r\nContent-Length: %d\r\n\r\n%b" % (head, len(b), b) for b in bodies]


@dataclass(slots=True)
class Told:
    """What headers of a response say beside its answer."""

    decision_id: str = ""
    degraded: bool = False
    retry_after: bool = False


class _Link(asyncio.Protocol):
    """One connection: a request at a time."""

    def __init__(self, generator: "Generator") -> None:
        self._generator = generator
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._status, self._body = 0, b""
        self._told = Told()
        self._is_whole = self._is_kept = False
        self.number: int | None = None
        """Of the request under way."""
        self.idle_since_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether another request may be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, number: int, data: bytes) -> None:
        """Send a request; its end is told to the generator."""
        self.number = number
        self._status, self._body = 0, b""
        self._told = Told()
        if self._transport is not None:
            self._transport.write(data)

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's share no base class

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()
            self._ended(0, "no HTTP")
            return
        if self._is_whole:
            self._is_whole = False
            if not self._is_kept:
                self.abort()
            self._ended(self._status, refusal(self._status, self._body) if self._status != 200 else "")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._ended(0, "connection cut")
        self._generator.lost(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note what a client is told beside the answer."""
        name = name.lower()
        if name == DECISION:
            self._told.decision_id = value.decode("ascii", "replace")
        elif name == DEGRADED:
            self._told.degraded = value == b"true"
        elif name == RETRY_AFTER:
            self._told.retry_after = True

    def on_headers_complete(self) -> None:
        """Note the status."""
        self._status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """Keep what a refusal says."""
        if self._status != 200 and len(self._body) < MAX_REFUSAL_BYTES:
            self._body += body

    def on_message_complete(self) -> None:
        """Note that the response is whole, unless it is an interim one, and whether its connection may be used again."""
        self._is_whole = self._status >= 200
        self._is_kept = self._parser.should_keep_alive()

    def _ended(self, status: int, cause: str) -> None:
        number, self.number = self.number, None
        if number is not None:
            self._generator.ended(self, number, status, cause, self._told)


NOTHING = Told()


class Generator:
    """Follows one plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._host, self._port, self._requests = requests(plan)
        self._sent: list[Sent | None] = [None] * len(plan.due_s)
        self._sent_s = [0.0] * len(plan.due_s)
        self._late_ms: list[float] = []
        self._idle: list[_Link] = []
        self._busy: dict[int, _Link] = {}
        self._waiting: deque[int] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._open = self._most_open = self._left = 0
        self._began_s = 0.0
        self._done = asyncio.Event()
        self._cpu: list[float] = []

    async def run(self) -> Report:
        """Send every request when it is due; return once each has ended."""
        self._left = len(self._sent)
        self._began_s = time.monotonic() + START_IN_S
        watching, cpu_s = asyncio.create_task(self._watch()), time.process_time()
        for number, due_s in enumerate(self._plan.due_s):
            if (wait_s := due_s - self._now_s()) > 0:
                await asyncio.sleep(wait_s + TIMER_S)
            self._fire(number)
        if self._left:
            await self._done.wait()
        seconds = self._now_s()
        watching.cancel()
        for link in self._idle:
            link.abort()
        return Report(
            began_s=self._began_s, seconds=seconds, sent=[sent for sent in self._sent if sent is not None],
            cpu_s=time.process_time() - cpu_s, cpu_each_s=self._cpu, late_p99_ms=percentile(self._late_ms, 0.99),
            connections=self._most_open,
        )  # fmt: skip

    def _now_s(self) -> float:
        return time.monotonic() - self._began_s

    def _fire(self, number: int) -> None:
        if self._waiting:
            self._waiting.append(number)
        elif (link := self._free()) is not None:
            self._late_ms.append((self._now_s() - self._plan.due_s[number]) * 1000)
            self._send(link, number)
        elif self._open < self._plan.max_connections:
            self._connect(number)
        else:
            self._waiting.append(number)

    def _free(self) -> _Link | None:
        """Return the connection that was used last, unless it has been idle for so long that the server may be closing it."""
        while self._idle:
            link = self._idle.pop()
            if time.monotonic() - link.idle_since_s < KEEP_IDLE_S:
                return link
            link.abort()
        return None

    def _send(self, link: _Link, number: int) -> None:
        self._sent_s[number] = self._now_s()
        self._busy[number] = link
        link.send(number, self._requests[self._plan.numbers[number] % len(self._requests)])

    def _connect(self, number: int) -> None:
        self._open += 1
        self._most_open = max(self._most_open, self._open)
        task = asyncio.create_task(self._connected(number))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connected(self, number: int) -> None:
        left_s = max(self._plan.due_s[number] + self._plan.timeout_s - self._now_s(), 0.001)
        try:
            async with asyncio.timeout(left_s):
                made = asyncio.get_running_loop().create_connection(lambda: _Link(self), self._host, self._port)
                _, link = await made
        except (OSError, TimeoutError) as error:
            self._open -= 1
            self._note(number, 0, "timed out" if isinstance(error, TimeoutError) else "connection refused")
            self._next()
            return
        self._send(link, number)

    def ended(self, link: _Link, number: int, status: int, cause: str, told: Told) -> None:
        """Note how a request ended, and lend its connection to the next one."""
        self._busy.pop(number, None)
        self._note(number, status, cause, told)
        if not link.is_open:
            return  # the next one is sent when the connection is told to be lost
        if self._waiting:
            self._send(link, self._waiting.popleft())
        else:
            link.idle_since_s = time.monotonic()
            self._idle.append(link)

    def lost(self, link: _Link) -> None:
        """Forget a connection; whoever waits for one gets another."""
        self._open -= 1
        with contextlib.suppress(ValueError):  # a busy one is not there
            self._idle.remove(link)
        self._next()

    def _next(self) -> None:
        if self._waiting and self._open < self._plan.max_connections:
            self._connect(self._waiting.popleft())

    def _note(self, number: int, status: int, cause: str, told: Told = NOTHING) -> None:
        due_s, now_s = self._plan.due_s[number], self._now_s()
        sent_s = self._sent_s[number] or now_s
        self._sent[number] = Sent(
            due_s, sent_s, now_s, status, cause, told.retry_after, told.decision_id, told.degraded
        )
        self._left -= 1
        if not self._left:
            self._done.set()

    async def _watch(self) -> None:
        """Give up what is out of time, and account for the processor, second by second."""
        seen_s, spent_s = time.monotonic(), time.process_time()
        while True:
            await asyncio.sleep(SWEEP_S)
            for link in list(self._overdue()):
                link.abort()
            while self._waiting and self._is_overdue(self._waiting[0]):
                self._note(self._waiting.popleft(), 0, "timed out, never sent")
            if (now_s := time.monotonic()) - seen_s >= 1.0:
                took_s = time.process_time()
                self._cpu.append(round((took_s - spent_s) / (now_s - seen_s), 3))
                seen_s, spent_s = now_s, took_s

    def _overdue(self) -> Iterator[_Link]:
        """Note every request under way that is out of time, and yield its connection.

        All are looked at: one whose connection was long in coming stands behind others that were due later.
        """
        for number in [number for number in self._busy if self._is_overdue(number)]:
            link = self._busy.pop(number)
            link.number = None
            self._note(number, 0, "timed out")
            yield link

    def _is_overdue(self, number: int) -> bool:
        return self._now_s() > self._plan.due_s[number] + self._plan.timeout_s


def main() -> int:
    """Read the plan from standard input, follow it, write the report to the file that is named."""
    import uvloop

    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report = runner.run(Generator(plan).run())
    Path(sys.argv[1]).write_bytes(msgspec.json.encode(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
