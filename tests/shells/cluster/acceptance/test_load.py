"""What came back is told by status and cause."""

import json

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from cluster.acceptance.load import Load, Outcome, broken, refusal

NOWHERE = ConnectionKey("h", 1, is_ssl=False, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None)


def test_failures_are_counted_by_cause() -> None:
    """The most frequent cause comes first; answers are none of them."""
    outcomes = [Outcome(0, 1, status, "", cause) for status, cause in ((200, ""), (503, "b"), (0, "a"), (0, "a"))]
    assert list(Load(outcomes).failures().items()) == [("a", 2), ("b", 1)]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (json.dumps({"error": {"code": "not_ready"}}).encode(), "503 not_ready"),
        (b"<html>no server is available</html>", "503"),
        (b"{}", "503"),
        (b'{"error": "x"}', "503"),
    ],
)
def test_a_refusal_is_told_by_status_and_code(body: bytes, told: str) -> None:
    """A body that is not ours, a proxy's page say, leaves the status."""
    assert refusal(503, body) == told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (aiohttp.ClientConnectorError(NOWHERE, OSError(111, "refused")), "connection refused"),
        (aiohttp.ServerDisconnectedError(), "connection cut"),
        (aiohttp.ClientPayloadError("cut"), "connection cut"),
        (ConnectionResetError(), "connection cut"),
        (aiohttp.ServerTimeoutError(), "timed out"),
        (TimeoutError(), "timed out"),
    ],
)
def test_a_failed_connection_is_told_from_one_that_was_cut(error: Exception, told: str) -> None:
    """Nobody listening, an answer that broke off and one that took too long are three causes."""
    assert broken(error) == told
