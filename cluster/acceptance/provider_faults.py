"""The sixteen faults of a provider, at each provider, whole answers and streams, against a running gateway.

Three voters of three providers make the primary layer and two more the backup, each behind a protocol server of its own and
asked through the provider's own SDK; *whole* and *streamed* is how the gateway asks them. In every cell OpenAI's own client,
its retries off, asks as often with `stream` as without. First one provider fails (it is also the quickest, so that its fault is
there before the others decide), and a panel is asked or its voter by name; then all three of the primary layer fail, then
the backup, too. Breakers are forced closed, or they would spare all requests but the first few the fault.

A request ends *right* (the panel's answer, whole) or as a clean *error* within the deadline and a second (503 or 504 with every
layer's cause; 429 with `Retry-After` where providers said when to come back), else it is counted as what it is. Half of every
answer reads like the whole one, so whoever took it for whole would serve it. Times are the 95th percentile; the deadline is
3 s, of which the primary layer has half. When the system is down, the record of every answer that was received is looked for
on its disk and verified.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import openai

from cluster.acceptance.accounts import checked
from cluster.acceptance.disk import records_of
from cluster.acceptance.fault_matrix import MODES, cell, counted_ballots, judged, key_of
from cluster.acceptance.load import Outcome
from cluster.acceptance.official_client import Heard, hear, official_client
from cluster.acceptance.providers import Provider
from cluster.acceptance.struck_providers import PRIMARY, faulted, profile, providers, question, text_of
from cluster.acceptance.system import WORK, System, running
from models.protocol_servers.faults import Fault

NAME = "provider_faults"
PORT = 8186
DEADLINE_S = 3.0
GIVE_UP_S = DEADLINE_S + 5.0
OTHERS_MS = 60
"""What a healthy voter takes while another is struck."""
ASKS = 4
"""With ``stream``, and as many without."""
ASKS_BY_NAME = 2
LATER_THAN_ANY_DEADLINE_S = 60.0
LAYERS = ("primary", "backup")
RETRY_AFTER = "rate_limited, Retry-After"


def orders() -> dict[str, dict[str, Any]]:
    """Return row → what is ordered: every fault there is, and 429 a second time. Pure."""
    rows: dict[str, dict[str, Any]] = {fault.value: {"fault": fault.value} for fault in Fault}
    rows[Fault.SLOW_FIRST_TOKEN.value]["delay_s"] = LATER_THAN_ANY_DEADLINE_S
    return {RETRY_AFTER: {"fault": "rate_limited", "retry_after_s": 30.0}} | rows


@dataclass(frozen=True, slots=True)
class Strike:
    """Which providers fail, and what is asked meanwhile."""

    name: str
    who: str
    struck: Sequence[Provider]
    model: str
    prompt: str
    asks: int
    layers: Sequence[str]
    """Which have to give their cause if nobody answers."""

    def body(self) -> dict[str, Any]:
        """Return the request."""
        return {
            "model": self.model, "messages": [{"role": "user", "content": self.prompt}], "max_tokens": 64,
            "extra_body": {"weavergen": {"answer_kind": "value", "deadline_ms": round(DEADLINE_S * 1000)}},
        }  # fmt: skip


@dataclass(slots=True)
class Ran:
    """What one mode came to, before the disk is read."""

    cells: dict[str, dict[str, Any]] = field(default_factory=dict)
    received: list[Outcome] = field(default_factory=list)


def stages(save: Callable[[str, dict[str, Any]], None], done: set[str]) -> None:
    """Run the modes that are not done yet, each in a system of its own."""
    for mode in MODES:
        if mode not in done:
            save(mode, mode_ran(NAME, PORT, mode, orders()))


def mode_ran(name: str, port: int, mode: str, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Bring a system up, strike its providers with every row, and hold what was received against its disk."""
    before = os.getloadavg()[0]
    directory = WORK / f"{name}-providers"
    with providers(directory, OTHERS_MS) as found:
        file = directory / "profile.yaml"
        file.write_text(json.dumps(profile(found, stream=mode == "streamed")))
        with running(name, port, ["--profile", str(file)]) as system:
            began = time.monotonic()
            ran = asyncio.run(_struck(system, found, rows))
            seconds = {"up_s": round(system.up_s, 1), "struck_s": round(time.monotonic() - began, 1)}
    told = {"load_average": f"{before:.1f}, {os.getloadavg()[0]:.1f}", **seconds, "cells": ran.cells}
    return told | {"records": checked(ran.received, records_of(system), system.trust, int(time.time()))}


def strikes(found: Sequence[Provider]) -> list[Strike]:
    """Return every way in which these providers are struck. Pure."""
    of = {item.name: item for item in found}
    first = [of[f"primary-{protocol}"] for protocol in PRIMARY]
    one = [
        strike
        for item in first
        for strike in (
            Strike("one", item.protocol, [item], "consensus", question(item.protocol), ASKS, LAYERS[:1]),
            Strike("named", item.protocol, [item], item.name, question(item.protocol), ASKS_BY_NAME, ()),
        )
    ]
    return [
        *one,
        Strike("primaries", "all", first, "consensus", question("all"), ASKS, LAYERS),
        Strike("everybody", "all", found, "consensus", question("all"), ASKS, LAYERS),
    ]


async def _struck(system: System, found: Sequence[Provider], rows: Mapping[str, Mapping[str, Any]]) -> Ran:
    ran = Ran()
    client = official_client(system.url, system.client_key, GIVE_UP_S)
    async with client:
        await _force_closed(system, [item.name for item in found])
        for row, wanted in rows.items():
            for strike in strikes(found):
                await _cell(client, strike, row, wanted, ran)
    return ran


async def _cell(client: openai.AsyncOpenAI, strike: Strike, row: str, wanted: Mapping[str, Any], ran: Ran) -> None:
    """Order the fault, ask, lift it, judge."""
    before = [await item.order(**wanted) for item in strike.struck]
    try:
        ways = [stream for _ in range(strike.asks) for stream in (False, True)]
        heard = await asyncio.gather(*(hear(client, strike.body(), stream=stream) for stream in ways))
    finally:
        after = [await item.order(None) for item in strike.struck]
    met = max(_met(then, now, len(heard)) for then, now in zip(before, after, strict=True))
    texts = {text_of(f"{layer}-{protocol}") for layer in LAYERS for protocol in PRIMARY}
    words = [judged(item, texts, strike.layers, DEADLINE_S) for item in heard]
    names = {item.name for item in strike.struck}
    ballots = sum(counted_ballots(item, names) for item in heard)
    ran.cells[key_of(strike.name, strike.who, row)] = cell(heard, words, ballots, met)
    ran.received += [_outcome(item) for item in heard if item.status == 200]


def _met(before: Mapping[str, Any], after: Mapping[str, Any], asked: int) -> int:
    """Return how many requests reached the fault; where nobody listened, all did. Pure."""
    return faulted(after) - faulted(before) if before["listening"] else asked


def _outcome(heard: Heard) -> Outcome:
    return Outcome(heard.began_s, heard.ended_s, heard.status, heard.decision_id)


async def _force_closed(system: System, voters: Sequence[str]) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {system.operator_key}"}) as session:
        for voter in voters:
            wanted = {"voter": voter, "force": "closed"}
            async with session.post(f"{system.url}/ops/breakers", json=wanted) as response:
                shown = {item["voter"]: item["state"] for item in await response.json()}
            if shown.get(voter) != "forced_closed":
                raise RuntimeError(f"the breaker of {voter} is {shown.get(voter)} and would hide faults")
