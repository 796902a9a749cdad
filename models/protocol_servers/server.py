"""One provider: recorded answers behind its protocol, faults as ordered, every request counted.

Rules:
- Read, choose, plan, count, send: the decisions are ``Wire.read``, ``Switches.draw`` and ``plans.plan``.
- A request counts from when it named a model that is there; whoever is refused before (key, route, body, model, prompt)
  counts as rejected, and no fault is spent on it.
- The control port takes orders while the main port refuses connections; nothing else is served there.
"""

import asyncio
import itertools
import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from aiohttp import web

from models.protocol_servers.control import PATH, BadOrder, Guard, checked, read_order, shown, told
from models.protocol_servers.door import Door
from models.protocol_servers.exchange import play
from models.protocol_servers.faults import Counts, Fault, Order, Switches
from models.protocol_servers.plans import Reply, plan, refusal
from models.protocol_servers.wire import Asked, Call, Encoded, Refused, Wire
from models.recorded import Answer, RecordedAnswers, Take
from models.recorded_server import set_up

LOOPBACK = "127.0.0.1"
RIGHT = Order(fault=None)


class ProtocolServer:
    """One provider over one set of recorded answers; ``control_key`` opens the control endpoint."""

    def __init__(self, wire: Wire, answers: RecordedAnswers, control_key: str | None = None, seed: int = 0) -> None:
        self._wire = wire
        self._voters = answers.voters
        self._guard = Guard(control_key)
        self._controlled = control_key is not None
        self._chance = random.Random(seed).random  # noqa: S311 - which requests fail is drawn by seed
        self._switches = Switches()
        self._encoded: dict[int, list[Encoded]] = {}
        for name, script in answers.voters.items():
            for take in (*script.by_prompt.values(), *([script.default] if script.default else [])):
                self._encoded[id(take)] = [wire.encode(name, _shown(answer)) for answer in take.answers]
        self.counts = {name: Counts() for name in answers.voters}
        self.rejected = 0
        self._ids = (b"%b%016x" % (secrets.token_hex(4).encode(), number) for number in itertools.count(1))
        self._turning = asyncio.Lock()
        self._stopping = False

    # Its life.

    async def start(self, host: str = LOOPBACK, port: int = 0) -> None:
        """Listen; ``port`` and ``control_port`` say where."""
        self._runner = await set_up(self._handle)
        self._door = Door(self._runner, host)
        await self._door.open(port)
        self._control_site = web.TCPSite(self._runner, LOOPBACK, 0)
        if self._controlled:
            await self._control_site.start()

    async def stop(self) -> None:
        """Close every connection and give the ports up."""
        self._stopping = True
        await self._door.leave()
        for connection in list(self._runner.server.connections) if self._runner.server is not None else []:
            connection.force_close()  # silences and stalls would be waited for
        await self._runner.cleanup()

    @property
    def port(self) -> int:
        """Where the provider listens."""
        return self._door.port

    @property
    def control_port(self) -> int | None:
        """Where orders are taken even while the provider refuses connections."""
        return self._control_site.port if self._controlled else None

    # Its control.

    async def order(self, order: Order) -> None:
        """Let an order stand; raises ``BadOrder``."""
        self._switches.put(checked(order, list(self._voters)))
        async with self._turning:  # of orders that come together the last one decides
            refusing = any(standing.fault is Fault.CONNECTION_REFUSED for standing in self._switches.orders)
            await (self._door.close() if refusing else self._door.open())

    def state(self) -> dict[str, Any]:
        """Return orders and counts."""
        return {
            "protocol": self._wire.name,
            "listening": self._door.is_open,
            "orders": self._switches.orders,
            "models": self.counts,
            "rejected": self.rejected,
        }

    async def _control(self, request: web.BaseRequest) -> web.Response:
        refused = self._guard.refuse(request)
        if refused is not None:
            return refused
        if request.method == "POST":
            try:
                await self.order(read_order(await request.read(), list(self._voters)))
            except BadOrder as error:
                return told(400, str(error))
        elif request.method != "GET":
            return told(405, "GET tells the state, POST orders a fault")
        return shown(self.state())

    # Its requests.

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        with self._under_way(request):
            if request.path == PATH:
                return await self._control(request)
            local = request.transport.get_extra_info("sockname") if request.transport is not None else None
            if local is not None and local[1] == self.control_port:
                return told(404, f"only {PATH} is served here")
            return await self._answer(request)

    @contextmanager
    def _under_way(self, request: web.BaseRequest) -> Iterator[None]:
        self._door.busy.add(request.protocol)
        try:
            yield
        finally:
            self._door.busy.discard(request.protocol)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        request_id = next(self._ids)
        headers = self._wire.headers(request_id.decode())
        try:
            asked = self._wire.read(await _call(request))
            answer, encoded = self._choose(asked)
        except web.HTTPRequestEntityTooLarge:
            self.rejected += 1
            return await play(request, refusal(self._wire, self._wire.problem(413), request_id), headers)
        except Refused as refused:
            self.rejected += 1
            return await play(request, refusal(self._wire, refused.problem, request_id), headers)
        ident = self._wire.ids.encode() + request_id
        reply = Reply(self._wire, asked.model, answer, encoded, asked.stream, asked.usage, ident, request_id)
        return await self._counted(request, reply, headers)

    async def _counted(self, request: web.BaseRequest, reply: Reply, headers: dict[str, str]) -> web.StreamResponse:
        counts = self.counts[reply.model]
        counts.received += 1
        order = self._switches.draw(reply.model, self._chance)
        planned = plan(reply, order)
        counts.faulted += order is not None or not planned.right
        try:
            response = await play(request, planned, headers)
        except (asyncio.CancelledError, ConnectionError) as left:
            counts.cancelled += not self._stopping
            # What else ends a handler is logged as an error of ours.
            raise asyncio.CancelledError("the client has left") from left
        counts.answered += planned.right
        return response

    def _choose(self, asked: Asked) -> tuple[Answer, Encoded]:
        script = self._voters.get(asked.model)
        if script is None:
            raise Refused(self._wire.problem(404, f"model {asked.model!r} is not there: {', '.join(self._voters)} are"))
        take: Take | None = script.take(asked.prompt)
        if take is None:
            raise Refused(self._wire.problem(400, "no answer is recorded for this prompt"))
        index = take.pick(asked.seed, 0)
        return take.answers[index], self._encoded[id(take)][index]


async def _call(request: web.BaseRequest) -> Call:
    return Call(request.method, request.path, request.query, request.headers, await request.read())


def _shown(answer: Answer) -> Answer:
    """Return what is encoded of an answer: of one that breaks off no more than it shows."""
    if answer.cut_after_chars is None:
        return answer
    return msgspec.structs.replace(answer, content=(answer.content or "")[: answer.cut_after_chars])
