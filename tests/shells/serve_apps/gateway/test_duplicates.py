"""What duplicates of a request may take of a live replica, and of its database: bounds, and nothing before its quota is held."""

import asyncio
import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.protocol_servers.faults import Fault
from serve_apps.gateway.app import create_entry
from tests.shells.serve_apps.gateway.live import Live, live
from tests.shells.serve_apps.gateway.repeated import QUESTION, Client, another_key, claims, rows, section, until_known
from tests.shells.serve_apps.gateway.test_admitted import in_one_minute, left, tiers
from tests.unit.actors.consensus.world import until

CROWD = 450


def counted(system: Live, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count what is asked of the table from now on."""
    table, calls = system.replicas[0]._idempotent._table, Counter[str]()

    def counting(name: str, called: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            calls[name] += 1
            return called(*arguments, **named)

        return call

    for name in ("look", "claim", "release"):
        monkeypatch.setattr(table, name, counting(name, getattr(table, name)))
    return calls


async def test_duplicates_lock_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds on one key: so many wait, the rest is told to come again, and others are served with a key and without."""
    async with live(tmp_path, monkeypatch, **section(max_waiting_by_key=10)) as system:
        other = another_key(system, "acme")
        await until_known(Client(system, other))
        await system.order(fault=Fault.SLOW_FIRST_TOKEN, delay_s=3.0, remaining=3)
        calls = counted(system, monkeypatch)
        http = httpx.AsyncClient(transport=httpx.ASGITransport(create_entry(system.replicas[0])), base_url="http://r")

        async def ask(api_key: str, *keys: str) -> httpx.Response:
            headers = [("Authorization", f"Bearer {api_key}"), *(("Idempotency-Key", key) for key in keys)]
            options = {"answer_kind": "value", "deadline_ms": 20_000}
            body = {"model": "consensus", "messages": [{"role": "user", "content": QUESTION}], "weavergen": options}
            return await http.post("/v1/chat/completions", json=body, headers=headers)

        async with http:
            mine = (system.home.keys / "client.key").read_text().strip()
            crowd = [asyncio.create_task(ask(mine, "k")) for _ in range(CROWD)]
            await until(lambda: claims(system) == 1 and sum(system.asked.values()) == 3)
            for turn in range(10):
                assert [(await ask(other, *keys)).status_code for keys in ((), (f"{turn}",))] == [200, 200]
            assert not all(each.done() for each in crowd)
            told = Counter([(await each).status_code for each in crowd])
            refused = next(each for each in [await one for one in crowd] if each.status_code == 429)
        assert told[200] == 11
        # The rest: what does not even find a place among the replica's requests, and what finds none among those that wait.
        assert told == {200: 11, 429: CROWD - 11}
        assert int(refused.headers["retry-after"]) >= 1
        assert json.loads(refused.content)["error"]["code"] == "overloaded"
        assert calls["claim"] == 11
        assert calls["look"] < 150


async def one_request_in_hand(system: Live) -> None:
    """Let a replica lease what the one key may ask for in a minute."""
    await in_one_minute(system)
    assert (await Client(system).ask("nothing is in hand yet")).code == "rate_limited"
    await until(lambda: left(system.replicas[0]).requests == 1)  # it is leased at once where it is wanted


async def test_who_is_over_quota_costs_the_database_a_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is claimed or given back for it. Its own answer it still gets: a replay takes nothing, as a mismatch does."""
    bounds = section() | {"admission": tiers(requests_per_minute=1)}
    async with live(tmp_path, monkeypatch, **bounds) as system:
        await one_request_in_hand(system)
        client, calls = Client(system), counted(system, monkeypatch)
        first = await client.ask("k")
        told = [await client.ask(f"fresh {number}") for number in range(10)]
        assert {(each.status, each.code) for each in told} == {(429, "rate_limited")}
        assert (calls["claim"], calls["release"], len(rows(system))) == (1, 0, 1)
        assert (await client.ask("k")).raw == first.raw
        assert (await client.ask("k", seed=1)).code == "idempotency_mismatch"
        assert left(system.replicas[0]).requests == 0


async def test_waiting_takes_nothing_of_the_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of one: the first has it, its duplicate waits all the same, and both are answered."""
    bounds = section() | {"admission": tiers(requests_per_minute=1)}
    async with live(tmp_path, monkeypatch, **bounds) as system:
        await one_request_in_hand(system)
        await system.order(fault=Fault.SLOW_FIRST_TOKEN, delay_s=1.0, remaining=3)
        client = Client(system)
        first, second = await asyncio.gather(*(client.ask("k") for _ in range(2)))
        assert (first.status, first.raw) == (200, second.raw)
        assert left(system.replicas[0]).requests == 0


async def test_what_cannot_be_claimed_gives_its_part_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table refuses, or another replica is quicker: nothing was used."""
    bounds = section(max_keys=1) | {"admission": tiers(requests_per_minute=50)}
    async with live(tmp_path, monkeypatch, **bounds) as system:
        await in_one_minute(system)
        client, table = Client(system), system.replicas[0]._idempotent._table
        assert (await client.ask("k")).status == 200
        used = left(system.replicas[0])
        assert (await client.ask("l")).status == 429
        assert left(system.replicas[0]) == used
        monkeypatch.setattr(table, "claim", lambda *_, **__: False)
        assert (await client.ask("m", deadline_ms=300)).status == 504
        assert left(system.replicas[0]) == used


async def test_whoever_waits_at_the_door_may_renew_its_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One deliberates and four wait with their claims: renewals that hang take no place from what is to be kept."""
    line = {"max_waiting": 6, "min_wait_ms": 20_000, "max_wait_ms": 20_000}
    bounds = section(lease_s=6, connections=2, max_looks=1, sweep_s=3600)
    bounds |= {"consensus": {"max_concurrent": 1}, "admission": {"line": line}}
    async with live(tmp_path, monkeypatch, **bounds) as system:
        await system.order(fault=Fault.SLOW_FIRST_TOKEN, delay_s=2.5, remaining=3)
        idempotent, client, go_on = system.replicas[0]._idempotent, Client(system), threading.Event()
        renew = idempotent._table.renew

        def slow(*arguments: Any) -> bool:
            go_on.wait(20)
            return renew(*arguments)

        monkeypatch.setattr(idempotent._table, "renew", slow)
        asking = []
        for number in range(5):
            asking.append(asyncio.create_task(client.ask(f"{number}", deadline_ms=20_000)))
            await until(lambda number=number: len(rows(system)) == number + 1)  # at work or answered already
        await until(lambda: idempotent._keeps._busy == 6)  # five renewals, and the first answer
        go_on.set()
        assert {(await each).status for each in asking} == {200}


async def test_an_api_keys_answers_take_so_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """429 before anybody is asked where the next answer might pass the bound; what is kept is given all the same."""
    largest = 393_216
    bounds = section(max_answer_bytes=largest, max_kept_bytes=largest + 1000)
    async with live(tmp_path, monkeypatch, **bounds) as system:
        client = Client(system)
        first = await client.ask("k")
        asked = system.asked
        told = await client.ask("l")
        assert (told.status, told.code, "bytes under idempotency keys" in told.raw.decode()) == (
            429,
            "rate_limited",
            True,
        )
        assert (system.asked, len(rows(system))) == (asked, 1)
        assert (await client.ask("k")).raw == first.raw


async def test_at_most_half_of_a_replicas_places_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many the configuration lets wait: of four places two."""
    bounds = section() | {"consensus": {"max_concurrent": 2}, "admission": {"line": {"max_waiting": 2}}}
    async with live(tmp_path, monkeypatch, **bounds) as system:
        await system.order(fault=Fault.SLOW_FIRST_TOKEN, delay_s=1.5, remaining=3)
        client = Client(system)
        told = await asyncio.gather(*(client.ask("k") for _ in range(4)))
        assert sorted(each.status for each in told) == [200, 200, 200, 429]
        refused = next(each for each in told if each.status == 429)
        assert (refused.code, refused.headers["x-should-retry"]) == ("overloaded", "true")
        assert refused.body["weavergen"] == {"ask_again": "same_key"}
