"""Cloud voters over real sockets: limits of time, what a call may have cost, and one call for one question."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from models.errors import VoterError, VoterRefused, VoterTimeout, VoterTooLong
from models.providers.answer import Usage
from models.providers.build import Adapter, Provider
from models.providers.capped import CappedVoter, Purse
from models.providers.cloud import Bill, CloudVoter, Limits
from models.providers.dialect import Wire
from models.providers.prices import Price, bound_micro
from models.providers.spend import SpendLedger
from models.voter import Candidate, Message, Sampling, VoterRequest
from tests.providers import DIALECTS, INFO, REQUEST, event_bytes, fixture_named
from tests.upstreams import CHUNKED, Then, Upstream, chunk, parts_of, serving, voting

PROVIDERS: list[Provider] = ["openai", "anthropic", "gemini"]
ADAPTERS: list[Adapter] = ["sdk", "thin"]
ALL = [(provider, adapter) for provider in PROVIDERS for adapter in ADAPTERS]


async def failing(provider: Provider, adapter: Adapter, upstream: Upstream, limits: Limits) -> str:
    """Return what the timeout of a streamed call says."""
    async with serving(upstream), voting(provider, adapter, upstream.port, stream=True, limits=limits) as voter:
        with pytest.raises(VoterTimeout) as caught:
            await voter.ask(REQUEST)
        await asyncio.wait_for(upstream.left.wait(), 5)
    return caught.value.message


@pytest.mark.parametrize(("provider", "adapter"), ALL)
async def test_each_limit_of_time_ends_a_stream_of_its_own(provider: Provider, adapter: Adapter) -> None:
    """Nothing of an answer, silence in the middle, and the whole: each ends the call and its connection by itself."""
    whole = parts_of(fixture_named(provider, "stream"))
    begun = {"openai": 3, "anthropic": 5, "gemini": 2}[provider]
    silent, long = 0.15, 30.0
    messages = [
        await failing(provider, adapter, Upstream(whole[:1], "hang"), Limits(long, silent, long)),
        await failing(provider, adapter, Upstream(whole[:begun], "hang"), Limits(long, long, silent)),
        await failing(provider, adapter, Upstream(whole[:begun], "hang"), Limits(silent, long, long)),
    ]
    assert [message.split(" ")[0] for message in messages] == ["nothing", "silent", "no"]


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_pings_break_no_silence(adapter: Adapter) -> None:
    """An upstream that only says that it is still there has not begun to answer."""
    start, _, ping = fixture_named("anthropic", "stream").content[:3]
    upstream = Upstream([CHUNKED, chunk(event_bytes(start)), *[chunk(event_bytes(ping))] * 3], "hang")
    assert (await failing("anthropic", adapter, upstream, Limits(30.0, 0.2, 30.0))).startswith("nothing")


@pytest.mark.parametrize(("provider", "adapter"), ALL)
async def test_a_stream_tells_when_it_began(provider: Provider, adapter: Adapter) -> None:
    """The time to the first of the answer is measured there, and unknown for a whole response."""
    for name, stream in (("plain", False), ("stream", True)):
        upstream = Upstream(parts_of(fixture_named(provider, name)))
        async with serving(upstream), voting(provider, adapter, upstream.port, stream=stream) as voter:
            first_token_ms = (await voter.ask(REQUEST)).first_token_ms
        assert (first_token_ms is not None) == stream
        assert first_token_ms is None or 0 <= first_token_ms < 5000


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_what_does_not_fit_is_asked_once_more_where_the_bound_may_be_left_out(adapter: Adapter) -> None:
    """OpenAI's and Gemini's protocols are asked again without a bound; Anthropic's wants one, so its no is final."""
    asked = {}
    for provider in PROVIDERS:
        upstream = Upstream(parts_of(fixture_named(provider, "error_too_long")))
        async with serving(upstream), voting(provider, adapter, upstream.port, stream=False) as voter:
            with pytest.raises(VoterTooLong):
                await voter.ask(REQUEST)
        bodies = [json.loads(body) for _, body in upstream.requests]
        asked[provider] = ["ax_tokens" in str(body) or "maxOutputTokens" in str(body) for body in bodies]
    assert asked == {"openai": [True, False], "anthropic": [True], "gemini": [True, False]}


async def test_a_prompt_that_certainly_does_not_fit_is_not_sent() -> None:
    """A provider is spared what the model's context cannot hold."""
    upstream = Upstream([])
    long = VoterRequest("r", (Message("user", "a " * 200_000),), Sampling(8))
    async with serving(upstream), voting("openai", "thin", upstream.port, stream=False) as voter:
        with pytest.raises(VoterTooLong):
            await voter.ask(long)
    assert upstream.requests == []


BILLS: list[tuple[list[bytes] | str, Then, Bill]] = [
    ("plain", "keep", Bill(asked=True)),
    ("error_500", "keep", Bill(asked=False)),
    ([], "close", Bill(asked=True)),
    ([], "hang", Bill(asked=True)),
]


