"""The SDKs and the thin adapter against the same bytes: the same answer, field by field, or the same error."""

import asyncio
import json
import traceback
from typing import Any

import pytest

from models.errors import VoterError, VoterFailed, VoterInvalid
from models.http1 import ConnectionPool
from models.openai_http import OpenAIHttpVoter
from models.providers.answer import ProviderAnswer
from models.providers.build import Adapter, Provider
from models.providers.cloud import Limits
from models.voter import Candidate
from tests.providers import DIALECTS, FIXTURES, INFO, KEY, REQUEST, Fixture, event_bytes, fixture_named, meaning
from tests.upstreams import CHUNKED, END, EVENTS, JSON, QUICK, Then, Upstream, chunk, parts_of, reply, serving, voting

PROVIDERS: list[Provider] = ["openai", "anthropic", "gemini"]
ADAPTERS: list[Adapter] = ["sdk", "thin"]


async def asked(
    provider: Provider, adapter: Adapter, upstream: Upstream, *, stream: bool, **options: Any
) -> tuple[Candidate | VoterError, ProviderAnswer | VoterError]:
    """Return what ``ask`` and ``answer`` give."""
    results: list[Any] = []
    async with serving(upstream), voting(provider, adapter, upstream.port, stream=stream, **options) as voter:
        for method in (voter.ask, voter.answer):
            try:
                results.append(await method(REQUEST))
            except VoterError as error:
                results.append(error)
    said = "".join("".join(traceback.format_exception(error)) for error in results if isinstance(error, VoterError))
    assert KEY not in said
    assert "s3cret" not in said
    return results[0], results[1]


def alike(answer: ProviderAnswer | VoterError) -> Any:
    """Return what two adapters must have in common: everything, but the alphabet of base 64 that Google's SDK changes."""
    if isinstance(answer, VoterError):
        return type(answer), answer.args
    extra = {place: text.replace("+", "-").replace("/", "_") for place, text in answer.extra}
    return [
        getattr(answer, name) for name in ("id", "model", "parts", "refusal", "native_finish", "finish", "usage")
    ], extra


@pytest.mark.parametrize("fixture", FIXTURES, ids=str)
async def test_sdk_and_thin_adapter_read_the_same(fixture: Fixture, caplog: pytest.LogCaptureFixture) -> None:
    """Every documented response means what its fixture says, and is the same value, through either; no log has the key."""
    caplog.set_level("DEBUG")
    provider, stream = fixture.provider, fixture.kind == "stream"
    sdk, sdk_answer = await asked(provider, "sdk", Upstream(parts_of(fixture)), stream=stream)  # type: ignore[arg-type]
    thin, thin_answer = await asked(provider, "thin", Upstream(parts_of(fixture)), stream=stream)  # type: ignore[arg-type]
    assert meaning(thin) == fixture.means
    assert meaning(sdk) == fixture.means
    assert alike(sdk_answer) == alike(thin_answer)
    assert KEY not in caplog.text
    if isinstance(sdk, VoterError):
        assert sdk.args == thin.args


@pytest.mark.parametrize("fixture", [f for f in FIXTURES if f.provider == "openai" and f.kind != "stream"], ids=str)
async def test_the_plain_http_voter_means_the_same(fixture: Fixture) -> None:
    """The voter for our own servers reads OpenAI's documented responses and errors as the cloud voters do."""
    pool = ConnectionPool(1)
    async with serving(Upstream(parts_of(fixture))) as upstream:
        voter = OpenAIHttpVoter(INFO, f"http://127.0.0.1:{upstream.port}/v1", "m", KEY, pool)
        try:
            outcome: Candidate | VoterError = await voter.ask(REQUEST)
        except VoterError as error:
            outcome = error
    pool.close()
    assert meaning(outcome) == fixture.means


