"""What a call of an SDK saw on the wire: how it is told, and what follows from it."""

import pytest

from models.providers.faults import Broken, Cut, ErrorEvent, Malformed, Oversized, Rejected, Unaskable
from models.providers.sdk import Tap, watching
from tests.upstreams import EVENTS

JSON_HEADERS = {b"content-type": b"application/json"}
EVENT_HEADERS = {b"content-type": EVENTS.encode()}


class SdkError(Exception):
    """What an SDK would raise."""


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
