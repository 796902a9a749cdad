"""The control endpoint over HTTP: who may order, what is refused, what is told."""

import pytest
from aiohttp.test_utils import make_mocked_request

from models.protocol_servers.control import Guard, is_loopback
from models.protocol_servers.openai_chat import OpenAIChat
from models.protocol_servers.server import ProtocolServer
from models.recorded import RecordedAnswers
from tests.models.protocol_servers.world import CONTROL_KEY, TEXT, Provider, Serve


async def test_order_is_told_and_lifted(serve: Serve) -> None:
    """An order shows in the state until it is lifted, and a whole one hits what it names and nobody else."""
    provider = await serve("openai")
    status, state = await provider.control({"fault": "server_error", "model": "m1", "remaining": 2})
    assert status == 200
    assert state["protocol"] == "openai"
    assert [(o["fault"], o["model"], o["remaining"]) for o in state["orders"]] == [("server_error", "m1", 2)]
    with pytest.raises(Exception, match="500"):
        await provider.ask(stream=False)
    assert (await provider.ask(stream=False, model="m2")).text == "I am m2."
    _, state = await provider.control()
    assert state["orders"][0]["remaining"] == 1
    assert state["models"]["m1"] == {"received": 1, "answered": 0, "faulted": 1, "cancelled": 0}
    assert state["models"]["m2"] == {"received": 1, "answered": 1, "faulted": 0, "cancelled": 0}
    assert (await provider.control({"fault": None}))[1]["orders"] == []
    assert (await provider.ask(stream=False)).text == TEXT


async def test_remaining_ends_an_order_by_itself(serve: Serve) -> None:
    """After as many requests as ordered the right answers come again."""
    provider = await serve("anthropic")
    await provider.control({"fault": "overloaded", "remaining": 2})
    for _ in range(2):
        with pytest.raises(Exception, match="overloaded_error"):
            await provider.ask(stream=True)
    assert (await provider.ask(stream=True)).text == TEXT


async def test_probability_hits_a_share(serve: Serve) -> None:
    """A fault with a probability hits about that share, the same requests for the same seed."""
    provider = await serve("openai")
    await provider.control({"fault": "empty_answer", "probability": 0.5})
    heard = [(await provider.ask(stream=False)).text for _ in range(40)]
    assert 8 <= heard.count("") <= 32
    assert heard.count("") + heard.count(TEXT) == 40
    await provider.counted(received=40, answered=heard.count(TEXT), faulted=heard.count(""), cancelled=0)


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"fault": "flood"}, "wrong_content_type"),
        ({}, "fault"),
        ({"fault": "silent", "model": "absent"}, "there are: m1, m2"),
        ({"fault": "silent", "remaining": 0}, "remaining"),
        ({"fault": "silent", "probability": 0}, "probability"),
        ({"fault": "silent", "much": 1}, "much"),
        ({"fault": "connection_refused", "remaining": 3}, "leave model, remaining and probability out"),
    ],
)
async def test_bad_order_says_what_to_change(serve: Serve, order: dict[str, object], said: str) -> None:
    """An order that cannot stand is refused with a reason, and changes nothing."""
    provider = await serve("openai")
    await provider.control({"fault": "empty_answer"})
    status, body = await provider.control(order)
    assert status == 400
    assert said in body["error"]
    assert [o["fault"] for o in (await provider.control())[1]["orders"]] == ["empty_answer"]


async def test_control_needs_its_own_key(serve: Serve) -> None:
    """Neither a wrong key nor the provider's own one orders anything, on either port."""
    provider = await serve("openai")
    for port in (provider.server.port, provider.server.control_port):
        for key in ("", "in charg", "in charge2", "sk-right"):
            assert (await provider.control({"fault": "silent"}, key=key, port=port))[0] == 401
            assert (await provider.control(key=key, port=port))[0] == 401
    assert (await provider.control())[1]["orders"] == []


async def test_without_a_control_key_there_is_no_control(serve: Serve) -> None:
    """A server that was given no control key takes no orders and opens no second port."""
    provider = await serve("openai")
    plain = ProtocolServer(OpenAIChat(), RecordedAnswers({}))
    await plain.start()
    try:
        assert plain.control_port is None
        assert (await Provider(plain, None, provider.http).control({"fault": "silent"}, key=""))[0] == 404
    finally:
        await plain.stop()


async def test_only_get_and_post_are_known(serve: Serve) -> None:
    """Another method is told so."""
    provider = await serve("openai")
    url = f"http://127.0.0.1:{provider.server.port}/control"
    async with provider.http.delete(url, headers={"Authorization": "Bearer in charge"}) as response:
        assert response.status == 405


def test_other_machines_do_not_control() -> None:
    """The right key from another machine is refused, the same from loopback is not."""
    request = make_mocked_request("GET", "/control", headers={"Authorization": f"Bearer {CONTROL_KEY}"})
    refused = Guard(CONTROL_KEY).refuse(request.clone(remote="10.0.0.1"))
    assert refused is not None
    assert refused.status == 403
    assert Guard(CONTROL_KEY).refuse(request.clone(remote="127.0.0.1")) is None


def test_only_loopback_is_loopback() -> None:
    """Other machines, and peers without an address, do not control."""
    assert is_loopback("127.0.0.1")
    assert is_loopback("127.8.9.10")
    assert is_loopback("::1")
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("::")
    assert not is_loopback(None)
