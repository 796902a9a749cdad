"""Metrics: every process publishes once through ``ray.util.metrics``; ``/metrics`` is the union Ray's node agents hold.

Rules:
- Names are ``weavergen_*``; Ray prefixes ``ray_`` on its own endpoints, ``/metrics`` takes the prefix away again.
- An agent that cannot be read takes nothing from the others; ``weavergen_metrics_agents_unread`` says how many were.
- The union is read from the agents of all nodes, so every replica answers the same; the ``replica`` label tells processes
  apart. What an agent exports lags by up to ten seconds.
- What every request counts is kept here and told to Ray when gauges are shown, about once a second.
"""

import asyncio
import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import aiohttp

from actors.base.errors import NotReady
from actors.consensus.ports import Meter

_LINE = re.compile(r"^(# (?:HELP|TYPE) )?ray_(weavergen_.*)$")
_log = logging.getLogger("weavergen.metrics")
_UNREAD_HEAD = (
    "# HELP weavergen_metrics_agents_unread Agents whose metrics are missing from this page.\n"
    "# TYPE weavergen_metrics_agents_unread gauge\n"
)
_MAX_AGENT_BYTES = 64 * 1024 * 1024
_AGENT_TIMEOUT_S = 5.0
SECONDS = [0.01 * 2**n for n in range(14)]
"""Bucket bounds in seconds, as the GenAI conventions give them for client operation duration: 0.01 doubling to 81.92."""

SHARES = [n / 20 for n in range(1, 21)]
"""Bucket bounds of a share: twentieths."""


class RayGauges:
    """Gauges of one process, made as they are first shown."""

    def __init__(self, replica: str) -> None:
        from ray.util.metrics import Gauge

        self._tags = {"replica": replica}
        self._gauge = Gauge
        self._gauges: dict[str, Any] = {}

    def show(self, values: Mapping[str, float]) -> None:
        """Set gauges by name (without the ``weavergen_`` prefix)."""
        for name, value in values.items():
            if name not in self._gauges:
                gauge = self._gauge(f"weavergen_{name}", name.replace("_", " "), tag_keys=("replica",))
                gauge.set_default_tags(self._tags)
                self._gauges[name] = gauge
            self._gauges[name].set(value)


class RayPredictions:
    """``weavergen_prediction``: probability of a breach, by signal and horizon in seconds."""

    def __init__(self, replica: str) -> None:
        from ray.util.metrics import Gauge

        self._gauge = Gauge(
            "weavergen_prediction", "Probability that a signal breaches its limit within a horizon (seconds).",
            tag_keys=("replica", "signal", "horizon"),
        )  # fmt: skip
        self._replica = replica
        self._shown: set[tuple[str, str]] = set()

    def show(self, values: Mapping[tuple[str, str], float]) -> None:
        """Set (signal, horizon) → probability; what was shown before and is no longer known is not a number."""
        self._shown |= set(values)
        for signal, horizon in self._shown:
            tags = {"replica": self._replica, "signal": signal, "horizon": horizon}
            self._gauge.set(values.get((signal, horizon), math.nan), tags)


class Increments(Protocol):
    """What Ray's counter takes."""

    def inc(self, value: int, tags: dict[str, str]) -> None:
        """Count so many with these labels."""


class Counted:
    """A counter that is told of many increments at once, by label values; used from one event loop."""

    def __init__(self, counter: Increments, *labels: str) -> None:
        self._counter, self._labels = counter, labels
        self._untold: dict[tuple[str, ...], int] = {}

    def add(self, *values: str) -> None:
        """Count one, with a value for each label."""
        self._untold[values] = self._untold.get(values, 0) + 1

    def tell(self) -> None:
        """Hand over what was counted since the last time."""
        untold, self._untold = self._untold, {}
        for values, count in untold.items():
            self._counter.inc(count, dict(zip(self._labels, values, strict=True)))


