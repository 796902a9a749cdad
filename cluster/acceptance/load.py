"""Bounded streams of requests, a closed loop and an open one, that write down what came back and when."""

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from cluster.acceptance.system import System

PAUSE_AFTER_FAILURE_S = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request: times are monotonic seconds, ``status`` 0 means that no answer came."""

    began_s: float
    ended_s: float
    status: int
    decision_id: str
    cause: str = ""
    """Why it is no answer: the status with the error's code, or how the connection failed."""
    layer: str = ""
    """The layer that answered."""
    degraded: bool = False


@dataclass(slots=True)
class Load:
    """A stream of requests under way."""

    outcomes: list[Outcome] = field(default_factory=list)
    stop: bool = False

    def answered(self, since_s: float = 0.0) -> list[Outcome]:
        """Return the answers to requests that began at or after a time."""
        return [outcome for outcome in self.outcomes if outcome.status == 200 and outcome.began_s >= since_s]

    def failures(self) -> dict[str, int]:
        """Return how often requests failed, by cause, the most frequent first."""
        causes = [outcome.cause for outcome in self.outcomes if outcome.status != 200]
        return dict(
            sorted(((cause, causes.count(cause)) for cause in set(causes)), key=lambda item: (-item[1], item[0]))
        )


async def stream(
    system: System, body: Callable[[int], dict[str, Any]], load: Load, requests: int, connections: int, timeout_s: float,
    pause_s: float = PAUSE_AFTER_FAILURE_S, every_s: float = 0.0,
) -> None:  # fmt: skip
    """Send ``requests`` requests over ``connections`` connections; a failed one is followed by a pause, any by ``every_s``."""
    numbers = iter(range(requests))
    limit = aiohttp.ClientTimeout(total=timeout_s)
    headers = {"Authorization": f"Bearer {system.client_key}"}
    async with aiohttp.ClientSession(timeout=limit, headers=headers) as session:

        async def work() -> None:
            for number in numbers:
                if load.stop:
                    return
                outcome = await one(session, system.url, body(number))
                load.outcomes.append(outcome)
                if (wait_s := max(every_s, pause_s if outcome.status != 200 else 0.0)) > 0:
                    await asyncio.sleep(wait_s)

        await asyncio.gather(*(work() for _ in range(connections)))


async def steady(
    session: aiohttp.ClientSession, url: str, body: Callable[[int], dict[str, Any]], load: Load, per_s: float
) -> None:  # fmt: skip
    """Begin ``per_s`` requests a second, whatever became of those before, until ``load.stop``; wait for the last of them."""
    began_s, under_way = time.monotonic(), set[asyncio.Task[None]]()
    for number in itertools.count(1):
        if load.stop:
            break
        task = asyncio.create_task(noted(session, url, body(number), load))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        await asyncio.sleep(max(began_s + number / per_s - time.monotonic(), 0))
    await asyncio.gather(*under_way)


async def noted(session: aiohttp.ClientSession, url: str, body: dict[str, Any], load: Load) -> None:
    """Send one request and note what came of it."""
    load.outcomes.append(await one(session, url, body))


async def one(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> Outcome:
    """Send one request; an answer that breaks off is no answer."""
    began = time.monotonic()
    try:
        async with session.post(f"{url}/v1/chat/completions", json=body) as response:
            data = await response.read()
            decision = response.headers.get("X-Weavergen-Decision", "")
            cause = "" if response.status == 200 else refusal(response.status, data)
            layer = response.headers.get("X-Weavergen-Layer", "")
            degraded = response.headers.get("X-Weavergen-Degraded") == "true"
            return Outcome(began, time.monotonic(), response.status, decision, cause, layer, degraded)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return Outcome(began, time.monotonic(), 0, "", broken(error))


def refusal(status: int, data: bytes) -> str:
    """Return a refusal in a word: its status, and its code where the body is one of ours. Pure."""
    try:
        return f"{status} {msgspec.json.decode(data, type=dict[str, Any])['error']['code']}"
    except (msgspec.DecodeError, KeyError, TypeError):
        return str(status)


def broken(error: Exception) -> str:
    """Return in words how a request came to nothing. Pure."""
    if isinstance(error, TimeoutError):
        return "timed out"
    return "connection refused" if isinstance(error, aiohttp.ClientConnectorError) else "connection cut"


def value_question(number: int) -> dict[str, Any]:
    """Return a short value question; neighbours differ."""
    capitals = ("France", "Japan", "Italy", "Spain", "Germany", "Egypt", "Russia", "China")
    return {
        "model": "consensus",
        "messages": [{"role": "user", "content": f"What is the capital of {capitals[number % len(capitals)]}?"}],
        "max_tokens": 16,
        "weavergen": {"answer_kind": "value", "deadline_ms": 30_000},
    }
