"""Asking over HTTP what may be broken, slow or hostile."""

import itertools
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from cluster.client import GatewayClient, NotRunning
from cluster.probes import Answer, call, fetch, http_status

BROKEN = [
    b"this is no HTTP\r\n\r\n",
    b"HTTP/1.1 abc OK\r\n\r\n",
    b"",
    b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\nhalf",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nx",
]


@contextmanager
def answering(parts: Iterable[bytes], pause_s: float = 0.0) -> Iterator[str]:
    """Serve one connection with exactly these bytes; yield the address."""
    over = threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            for part in parts:
                try:
                    connection.sendall(part)
                except OSError:
                    return
                if over.wait(pause_s):
                    return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("data", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_answer_is_no_answer(data: bytes) -> None:
    """Whatever comes back, a probe returns; what is no whole HTTP answer has status 0."""
    with answering([data]) as url:
        assert fetch("GET", url, timeout_s=5.0) == Answer()


@pytest.mark.parametrize("data", BROKEN, ids=range(len(BROKEN)))
def test_a_client_hears_of_a_broken_answer_in_one_line(data: bytes) -> None:
    """A replica that dies in the middle of an answer is said, not raised as somebody else's exception."""
    with answering([data]) as url, pytest.raises(NotRunning, match="no whole answer"):
        GatewayClient(url, "key", frozenset()).ask({}, 5.0)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"])
def test_a_byte_at_a_time_does_not_hold_a_probe(head: bytes) -> None:
    """The bound is on the exchange, not on each read: bytes that keep coming do not extend it."""
    drip = itertools.chain([head], itertools.repeat(b"x", 1000))
    with answering(drip, pause_s=0.02) as url:
        began = time.monotonic()
        assert http_status(url, timeout_s=0.3) == 0
        assert time.monotonic() - began < 3.0


def test_a_whole_answer_is_returned_whole() -> None:
    """Status, headers and body, of errors too."""
    with answering([b"HTTP/1.1 503 No\r\nX-One: 1\r\ncontent-length: 2\r\n\r\nok"]) as url:
        assert fetch("GET", url + "/a?b=c") == Answer(503, {"x-one": "1", "content-length": "2"}, b"ok")
    with answering([b"HTTP/1.1 200 OK\r\n\r\nto the end"]) as url:
        assert call("GET", url) == (200, b"to the end")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://[::1", "http://127.0.0.1:99999", "http://no such host/"])
def test_nobody_there_is_no_answer(url: str) -> None:
    """Refused connections and addresses that are none return status 0."""
    assert http_status(url, timeout_s=1.0) == 0
