"""The signed webhook against a real HTTP server on the loopback interface."""

import hashlib
import hmac
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from actors.base.errors import StorageUnavailable
from actors.store.adapters.webhook import SignedWebhook
from actors.store.config import WebhookConfig

SECRET = "a-shared-secret-of-some-length"


@dataclass
class Receiver:
    """Answers with the given statuses in turn, the last one for ever, and keeps what it was sent."""

    port: int = 0
    statuses: list[int] = field(default_factory=lambda: [200])
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run a receiver."""
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.received.append((dict(self.headers), body))
            status = state.statuses.pop(0) if len(state.statuses) > 1 else state.statuses[0]
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    state.port = server.server_port
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def webhook() -> Callable[..., SignedWebhook]:
    """Return a maker of webhooks that do not wait between attempts."""

    def make(port: int, **settings: object) -> SignedWebhook:
        base = {"url": f"http://127.0.0.1:{port}/hook?token=t0ken", "secret": SECRET, "first_wait_s": 0, "timeout_s": 5}
        return SignedWebhook(WebhookConfig.model_validate(base | settings), clock=lambda: 1_700_000_000.9)

    return make


def test_the_receiver_can_check_who_sent_it(receiver: Receiver, webhook: Callable[..., SignedWebhook]) -> None:
    """The signature is HMAC-SHA256 of timestamp, full stop and the body as received."""
    webhook(receiver.port).send("Halt", "generation is halted — odd votes", "level_1_critical")
    [(headers, body)] = receiver.received
    assert headers["X-Weavergen-Timestamp"] == "1700000000"
    expected = hmac.new(SECRET.encode(), b"1700000000." + body, hashlib.sha256).hexdigest()
    assert headers["X-Weavergen-Signature"] == f"v1={expected}"
    message = json.loads(body)
    assert (message["title"], message["level"]) == ("Halt", "level_1_critical")
    assert message["body"] == "generation is halted — odd votes"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_failures_are_tried_again(
    receiver: Receiver, webhook: Callable[..., SignedWebhook], status: int
) -> None:
    """A receiver that fails twice gets the same message a third time."""
    receiver.statuses = [status, status, 204]
    webhook(receiver.port).send("t", "b", "level_2_major")
    assert len(receiver.received) == 3
    assert len({body for _, body in receiver.received}) == 1


@pytest.mark.parametrize("status", [301, 400, 401, 404])
def test_refusals_are_final(receiver: Receiver, webhook: Callable[..., SignedWebhook], status: int) -> None:
    """What the receiver refuses or redirects is not repeated, and the error holds neither URL nor secret."""
    receiver.statuses = [status]
    with pytest.raises(StorageUnavailable, match=f"status {status}") as caught:
        webhook(receiver.port).send("t", "b", "level_2_major")
    assert len(receiver.received) == 1
    assert "t0ken" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_attempts_are_bounded(receiver: Receiver, webhook: Callable[..., SignedWebhook]) -> None:
    """A receiver that never recovers costs exactly the configured attempts."""
    receiver.statuses = [503]
    with pytest.raises(StorageUnavailable, match="status 503"):
        webhook(receiver.port, attempts=3).send("t", "b", "level_2_major")
    assert len(receiver.received) == 3


def test_nobody_listens(webhook: Callable[..., SignedWebhook]) -> None:
    """A refused connection is a storage error after the attempts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(StorageUnavailable, match="ConnectError"):
            webhook(port, attempts=2).send("t", "b", "level_2_major")


def test_a_silent_receiver_times_out(webhook: Callable[..., SignedWebhook]) -> None:
    """A receiver that accepts and says nothing costs the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(StorageUnavailable, match="ReadTimeout"):
        webhook(silent.getsockname()[1], attempts=1, timeout_s=0.2).send("t", "b", "level_2_major")
