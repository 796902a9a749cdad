"""Server-sent events from bytes, however they are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.providers.faults import Malformed
from models.providers.sse import Event, EventDecoder

STREAM = (
    b"\xef\xbb\xbf: hello\n"
    b"event: ping\r\ndata: {}\r\n\r\n"
    b"data: one\ndata:two\n\n"
    b"id: 7\rretry: 10\rdata: \xc3\xa9\r\r"
    b"event: nothing\n\n"
    b"data\n\n"
    b"data: [DONE]\n\n"
)
EVENTS = [Event("ping", "{}"), Event("", "one\ntwo"), Event("", "é"), Event("", ""), Event("", "[DONE]")]


def read(*chunks: bytes) -> tuple[list[Event], bool]:
    """Return the events of these chunks, and whether something is left."""
    decoder = EventDecoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events, decoder.pending


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_cuts_between_bytes_change_nothing(cuts: list[int]) -> None:
    """Line ends of all kinds, comments, several data lines and cut letters read the same in any chunks."""
    places = [0, *sorted(cuts), len(STREAM)]
    assert read(*(STREAM[a:b] for a, b in pairwise(places))) == (EVENTS, False)


@pytest.mark.parametrize("rest", [b"data: x", b"data: x\n", b"event: x\n", b"d"])
def test_what_was_begun_and_not_ended_is_no_event(rest: bytes) -> None:
    """A stream that stops inside an event leaves something pending."""
    assert read(b"data: 1\n\n" + rest) == ([Event("", "1")], True)


@pytest.mark.parametrize("line", [b"{}", b"<html>", b"dat: x", b"data : x", b"data: \xff", b"HTTP/1.1 200 OK"])
def test_a_line_of_something_else_is_malformed(line: bytes) -> None:
    """What is no field and no text is not passed over."""
    with pytest.raises(Malformed):
        read(line + b"\n\n")
