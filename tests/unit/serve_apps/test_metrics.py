"""The union of all processes' metrics."""

import socket

from aiohttp import web
from aiohttp.test_utils import TestServer

from serve_apps.metrics import Counted, VoterHealth, merge, union_of

PAGE = """# HELP ray_weavergen_votes_total Ballots by outcome.
# TYPE ray_weavergen_votes_total counter
ray_weavergen_votes_total{replica="a",voter="x"} 3.0
ray_node_cpu 1.0
"""


def test_pages_are_merged_without_rays_prefix() -> None:
    """Families stay together, are described once, and nothing of Ray's own is passed on."""
    merged = merge([PAGE, PAGE.replace('replica="a"', 'replica="b"')]).decode()
    assert merged.count("# TYPE weavergen_votes_total") == 1
    assert 'weavergen_votes_total{replica="a",voter="x"} 3.0' in merged
    assert 'weavergen_votes_total{replica="b",voter="x"} 3.0' in merged
    assert "ray_" not in merged


async def test_an_agent_that_is_gone_takes_nothing_from_the_others() -> None:
    """Of three agents one refuses, one answers an error: the third's page is there, and the gauge says how many are not."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=PAGE)

    app = web.Application()
    app.router.add_get("/metrics", page)
    server = TestServer(app)
    await server.start_server()
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # not listening: connections are refused
        gone = f"http://127.0.0.1:{reserved.getsockname()[1]}/metrics"
        try:
            text = (await union_of([str(server.make_url("/metrics")), gone, str(server.make_url("/other"))])).decode()
        finally:
            await server.close()
    assert 'weavergen_votes_total{replica="a",voter="x"} 3.0' in text
    assert "\nweavergen_metrics_agents_unread 2\n" in text


def test_no_pages_is_no_metrics() -> None:
    """Nothing scraped, nothing said."""
    assert merge([]) == b""


class Told:
    """A counter that keeps what it is told."""

    def __init__(self) -> None:
        self.increments: list[tuple[int, dict[str, str]]] = []

    def inc(self, value: int, tags: dict[str, str]) -> None:
        """Keep an increment."""
        self.increments.append((value, tags))


def test_what_is_counted_is_told_once_with_its_labels() -> None:
    """Increments of the same values are told as one; what was told is not told again."""
    told = Told()
    counted = Counted(told, "voter", "outcome")
    for outcome in ("agreed", "agreed", "timeout"):
        counted.add("a", outcome)
    counted.tell()
    counted.tell()
    counted.add("a", "agreed")
    counted.tell()
    agreed, timeout = {"voter": "a", "outcome": "agreed"}, {"voter": "a", "outcome": "timeout"}
    assert told.increments == [(2, agreed), (1, timeout), (1, agreed)]


class Silent:
    """A meter that counts nothing."""

    def decided(self, result: str, kind: str, seconds: float) -> None:
        """Ignore."""

    def voted(self, voter: str, outcome: str, seconds: float) -> None:
        """Ignore."""

    def supported(self, support: float) -> None:
        """Ignore."""


def test_three_failures_in_a_row_make_a_voter_failing() -> None:
    """A voter is failing after three bad ballots in a row and well again after one good; cancellations count neither way."""
    health = VoterHealth(Silent(), lambda: 0.0, 60.0)
    for outcome in ("failed", "cancelled", "timeout"):
        health.voted("a", outcome, 60.0)
    assert health.failing() == []
    health.voted("a", "failed", 0.1)
    assert health.failing() == ["a"]
    health.voted("a", "dissented", 0.1)
    assert health.failing() == []


def test_a_full_queue_says_nothing_about_a_voter() -> None:
    """A busy voter is not failing for that, and one that hangs does not become well by having filled its queue."""
    health = VoterHealth(Silent(), lambda: 0.0, 60.0)
    for _ in range(10):
        health.voted("a", "busy", 0.0)
    assert health.failing() == []
    for outcome in ("failed", "failed", "busy", "failed", "busy"):
        health.voted("a", outcome, 0.0)
    assert health.failing() == ["a"]


def test_a_client_that_gives_no_time_says_nothing_about_voters() -> None:
    """Time-outs of deadlines shorter than the default mark nobody, and lift no mark."""
    health = VoterHealth(Silent(), lambda: 0.0, 60.0)
    for _ in range(10):
        health.voted("a", "timeout", 0.05)
    assert health.failing() == []
    for _ in range(3):
        health.voted("a", "timeout", 60.0)
    health.voted("a", "timeout", 0.05)
    assert health.failing() == ["a"]


def test_a_mark_runs_out_without_traffic_and_comes_back_with_one_failure() -> None:
    """Nothing else would lift it when nobody asks; the first bad ballot afterwards sets it again."""
    now = [0.0]
    health = VoterHealth(Silent(), lambda: now[0], 60.0)
    for _ in range(3):
        health.voted("a", "failed", 1.0)
    assert health.failing() == ["a"]
    now[0] = VoterHealth.FORGET_AFTER_S + 1
    assert health.failing() == []
    health.voted("a", "failed", 1.0)
    assert health.failing() == ["a"]
