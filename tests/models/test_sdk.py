"""The HTTP client under the SDKs: what goes out, what is told of what came."""

import httpx2
import pytest

from models.providers.faults import Broken, Cut, ErrorEvent, Malformed, Oversized, Rejected, Unaskable
from models.providers.sdk import Tap, client, watching
from tests.upstreams import EVENTS, Upstream, reply, serving

JSON_HEADERS = {b"content-type": b"application/json"}
EVENT_HEADERS = {b"content-type": EVENTS.encode()}


class SdkError(Exception):
    """What an SDK would raise."""


async def test_only_named_headers_go_out() -> None:
    """Whatever an SDK adds of its own stays here; nothing compressed is asked for, no cookie is kept, no redirect followed."""
    upstream = Upstream([reply(b"{}", status=307, headers={"Location": "/elsewhere", "Set-Cookie": "a=b"})])
    async with serving(upstream), client(2) as http:
        for _ in range(2):
            with watching(Tap("json", 1000), ()) as tap:
                await http.post(
                    f"http://127.0.0.1:{upstream.port}/x", headers={"X-Evil": "1", "Authorization": "Bearer k"}
                )
            with pytest.raises(Rejected):
                tap.require_success()
    assert len(upstream.requests) == 2
    for head, _ in upstream.requests:
        names = {line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:] if line}
        assert b"x-evil" not in names
        assert b"cookie" not in names
        assert b"accept-encoding: identity" in head.lower()
        assert b"Bearer k" in head


@pytest.mark.parametrize(
    ("status", "kind", "error", "fault"),
    [
        (0, "json", SdkError(), Unaskable),
        (0, "json", TypeError("no such argument"), Unaskable),
        (500, "json", SdkError(), Rejected),
        (200, "json", SdkError(), Malformed),
        (200, "json", ValueError("s3cret"), Malformed),
        (200, "events", SdkError(), ErrorEvent),
        (200, "events", ValueError("s3cret"), Malformed),
    ],
)
def test_what_an_sdk_raises_is_explained_by_what_came(
    status: int, kind: str, error: Exception, fault: type[Exception]
) -> None:
    """Not its exception but the wire says what went wrong, and nothing of its message is kept."""
    tap = Tap(kind, 1000)  # type: ignore[arg-type]
    tap.begin(status, JSON_HEADERS if kind == "json" else EVENT_HEADERS)
    with pytest.raises(fault) as caught, watching(tap, (SdkError,)):
        raise error
    assert "s3cret" not in str(caught.value)


def test_a_fault_on_the_wire_comes_before_what_an_sdk_says() -> None:
    """What the transport saw is what it was."""
    tap = Tap("json", 1000)
    tap.fault = Broken()
    with pytest.raises(Broken), watching(tap, (SdkError,)):
        raise SdkError
    with pytest.raises(Broken):
        tap.require_success()


def test_a_timeout_and_a_cancellation_are_left_alone() -> None:
    """Time is the voter's business."""
    with pytest.raises(TimeoutError), watching(Tap("json", 1000), ()):
        raise TimeoutError


def test_a_body_is_bounded_and_an_errors_is_kept_short() -> None:
    """One byte more than is taken is too much; of an error only its beginning is kept."""
    tap = Tap("json", 10)
    tap.begin(200, JSON_HEADERS)
    tap.take(b"x" * 10)
    with pytest.raises(Oversized):
        tap.take(b"x")
    failed = Tap("json", 100_000)
    failed.begin(500, {})
    failed.take(b"x" * 50_000)
    assert len(failed.body) == 4096


@pytest.mark.parametrize(
    ("stream", "marker", "whole"),
    [
        (b"data: 1\n\ndata: [DONE]\n\n", "[DONE]", True),
        (b"data: [DONE]\n\ndata: 1\n\n{oops", "[DONE]", True),
        (b"data: 1\n\n", "[DONE]", False),
        (b"data: [DONE]\n", "[DONE]", False),
        (b"data: 1\n\n", "", True),
        (b"data: 1\n\ndata: 2\n", "", False),
    ],
)
def test_a_stream_ends_where_it_says_or_was_cut(stream: bytes, marker: str, whole: bool) -> None:
    """With an end marker only that ends it; without one, the end of an event does."""
    tap = Tap("events", 1000, end_marker=marker)
    tap.begin(200, EVENT_HEADERS)
    tap.take(stream)
    if whole:
        tap.require_end()
    else:
        with pytest.raises(Cut):
            tap.require_end()


async def test_connections_end_with_the_client() -> None:
    """Nothing is asked after it was closed."""
    http = client(1)
    await http.aclose()
    with pytest.raises(Unaskable), watching(Tap("json", 10), ()):
        await http.get("http://127.0.0.1:9/")
    assert isinstance(http, httpx2.AsyncClient)
