"""A bounded, closed loop of requests that writes down what came back and when."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from actors.base.errors import IntegrityError
from actors.consensus.verification import verify_envelope
from cluster.acceptance.system import System

PAUSE_AFTER_FAILURE_S = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request: times are monotonic seconds, ``status`` 0 means that no answer came."""

    began_s: float
    ended_s: float
    status: int
    decision_id: str
    replica: str = ""


@dataclass(slots=True)
class Load:
    """A stream of requests under way."""

    outcomes: list[Outcome] = field(default_factory=list)
    stop: bool = False

    def answered(self, since_s: float = 0.0) -> list[Outcome]:
        """Return the answers to requests that began at or after a time."""
        return [outcome for outcome in self.outcomes if outcome.status == 200 and outcome.began_s >= since_s]


async def stream(
    system: System, body: Callable[[int], dict[str, Any]], load: Load, requests: int, connections: int, timeout_s: float
) -> None:
    """Send ``requests`` requests over ``connections`` connections; a failed one is followed by a pause."""
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
                if outcome.status != 200:
                    await asyncio.sleep(PAUSE_AFTER_FAILURE_S)

        await asyncio.gather(*(work() for _ in range(connections)))


async def one(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> Outcome:
    """Send one request."""
    began = time.monotonic()
    try:
        async with session.post(f"{url}/v1/chat/completions", json=body) as response:
            await response.read()
            decision = response.headers.get("X-Weavergen-Decision", "")
            return Outcome(began, time.monotonic(), response.status, decision)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return Outcome(began, time.monotonic(), 0, "")


async def unverifiable(system: System, outcomes: list[Outcome]) -> list[str]:
    """Return the answered decisions whose record cannot be fetched or does not verify offline."""
    bad: list[str] = []
    headers = {"Authorization": f"Bearer {system.client_key}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for outcome in outcomes:
            async with session.get(f"{system.url}/v1/decisions/{outcome.decision_id}") as response:
                data = await response.read()
                try:
                    if response.status != 200:
                        raise IntegrityError(f"status {response.status}", "fetch")
                    verify_envelope(data, system.trust, int(time.time()))
                except IntegrityError as error:
                    bad.append(f"{outcome.decision_id}: {error}")
    return bad


def value_question(number: int) -> dict[str, Any]:
    """Return a short value question; neighbours differ."""
    capitals = ("France", "Japan", "Italy", "Spain", "Germany", "Egypt", "Russia", "China")
    return {
        "model": "consensus",
        "messages": [{"role": "user", "content": f"What is the capital of {capitals[number % len(capitals)]}?"}],
        "max_tokens": 16,
        "weavergen": {"answer_kind": "value", "deadline_ms": 30_000},
    }