class RayMeter(RayGauges):
    """Counts decisions and votes of one process, beside its gauges."""

    def __init__(self, replica: str) -> None:
        from ray.util.metrics import Counter, Gauge, Histogram

        super().__init__(replica)

        decisions = Counter(
            "weavergen_decisions", "Deliberations by result and kind.", tag_keys=("replica", "result", "kind")
        )
        self._seconds = Histogram(
            "weavergen_decision_seconds", "Time to a durable decision.", boundaries=SECONDS, tag_keys=("replica",)
        )
        votes = Counter("weavergen_votes", "Ballots by outcome.", tag_keys=("replica", "voter", "outcome"))
        self._vote_seconds = Histogram(
            "weavergen_vote_seconds", "Time to a ballot.", boundaries=SECONDS, tag_keys=("replica", "voter")
        )
        self._agreement = Histogram(
            "weavergen_agreement", "Share of the weight behind a tally's strongest group.", boundaries=SHARES,
            tag_keys=("replica",),
        )  # fmt: skip
        requests = Counter(
            "weavergen_requests", "Requests by surface and HTTP status.", tag_keys=("replica", "surface", "status")
        )
        self._content = Counter(
            "weavergen_content", "Decisions whose content was to be kept, by what became of it.",
            tag_keys=("replica", "outcome"),
        )  # fmt: skip
        self._states = Gauge(
            "weavergen_breaker_state", "Circuit breaker of a voter: 0 closed, 1 half open, 2 open.",
            tag_keys=("replica", "voter"),
        )  # fmt: skip
        self._asks = Gauge("weavergen_asks_under_way", "Asks that a voter holds.", tag_keys=("replica", "voter"))
        for metric in (decisions, votes, requests, self._seconds, self._agreement):
            metric.set_default_tags(self._tags)
        self._decisions = Counted(decisions, "result", "kind")
        self._votes = Counted(votes, "voter", "outcome")
        self._requests = Counted(requests, "surface", "status")

    def show(self, values: Mapping[str, float]) -> None:
        """Set gauges, and tell what was counted since the last time."""
        super().show(values)
        self.tell()

    def tell(self) -> None:
        """Hand over what was counted: at least once more before this process ends."""
        for counted in (self._decisions, self._votes, self._requests):
            counted.tell()

    def answered(self, surface: str, status: str) -> None:
        """One HTTP request was answered, or its client went away first."""
        self._requests.add(surface, status)

    def content(self, outcome: str) -> None:
        """Count what became of a content that was to be kept."""
        self._content.inc(1, {**self._tags, "outcome": outcome})

    def show_voters(self, states: Mapping[str, int], asks: Mapping[str, int]) -> None:
        """Set each voter's breaker (0 closed, 1 half open, 2 open) and the asks that it holds."""
        for voter, state in states.items():
            tags = {**self._tags, "voter": voter}
            self._states.set(state, tags)
            self._asks.set(asks.get(voter, 0), tags)

    def decided(self, result: str, kind: str, seconds: float) -> None:
        """One deliberation ended."""
        self._decisions.add(result, kind)
        if seconds > 0:
            self._seconds.observe(seconds)

    def voted(self, voter: str, outcome: str, seconds: float) -> None:
        """One ballot is on record."""
        self._votes.add(voter, outcome)
        if seconds > 0:
            self._vote_seconds.observe(seconds, {**self._tags, "voter": voter})

    def supported(self, support: float) -> None:
        """One tally ended."""
        self._agreement.observe(support)


class VoterHealth:
    """A meter that also remembers how each voter's last ballots went, for readiness.

    - ``BAD_IN_A_ROW`` bad ballots make a voter failing, one good ballot makes it well.
    - The mark runs out ``FORGET_AFTER_S`` after the last bad ballot, because without traffic nothing else would lift it;
      the voter is then on probation: the next bad ballot marks it again.
    - A time-out counts only if the voter had ``patience_s``, the default deadline: a client that gives voters no time
      says nothing about them. Cancellations count neither way.
    """

    BAD_IN_A_ROW = 3
    FORGET_AFTER_S = 120.0
    _SAYS_NOTHING = frozenset({"cancelled", "isolated", "breaker_open", "busy"})

    def __init__(self, meter: Meter, monotonic: Callable[[], float], patience_s: float) -> None:
        self._meter, self._monotonic, self._patience_s = meter, monotonic, patience_s * 0.9
        self._bad: dict[str, int] = {}
        self._last_bad_s: dict[str, float] = {}

    def decided(self, result: str, kind: str, seconds: float) -> None:
        """Pass on."""
        self._meter.decided(result, kind, seconds)

    def voted(self, voter: str, outcome: str, seconds: float) -> None:
        """Pass on, and count failures in a row."""
        self._meter.voted(voter, outcome, seconds)
        if outcome == "failed" or (outcome == "timeout" and seconds >= self._patience_s):
            self._bad[voter] = min(self._bad.get(voter, 0) + 1, self.BAD_IN_A_ROW)
            self._last_bad_s[voter] = self._monotonic()
        elif outcome not in ("timeout", *self._SAYS_NOTHING):
            self._bad.pop(voter, None)

    def supported(self, support: float) -> None:
        """Pass on."""
        self._meter.supported(support)

    def failing(self) -> list[str]:
        """Return the voters whose last ballots all failed."""
        since_s = self._monotonic() - self.FORGET_AFTER_S
        return sorted(
            voter
            for voter, count in self._bad.items()
            if count >= self.BAD_IN_A_ROW and self._last_bad_s[voter] > since_s
        )


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
    return await union_of(await asyncio.to_thread(agent_urls))


async def union_of(urls: Sequence[str]) -> bytes:
    """Merge the agents' pages; one that does not answer is left out and counted, for the others still tell their part."""
    async with aiohttp.ClientSession(trust_env=False) as session:
        pages = await asyncio.gather(*(_page(session, url) for url in urls), return_exceptions=True)
    read: list[str] = []
    for url, page in zip(urls, pages, strict=True):
        if isinstance(page, str):
            read.append(page)
        elif isinstance(page, aiohttp.ClientError | TimeoutError | NotReady):
            _log.warning("the metrics agent at %s is left out: %s", url, page or type(page).__name__)
        else:
            raise page
    missing = len(urls) - len(read)
    return merge(read) + f"{_UNREAD_HEAD}weavergen_metrics_agents_unread {missing}\n".encode()


async def _page(session: aiohttp.ClientSession, url: str) -> str:
    data = bytearray()
    async with session.get(url, timeout=aiohttp.ClientTimeout(total=_AGENT_TIMEOUT_S)) as response:
        response.raise_for_status()
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