def fault_parts(provider: str, fault: str, *, stream: bool) -> tuple[list[bytes], Then]:
    """Return what an upstream with this fault says, and what it does then."""
    fixture = fixture_named(provider, "stream" if stream else "plain")
    whole, error = parts_of(fixture), fixture_named(provider, "error_500").wire
    half = [b"".join(whole)[: len(b"".join(whole)) * 2 // 3]] if not stream else whole[: len(whole) // 2]
    bare = CHUNKED.replace(b"Transfer-Encoding: chunked", b"Connection: close")
    events = [part.split(b"\r\n", 1)[1][:-2] for part in whole[1:-1]] if stream else []
    late_error = {"type": "error", "error": {"type": "overloaded_error", "message": "s3cret", "code": 503}}
    as_event = (
        (b"event: error\n" if provider == "anthropic" else b"") + b"data: " + json.dumps(late_error).encode() + b"\n\n"
    )
    faults: dict[str, tuple[list[bytes], Then]] = {
        **{f"status_{status}": ([reply(error, status=status)], "keep") for status in (429, 500, 502, 503, 529)},
        "status_429_with_time": ([reply(error, status=429, headers={"Retry-After": "3"})], "keep"),
        "redirect": ([reply(b"", status=307, headers={"Location": "http://127.0.0.1:9/"})], "keep"),
        "created": ([reply(fixture.wire, EVENTS if stream else JSON, status=201)], "keep"),
        "no_content": ([reply(b"", status=204)], "keep"),
        "reset_mid_body": (half, "reset"),
        "cut_mid_body": (half, "close"),
        "silent": ([], "hang"),
        "slow_first_token": ([CHUNKED] if stream else whole[0:0], "hang"),
        "stalled": (half, "hang"),
        "cut_stream": ([bare, *events[:-1]] if stream else half, "close"),
        "cut_inside_an_event": ([bare, *events[:-1], events[-1][:-2]] if stream else half, "close"),
        "malformed_json": (
            [
                CHUNKED,
                chunk(events[0]),
                chunk(as_event.split(b"data:")[0].replace(b"error", b"message_delta") + b"data: {oops\n\n"),
                END,
            ]
            if stream
            else [reply(b'{"id": oops')],
            "keep",
        ),
        "malformed_sse": (
            [CHUNKED, chunk(events[0]), chunk(b"{oops\n\n"), END] if stream else [reply(b"data: {}\n\n")],
            "keep",
        ),
        "empty": ([reply(b"", EVENTS if stream else JSON)], "keep"),
        "error_event": (
            [*whole[:3], chunk(as_event), END]
            if stream
            else [reply(json.dumps(fixture.content | late_error).encode())],
            "keep",
        ),
        "wrong_content_type": ([reply(fixture.wire, "text/html")], "keep"),
        "json_for_a_stream": ([reply(fixture.wire, JSON if stream else EVENTS)], "keep"),
        "compressed": ([reply(fixture.wire, EVENTS if stream else JSON, headers={"Content-Encoding": "gzip"})], "keep"),
        "oversized": ([reply(b" " * (1 << 20) + b" ", EVENTS if stream else JSON)], "keep"),
        "nested": (
            [reply(b'{"choices":' + b"[" * 200_000)]
            if not stream
            else [CHUNKED, chunk(b"data: " + b"[" * 200_000 + b"\n\n"), END],
            "keep",
        ),
    }
    return faults[fault]


FAULTS = (
    "status_429 status_429_with_time status_500 status_502 status_503 status_529 redirect created no_content"
    " reset_mid_body cut_mid_body silent slow_first_token stalled cut_stream cut_inside_an_event malformed_json"
    " malformed_sse empty error_event wrong_content_type json_for_a_stream compressed oversized nested"
).split()


def bound_of(fault: str, *, stream: bool) -> Limits:
    """Return limits of which one alone is short, so that how fast the machine is does not decide which one ends the wait."""
    if not stream:
        return Limits(0.3, 30.0, 30.0)
    return Limits(30.0, 30.0, 0.2) if fault == "stalled" else Limits(30.0, 0.2, 30.0)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_is_the_same_error_through_either(provider: Provider, fault: str, stream: bool) -> None:
    """No fault of a provider is a candidate, and SDK and thin adapter call it by the same name."""
    errors = []
    for adapter in ADAPTERS:
        parts, then = fault_parts(provider, fault, stream=stream)
        limits = QUICK if then != "hang" else bound_of(fault, stream=stream)
        outcome, answer = await asked(provider, adapter, Upstream(parts, then), stream=stream, limits=limits)
        assert isinstance(outcome, VoterError), f"{adapter}: {outcome}"
        assert isinstance(answer, VoterError), f"{adapter}: {answer}"
        errors.append((type(outcome), outcome.args))
    assert errors[0] == errors[1]


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_is_the_same_error_to_the_plain_voter(fault: str) -> None:
    """The voter for our own servers calls a fault what the cloud voters call it."""
    parts, then = fault_parts("openai", fault, stream=False)
    seconds = 0.3 if then == "hang" else 5.0
    outcome, _ = await asked("openai", "thin", Upstream(parts, then), stream=False, limits=Limits(seconds, 5.0, 5.0))
    pool = ConnectionPool(1)
    async with serving(Upstream(parts, then)) as upstream:
        url = f"http://127.0.0.1:{upstream.port}/v1"
        voter = OpenAIHttpVoter(INFO, url, "m", KEY, pool, timeout_s=seconds, max_response_bytes=1 << 20)
        with pytest.raises(VoterError) as caught:
            await voter.ask(REQUEST)
    pool.close()
    assert isinstance(outcome, VoterError)
    assert meaning(caught.value) == meaning(outcome)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_nobody_listening_is_a_failure(provider: Provider, adapter: Adapter, stream: bool) -> None:
    """A refused connection costs the ballot."""
    async with serving(Upstream([])) as gone:
        pass
    async with voting(provider, adapter, gone.port, stream=stream) as voter:
        with pytest.raises(VoterError, match="cannot be connected to"):
            await voter.ask(REQUEST)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_both_ask_the_same_in_one_request(provider: Provider, stream: bool) -> None:
    """SDK and thin adapter send the same body and the same headers that matter to the same place, once, error or not."""
    seen = []
    for adapter in ADAPTERS:
        upstream = Upstream([reply(fixture_named(provider, "error_500").wire, status=500)])
        async with serving(upstream), voting(provider, adapter, upstream.port, stream=stream) as voter:
            with pytest.raises(VoterError):
                await voter.ask(REQUEST)
        ((head, body),) = upstream.requests
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        names = ("authorization", "x-goog-api-key", "anthropic-version", "content-type", "accept-encoding")
        seen.append((lines[0], {name: headers.get(name) for name in names}, json.loads(body)))
    assert seen[0] == seen[1]
    assert [value for value in seen[0][1].values() if value and KEY in value]


async def test_both_speak_the_version_that_is_configured() -> None:
    """The older version of Anthropic's API is asked for in the header, and takes the sampling, through either."""
    seen = []
    for adapter in ADAPTERS:
        upstream = Upstream(parts_of(fixture_named("anthropic", "plain")))
        async with (
            serving(upstream),
            voting("anthropic", adapter, upstream.port, stream=False, api_version="2023-06-01") as voter,
        ):
            await voter.ask(REQUEST)
        ((head, body),) = upstream.requests
        assert b"anthropic-version: 2023-06-01\r\n" in head.lower()
        seen.append(json.loads(body))
    assert seen[0] == seen[1]
    assert (seen[0]["temperature"], seen[0]["top_p"]) == (0.5, 0.9)


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_an_answer_to_be_continued_is_not(adapter: Adapter) -> None:
    """Google's SDK would ask on by itself: one question is one call, and half an answer is none."""
    wire = json.loads(fixture_named("gemini", "plain").wire)
    wire["candidates"][0] |= {"finishReason": "CONTINUATION", "continuationToken": "CiQB"}
    upstream = Upstream([reply(json.dumps(wire).encode())])
    outcome, _ = await asked("gemini", adapter, upstream, stream=False)
    assert isinstance(outcome, VoterInvalid)
    assert len(upstream.requests) == 2  # ``ask`` and ``answer``


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_a_stream_that_is_refused_half_way_is_closed(provider: Provider, adapter: Adapter) -> None:
    """Who has seen enough does not let the provider go on."""
    wrong = {"openai": {"id": "x"}, "anthropic": {"type": "message_stop"}, "gemini": {"candidates": [{"index": 1}]}}[
        provider
    ]
    parts = parts_of(fixture_named(provider, "stream"))[:2]
    event = {"data": wrong} | ({"event": "message_stop"} if provider == "anthropic" else {})
    upstream = Upstream([*parts, chunk(event_bytes(event))], "hang")
    async with serving(upstream), voting(provider, adapter, upstream.port, stream=True) as voter:
        with pytest.raises(VoterInvalid):
            await voter.ask(REQUEST)
        await asyncio.wait_for(upstream.left.wait(), 5)


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("provider", ["anthropic", "gemini"])
async def test_a_stream_cut_behind_its_last_event_is_cut(provider: Provider, adapter: Adapter) -> None:
    """Something was begun that did not come: whatever it was, the stream is not whole."""
    bare = CHUNKED.replace(b"Transfer-Encoding: chunked", b"Connection: close")
    events = [event_bytes(event) for event in fixture_named(provider, "stream").content]
    outcome, _ = await asked(provider, adapter, Upstream([bare, *events, events[-1][:-9]], "close"), stream=True)
    assert isinstance(outcome, VoterFailed)
    assert "ended before" in outcome.message


ELSEWHERE = {
    "OPENAI_API_KEY": "from-environment",
    "OPENAI_BASE_URL": "http://127.0.0.1:9/",
    "OPENAI_ORG_ID": "from-environment",
    "OPENAI_PROJECT_ID": "from-environment",
    "ANTHROPIC_API_KEY": "from-environment",
    "ANTHROPIC_AUTH_TOKEN": "from-environment",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:9/",
    "ANTHROPIC_CUSTOM_HEADERS": "x-evil: from-environment",
    "GOOGLE_API_KEY": "from-environment",
    "GEMINI_API_KEY": "from-environment",
    "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9/",
    "GOOGLE_GENAI_USE_VERTEXAI": "true",
    "GOOGLE_GENAI_USE_ENTERPRISE": "true",
    "GOOGLE_GENAI_API_VERSION": "v9",
    "HTTP_PROXY": "http://127.0.0.1:9/",
    "HTTPS_PROXY": "http://127.0.0.1:9/",
    "ALL_PROXY": "http://127.0.0.1:9/",
}


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_sdk_takes_nothing_from_the_environment(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, addresses, organizations, headers and proxies that lie in the environment change nothing."""
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    upstream = Upstream(parts_of(fixture_named(provider, "plain")))
    async with serving(upstream), voting(provider, "sdk", upstream.port, stream=False) as voter:
        await voter.ask(REQUEST)
    ((head, _),) = upstream.requests
    path = ("/v1" if provider == "openai" else "") + DIALECTS[provider].path("model-x", stream=False)
    assert head.startswith(f"POST {path} HTTP/1.1\r\n".encode())
    assert b"from-environment" not in head
    assert KEY.encode() in head


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_connection_is_used_again(provider: Provider, adapter: Adapter, stream: bool) -> None:
    """Calls one after the other share a connection."""
    upstream = Upstream([b"".join(parts_of(fixture_named(provider, "stream" if stream else "plain")))])
    async with serving(upstream), voting(provider, adapter, upstream.port, stream=stream) as voter:
        for _ in range(3):
            await voter.ask(REQUEST)
    assert upstream.connections == 1


@pytest.mark.parametrize("then", ["silent", "in the middle"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_cancelled_request_is_aborted_upstream(
    provider: Provider,
    adapter: Adapter,
    stream: bool,
    then: str,
) -> None:
    """Cancelling closes the connection, before the response as in the middle of it, and stays a cancellation."""
    parts = parts_of(fixture_named(provider, "stream" if stream else "plain"))
    begun = parts[:2] if stream else [parts[0][:-5]]
    upstream = Upstream([] if then == "silent" else begun, "hang")
    async with serving(upstream), voting(provider, adapter, upstream.port, stream=stream) as voter:
        task = asyncio.create_task(voter.ask(REQUEST))
        await asyncio.wait_for(upstream.arrived.wait(), 5)
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(upstream.left.wait(), 5)
