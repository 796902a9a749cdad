"""A port that refuses and takes connections again."""

import asyncio
import socket

import aiohttp
import pytest

from models.protocol_servers.faults import Fault, Order
from tests.models.protocol_servers.world import CONTROL_KEY, TEXT, Serve

REFUSE = {"fault": "connection_refused"}
LIFT = {"fault": None}


async def test_port_refuses_and_is_the_same_when_lifted(serve: Serve) -> None:
    """While refused nobody gets a connection, pooled ones included; lifted, the same port answers the same client."""
    provider = await serve("openai")
    port, control = provider.server.port, provider.server.control_port
    assert (await provider.ask(stream=False)).text == TEXT
    assert (await provider.control(REFUSE, port=control))[1]["listening"] is False
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
    assert (await provider.control(LIFT, port=control))[1]["listening"] is True
    assert provider.server.port == port
    assert (await provider.ask(stream=False)).text == TEXT
    await provider.counted(received=2, answered=2, faulted=0, cancelled=0)


async def test_refused_port_is_nobody_elses(serve: Serve) -> None:
    """A port that refuses cannot be taken by another listener in the meantime."""
    provider = await serve("openai")
    await provider.server.order(Order(fault=Fault.CONNECTION_REFUSED))
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", provider.server.port))


async def test_idle_connections_are_closed_and_busy_ones_finished(serve: Serve) -> None:
    """When the port closes, a client that waits with an open connection finds it closed; an answer under way is finished."""
    provider = await serve("openai", {"content": TEXT, "latency_ms": 200, "first_token_ms": 1})
    reader, writer = await asyncio.open_connection("127.0.0.1", provider.server.port)
    under_way = asyncio.create_task(provider.ask(stream=True))
    await provider.counted(received=1, answered=0, faulted=0, cancelled=0)
    await provider.server.order(Order(fault=Fault.CONNECTION_REFUSED))
    async with asyncio.timeout(5):
        assert await reader.read() == b""
        assert (await under_way).text == TEXT
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", provider.server.port)


async def test_refusing_twice_and_lifting_twice_changes_nothing(serve: Serve) -> None:
    """An order that stands already is harmless, whichever it is."""
    provider = await serve("openai")
    for _ in range(2):
        await provider.server.order(Order(fault=Fault.CONNECTION_REFUSED))
    for _ in range(2):
        await provider.server.order(Order(fault=None))
    assert (await provider.ask(stream=False)).text == TEXT


async def test_orders_that_come_together_leave_the_last_ones_state(serve: Serve) -> None:
    """Refusals and liftings ordered at once do not fight over the port."""
    provider = await serve("openai")
    for last in (Fault.CONNECTION_REFUSED, None):
        orders = [Order(fault=fault) for fault in (Fault.CONNECTION_REFUSED, None) * 5 + (last,)]
        await asyncio.gather(*map(provider.server.order, orders))
        assert provider.server.state()["listening"] is (last is None)
    assert (await provider.ask(stream=False)).text == TEXT


async def test_another_order_for_all_lifts_the_refusal(serve: Serve) -> None:
    """Ordering another fault for everybody reopens the port."""
    provider = await serve("openai")
    await provider.server.order(Order(fault=Fault.CONNECTION_REFUSED))
    await provider.server.order(Order(fault=Fault.SERVER_ERROR))
    with pytest.raises(Exception, match="500"):
        await provider.ask(stream=False)


async def test_stopped_while_refusing_gives_the_port_up(serve: Serve) -> None:
    """A server that ends while it refuses leaves its port to others."""
    provider = await serve("openai")
    await provider.server.order(Order(fault=Fault.CONNECTION_REFUSED))
    await provider.server.stop()
    with socket.socket() as other:
        other.bind(("127.0.0.1", provider.server.port))


async def test_connection_to_the_control_port_outlives_a_refusal(serve: Serve) -> None:
    """Whoever controls over an open connection can go on doing so while the provider refuses."""
    provider = await serve("openai")
    reader, writer = await asyncio.open_connection("127.0.0.1", provider.server.control_port)
    for listening in (b'"listening":true', b'"listening":false'):
        writer.write(f"GET /control HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {CONTROL_KEY}\r\n\r\n".encode())
        async with asyncio.timeout(5):
            assert listening in await reader.readuntil(b'"rejected":0}')
        await provider.server.order(Order(fault=Fault.CONNECTION_REFUSED))
    writer.close()


async def test_control_port_serves_nothing_else(serve: Serve) -> None:
    """The port that takes orders answers no prompt."""
    provider = await serve("openai")
    url = f"http://127.0.0.1:{provider.server.control_port}/v1/chat/completions"
    async with aiohttp.ClientSession() as http, http.post(url, json={}) as response:
        assert response.status == 404
