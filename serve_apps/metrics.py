"""Metrics: every process publishes once through ``ray.util.metrics``; ``/metrics`` is the union Ray's node agents hold.

Rules:
- Names are ``weavergen_*``; Ray prefixes ``ray_`` on its own endpoints, ``/metrics`` takes the prefix away again.
- The union is read from the agents of all nodes, so every replica answers the same; the ``replica`` label tells processes
  apart. What an agent exports lags by up to ten seconds.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import Any

import aiohttp

from actors.base.errors import NotReady
from actors.consensus.ports import Meter

_LINE = re.compile(r"^(# (?:HELP|TYPE) )?ray_(weavergen_.*)$")
_MAX_AGENT_BYTES = 64 * 1024 * 1024
_AGENT_TIMEOUT_S = 5.0
SECONDS = [0.01 * 2**n for n in range(14)]
"""Bucket bounds in seconds, as the GenAI conventions give them for client operation duration: 0.01 doubling to 81.92."""


class RayMeter:
    """Counts decisions and votes of one process."""

    def __init__(self, replica: str) -> None:
        from ray.util.metrics import Counter, Gauge, Histogram

        self._tags = {"replica": replica}
        self._decisions = Counter(
            "weavergen_decisions", "Deliberations by result and kind.", tag_keys=("replica", "result", "kind")
        )
        self._seconds = Histogram(
            "weavergen_decision_seconds", "Time to a durable decision.", boundaries=SECONDS, tag_keys=("replica",)
        )
        self._votes = Counter("weavergen_votes", "Ballots by outcome.", tag_keys=("replica", "voter", "outcome"))
        self._vote_seconds = Histogram(
            "weavergen_vote_seconds", "Time to a ballot.", boundaries=SECONDS, tag_keys=("replica", "voter")
        )
        self._seconds.set_default_tags(self._tags)
        self._gauge = Gauge
        self._gauges: dict[str, Any] = {}

    def decided(self, result: str, kind: str, seconds: float) -> None:
        """One deliberation ended."""
        self._decisions.inc(1, {**self._tags, "result": result, "kind": kind})
        if seconds > 0:
            self._seconds.observe(seconds)

    def voted(self, voter: str, outcome: str, seconds: float) -> None:
        """One ballot is on record."""
        self._votes.inc(1, {**self._tags, "voter": voter, "outcome": outcome})
        if seconds > 0:
            self._vote_seconds.observe(seconds, {**self._tags, "voter": voter})

    def show(self, values: Mapping[str, float]) -> None:
        """Set gauges by name (without the ``weavergen_`` prefix)."""
        for name, value in values.items():
            if name not in self._gauges:
                gauge = self._gauge(f"weavergen_{name}", name.replace("_", " "), tag_keys=("replica",))
                gauge.set_default_tags(self._tags)
                self._gauges[name] = gauge
            self._gauges[name].set(value)


class VoterHealth:
    """A meter that also remembers how each voter's last ballots went, for ``degraded``."""

    BAD_IN_A_ROW = 3
    _BAD = frozenset({"failed", "timeout"})

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._bad: dict[str, int] = {}

    def decided(self, result: str, kind: str, seconds: float) -> None:
        """Pass on."""
        self._meter.decided(result, kind, seconds)

    def voted(self, voter: str, outcome: str, seconds: float) -> None:
        """Pass on, and count failures in a row."""
        self._meter.voted(voter, outcome, seconds)
        if outcome in self._BAD:
            self._bad[voter] = self._bad.get(voter, 0) + 1
        elif outcome != "cancelled":
            self._bad.pop(voter, None)

    def failing(self) -> list[str]:
        """Return the voters whose last ballots all failed."""
        return sorted(voter for voter, count in self._bad.items() if count >= self.BAD_IN_A_ROW)


def agent_urls() -> list[str]:
    """Return the metrics address of every live node's agent (asks Ray; blocks)."""
    import ray

    return [
        f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
        for node in ray.nodes()
        if node.get("Alive") and node.get("MetricsExportPort")
    ]


async def union() -> bytes:
    """Return every process's ``weavergen_*`` metrics in Prometheus' text format."""
    urls = await asyncio.to_thread(agent_urls)
    async with aiohttp.ClientSession(trust_env=False) as session:
        pages = await asyncio.gather(*(_page(session, url) for url in urls))
    return merge(pages)


async def _page(session: aiohttp.ClientSession, url: str) -> str:
    data = bytearray()
    async with session.get(url, timeout=aiohttp.ClientTimeout(total=_AGENT_TIMEOUT_S)) as response:
        async for chunk in response.content.iter_chunked(1 << 16):
            data += chunk
            if len(data) > _MAX_AGENT_BYTES:
                raise NotReady(f"a metrics agent sent more than {_MAX_AGENT_BYTES} bytes")
    return data.decode("utf-8", "replace")


def merge(pages: Iterable[str]) -> bytes:
    """Keep our metrics of several pages, families together and described once, ``ray_`` taken away. Pure."""
    families: dict[str, list[str]] = {}
    described: dict[str, list[str]] = {}
    for page in pages:
        family = ""
        for line in page.splitlines():
            match = _LINE.match(line)
            if match is None:
                continue
            if match[1]:
                family = match[2].split(" ", 1)[0]
                text = f"{match[1]}{match[2]}"
                if text not in described.setdefault(family, []) and len(described[family]) < 2:
                    described[family].append(text)
            else:
                families.setdefault(family, []).append(match[2])
    lines = [line for family in sorted(families) for line in (*described.get(family, []), *families[family])]
    return ("\n".join(lines) + "\n").encode() if lines else b""