@pytest.mark.parametrize(("provider", "adapter"), ALL)
@pytest.mark.parametrize(("says", "then", "expected"), BILLS)
async def test_a_bill_says_what_a_call_may_have_cost(
    provider: Provider, adapter: Adapter, says: list[bytes] | str, then: Then, expected: Bill
) -> None:
    """Counted where an answer came, nothing where the provider said no, unknown where it was cut or silent."""
    parts = parts_of(fixture_named(provider, says)) if isinstance(says, str) else says
    bill = Bill()
    upstream = Upstream(parts, then)
    limits = Limits(0.3, 0.3, 0.3) if then == "hang" else Limits()
    async with serving(upstream), voting(provider, adapter, upstream.port, stream=False, limits=limits) as voter:
        try:
            candidate = await voter.ask_billed(REQUEST, bill)
        except VoterError:
            assert bill == expected
        else:
            assert bill.usage is not None
            assert bill.usage.output_tokens == candidate.completion_tokens


async def test_an_answer_that_was_refused_is_paid_for() -> None:
    """A provider charges for what its filter kept back; nobody connected to charges nothing."""
    price = Price(1_000_000, 1_000_000)
    purse = Purse(SpendLedger(10**9))
    upstream = Upstream(parts_of(fixture_named("openai", "refusal")))
    async with serving(upstream), voting("openai", "thin", upstream.port, stream=False) as voter:
        with pytest.raises(VoterRefused):
            await CappedVoter(voter, price, purse, lambda: 0.0).ask(REQUEST)
    assert purse.ledger.spent_micro == 81 + 11
    async with voting("openai", "thin", upstream.port, stream=False) as voter:
        with pytest.raises(VoterError, match="connected"):
            await CappedVoter(voter, price, purse, lambda: 0.0).ask(REQUEST)
    assert (purse.ledger.spent_micro, purse.ledger.reserved_micro) == (92, 0)
    assert bound_micro(price, REQUEST) > 0


async def test_state_of_one_call_does_not_leak_into_the_next() -> None:
    """After a stream that broke, the next one over the same voter is whole and its own."""
    whole = parts_of(fixture_named("openai", "stream"))
    upstream = Upstream(whole[:3], "close")
    async with serving(upstream), voting("openai", "thin", upstream.port, stream=True) as voter:
        with pytest.raises(VoterError, match="broke off"):
            await voter.ask(REQUEST)
        upstream.parts, upstream.then = whole, "keep"
        answered = await voter.ask(REQUEST)
    assert answered == Candidate("Hello!", "stop", 9, 2, answered.first_token_ms)


class Canned:
    """An upstream that has its response already, or its events."""

    def __init__(self, wire: object, events: tuple[Wire, ...] = ()) -> None:
        self._wire = wire
        self._events = events

    async def whole(self, body: Wire, give_up: float) -> object:
        """Return it."""
        return self._wire

    async def events(self, body: Wire, give_up: float) -> AsyncGenerator[Wire, None]:
        """Yield each of them."""
        for event in self._events:
            yield event

    async def close(self) -> None:
        """Have nothing to close."""


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_answer_nested_without_end_costs_the_ballot(provider: Provider) -> None:
    """However deep a field that nobody reads is, and what it is in: an answer or a ``VoterError``, never another error."""
    errors = []
    for depth in (10, 200, 400, 600, 800, 900, 950, 1000, 3000):
        nested: list[Any] = []
        for _ in range(depth):
            nested = [nested]
        for name in ("plain", "tool_call"):
            wire = json.loads(fixture_named(provider, name).wire)
            inner = wire["content"][-1] if provider == "anthropic" else wire
            inner.setdefault("input", {}).update(deep=nested)
            wire["deep"] = nested
            voter = CloudVoter(INFO, DIALECTS[provider], Canned(wire), "m", Limits())
            for method in (voter.ask, voter.answer):
                try:
                    await method(REQUEST)
                except VoterError as error:
                    errors.append(error)
    assert errors


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("depth", [10, 200, 400, 600, 800, 900, 950, 1000, 3000])
async def test_a_stream_nested_without_end_costs_the_ballot(provider: Provider, depth: int) -> None:
    """Pieces of a field that nobody reads are put together however deep they are: an answer or a ``VoterError``."""
    nested: dict[str, Any] = {}
    for _ in range(depth):
        nested = {"deep": nested}
    first, *rest = json.loads(json.dumps(fixture_named(provider, "stream").events))
    for event in (first, rest[0]):
        place = {"openai": event.get("choices"), "anthropic": [event], "gemini": event.get("candidates")}[provider][0]
        place["deep"] = nested
        place.setdefault("delta", {})["deep"] = nested
    voter = CloudVoter(INFO, DIALECTS[provider], Canned(None, (first, *rest)), "m", Limits(), stream=True)
    for method in (voter.ask, voter.answer):
        try:
            await method(REQUEST)
        except VoterError as error:
            assert "nested too deep" in str(error)  # noqa: PT017 - either outcome is right


async def test_usage_reaches_the_answer() -> None:
    """The full answer carries every count that the protocol has."""
    upstream = Upstream(parts_of(fixture_named("openai", "usage_details")))
    async with serving(upstream), voting("openai", "thin", upstream.port, stream=False) as voter:
        answer: Any = await voter.answer(REQUEST)
    assert answer.usage == Usage(2006, 300, 1920, 12, 192)
