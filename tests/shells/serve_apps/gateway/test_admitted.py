"""Admission in live replicas: one key's limit over two of them, what callers are told, and what a hedge uses."""

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from actors.admission.quotas import MINUTE_S, Amount, Leases, Want
from actors.base.errors import StorageUnavailable
from actors.base.files import write_atomic
from cluster.acceptance.system import write_answers
from models.protocol_servers.faults import Fault
from serve_apps.gateway.replica import Gateway
from tests.shells.redis_server import PASSWORD, redis_server
from tests.shells.serve_apps.gateway import live as live_module
from tests.shells.serve_apps.gateway.live import Live, Told, live
from tests.shells.serve_apps.gateway.repeated import Client, another_key, until_known
from tests.unit.actors.consensus.world import until

LIMIT = 40
BEGINS_S = 2_000_000_000.0 - 2_000_000_000 % MINUTE_S
"""A minute that lasts as long as a test."""
PATIENCE_S = 5.0


def tiers(**limits: int) -> dict[str, Any]:
    """Return a profile's section that limits every key."""
    return {"tiers": {"0": limits}}


async def in_one_minute(system: Live) -> None:
    """Let every replica join a minute that does not end."""
    for at_s in (BEGINS_S - 10, BEGINS_S + 15):
        for replica in system.replicas:
            replica._admission._wall = lambda at_s=at_s: at_s  # type: ignore[misc]
            await replica._admission.lease()
    await until(lambda: {replica._admission.shown().leasing for replica in system.replicas} == {"kept"})


def answers_with_usage(path: Path, answers: Mapping[str, Sequence[str]]) -> Path:
    """Write recorded answers that tell of twelve tokens and three."""
    write_answers(path, dict(answers))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        for answer in line["default"]["answers"]:
            answer["usage"] = {"prompt_tokens": 12, "completion_tokens": 3}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def left(replica: Gateway) -> Amount:
    """Return what the one key has in hand in a replica."""
    (account,) = replica._admission._book._accounts.values()
    return Amount(account.left, account.tokens_left)


async def test_five_callers_on_two_replicas_never_pass_a_keys_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is used, nothing beyond it; the rest is told until when, and costs nothing."""
    async with live(tmp_path, monkeypatch, replicas=2, admission=tiers(requests_per_minute=LIMIT)) as system:
        await in_one_minute(system)

        async def call(number: int) -> list[Told]:
            return [await system.ask(number=number % 2) for _ in range(12)]

        told = [each for calls in await asyncio.gather(*map(call, range(5))) for each in calls]
        for number in (0, 1) * LIMIT:  # what a replica fell short of, it leases
            await system.replicas[number]._admission.lease()
            told.append(await system.ask(number=number))
        answered = [each for each in told if each.status == 200]
        refused = [each for each in told if each.status == 429]
        assert (len(answered), len(answered) + len(refused)) == (LIMIT, len(told))
        assert {each.body["error"]["code"] for each in refused} == {"rate_limited"}
        assert {each.headers["retry-after"] for each in refused} <= {"1", "45"}
        assert refused[-1].headers["retry-after"] == "45"
        assert answered[0].headers["x-ratelimit-limit-requests"] == str(LIMIT)


async def test_replicas_that_share_limits_in_redis_go_on_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five callers use the whole limit of a key; once Redis has stopped each replica has its slot's share, at once."""
    (tmp_path / "redis.password").write_text(PASSWORD)
    (tmp_path / "redis.password").chmod(0o600)
    with redis_server(tmp_path / "redis") as server:
        shared = {"url": server.url, "slots": 3, "first_slot": 1, "timeout_ms": 500}
        shared["password_file"] = str(tmp_path / "redis.password")
        sections = {**tiers(requests_per_minute=LIMIT), "quotas": {"redis": shared}}
        async with live(tmp_path, monkeypatch, replicas=2, admission=sections) as system:
            await in_one_minute(system)
            answered = 0
            for _ in range(LIMIT):
                told = await asyncio.gather(*(system.ask(number=caller % 2) for caller in range(5)))
                answered += sum(each.status == 200 for each in told)
                for replica in system.replicas:
                    await replica._admission.lease()
            assert answered == 2 * (LIMIT // 3)  # slot 0 is another home's
            with server.client() as client:
                assert f"weavergen:quotas:{int(BEGINS_S // MINUTE_S)}".encode() in client.keys("*")
            with server.frozen():
                for at_s in (BEGINS_S + MINUTE_S - 10, BEGINS_S + MINUTE_S + 15):
                    for replica in system.replicas:
                        replica._admission._wall = lambda at_s=at_s: at_s  # type: ignore[misc]
                        await replica._admission.lease()
                shown = [replica._admission.shown for replica in system.replicas]
                await until(lambda: {each().leasing for each in shown} == {"alone"})
                told = [await system.ask(number=number) for number in (0, 1) * LIMIT]
                assert [each.status for each in told].count(200) == 2 * (LIMIT // 3)
                assert [replica.status()["admission"]["leasing"] for replica in system.replicas] == ["alone"] * 2
                assert PASSWORD not in str(system.replicas[0].status())


async def test_a_hedge_is_accounted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What answered counts as ``usage`` says, and the voter that was given up has read the prompt."""
    sections = {
        "consensus": {"panel_size": 2}, "breakers": {"hedge": {"min_samples": 3}},
        "admission": tiers(tokens_per_minute=1_000_000),
    }  # fmt: skip
    monkeypatch.setattr(live_module, "write_answers", answers_with_usage)
    async with live(tmp_path, monkeypatch, **sections) as system:
        await in_one_minute(system)
        await system.order(fault=Fault.SLOW_FIRST_TOKEN, model="b", delay_s=0.3)
        for _ in range(3):
            await system.ask()
        await system.order(fault=None)
        before = left(system.replicas[0]).tokens
        await system.order(fault=Fault.SILENT, model="a")
        told = await system.ask(deadline_ms=5_000)
        assert [vote["outcome"] for vote in told.body["weavergen"]["votes"]] == ["cancelled", "agreed", "agreed"]
        assert told.body["usage"]["total_tokens"] == 2 * (12 + 3)
        assert before - left(system.replicas[0]).tokens == 2 * (12 + 3) + 12


async def test_a_client_that_leaves_and_a_refusal_use_what_they_should(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing, and what voters used: who is out of time has read the prompt, as the one says that answered."""
    limits = tiers(requests_per_minute=1000, tokens_per_minute=1_000_000)
    monkeypatch.setattr(live_module, "write_answers", answers_with_usage)
    async with live(tmp_path, monkeypatch, admission=limits) as system:
        await in_one_minute(system)
        await system.ask()
        before = left(system.replicas[0])
        for voter in "ab":
            await system.order(fault=Fault.SILENT, model=voter)
        leaving = asyncio.create_task(system.ask())
        await until(lambda: system.replicas[0]._admission.door.under_way == 1)
        assert left(system.replicas[0]).requests == before.requests - 1
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert left(system.replicas[0]) == before
        told = await system.ask(deadline_ms=300)
        assert told.status == 504
        assert told.body["weavergen"]["usage"]["total_tokens"] == 12 + 3
        after = left(system.replicas[0])
        assert after == Amount(before.requests - 1, before.tokens - (12 + 3) - 2 * 12)
        await system.order(fault=Fault.SILENT)
        for _ in range(3):
            assert (await system.ask(deadline_ms=300)).status == 504
        prompt = len("What is the capital of France?") + 16 + 64
        assert left(system.replicas[0]) == Amount(after.requests - 3, after.tokens - 3 * 3 * prompt)


async def test_leases_that_cannot_be_noted_stop_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The replica's share is served; status says so."""
    async with live(tmp_path, monkeypatch, admission=tiers(requests_per_minute=LIMIT)) as system:
        replica = system.replicas[0]
        await in_one_minute(system)
        replica._admission._wall = lambda: BEGINS_S + 100
        write_atomic(system.home.root / "run" / "admission" / f"{int(BEGINS_S // MINUTE_S) + 2}.json", b"{")
        for _ in range(2):  # this minute, and the next one ahead
            await replica._admission.lease()
        await until(lambda: replica._admission._book._spoken_for)
        replica._admission._wall = lambda: BEGINS_S + 130
        told = [await system.ask() for _ in range(LIMIT)]
        assert [each.status for each in told].count(200) == LIMIT // replica.settings.max_replicas
        assert replica.status()["admission"]["leasing"] == "alone"


async def test_a_replica_leases_by_itself_and_a_store_that_hangs_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next minute is joined ahead without anybody's asking; while that takes, requests are answered on what is leased."""
    async with live(tmp_path, monkeypatch, admission=tiers(requests_per_minute=LIMIT)) as system:
        admission = system.replicas[0]._admission
        monkeypatch.setattr(admission, "_wall", lambda: BEGINS_S - 10)
        await until(lambda: admission._book._standings.get(int(BEGINS_S // MINUTE_S)) == "kept")
        monkeypatch.setattr(admission, "_wall", lambda: BEGINS_S + 15)
        await until(lambda: admission.shown().leasing == "kept")
        hung, let_go, was_let_go = threading.Event(), threading.Event(), list[bool]()

        def hang(minute: int, wants: Mapping[str, Want]) -> Leases:
            hung.set()
            was_let_go.append(let_go.wait(PATIENCE_S))
            raise StorageUnavailable("it took too long")

        monkeypatch.setattr(admission._store, "lease", hang)
        monkeypatch.setattr(admission, "_wall", lambda: BEGINS_S + MINUTE_S - 5)
        await until(hung.is_set)
        told = [await system.ask() for _ in range(3)]
        assert ([each.status for each in told], was_let_go) == ([200] * 3, [])
        let_go.set()
        await until(lambda: was_let_go != [])
        assert was_let_go[0]  # by this loop, which went on meanwhile


async def test_admission_is_wired_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It saves in plans, learns voters' limits, and shows how it stands."""
    async with live(tmp_path, monkeypatch) as system:
        replica = system.replicas[0]
        await system.meter().until("admission_limit", 256.0)
        assert (await system.ask()).body["weavergen"]["saved"] == []
        replica._admission.brownout.look(0.06)
        monkeypatch.setattr(replica._admission.brownout, "look", lambda _: None)
        replica._admission.brownout.level = 1
        assert (await system.ask()).body["weavergen"]["saved"] == ["hedges"]
        assert all(voter._limiter is not None for voter in replica._guards.voters.values())
        await system.meter().until("admission_admitted", 2.0)
        assert replica.status()["admission"]["admitted"] == 2


async def test_a_voters_limit_falls_while_its_first_tokens_are_late_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider that streams tells of its first token: beyond what is learnt a voter is not asked, the others keep theirs."""
    sections = {
        "breakers": {"bulkhead": {"max_calls": 8}},
        "admission": {
            "concurrency": {"queue_size": 1, "min_limit": 2},
            "shedding": {"min_delay_ms": 1000, "max_delay_ms": 1000},  # the machine that tests may be late
        },
    }  # fmt: skip
    async with live(tmp_path, monkeypatch, streamed=True, **sections) as system:
        guards = system.replicas[0]._guards

        def limits() -> dict[str, int]:
            return {shown.voter: shown.limit for shown in guards.shown()}

        async def ask_eight() -> list[int]:
            return [told.status for told in await asyncio.gather(*(system.ask("a") for _ in range(8)))]

        for _ in range(3):
            assert await ask_eight() == [200] * 8
        assert limits() == dict.fromkeys("abc", 8)
        await system.order(fault=Fault.SLOW_FIRST_TOKEN, model="a", delay_s=1.0)
        async with asyncio.timeout(10 * PATIENCE_S):
            while limits()["a"] > 4:
                await ask_eight()
        fallen = limits()
        assert fallen == {"a": fallen["a"], "b": 8, "c": 8}
        assert sorted(await ask_eight()) == [200] * fallen["a"] + [429] * (8 - fallen["a"])
        await system.order(fault=None)
        async with asyncio.timeout(10 * PATIENCE_S):
            while limits()["a"] < 8:
                await ask_eight()
        assert await ask_eight() == [200] * 8


async def test_a_key_that_floods_a_replica_takes_no_place_of_another_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused, in line as well; whoever asks with another key is answered every time, as soon as somebody ends."""
    line = {"max_waiting": 8, "min_wait_ms": 5_000, "max_wait_ms": 5_000}
    sections = {"consensus": {"max_concurrent": 4}, "admission": {"line": line}}
    async with live(tmp_path, monkeypatch, **sections) as system:
        for voter in "abc":
            await system.order(fault=Fault.SLOW_FIRST_TOKEN, model=voter, delay_s=0.02)
        flood, quiet = Client(system), Client(system, another_key(system, "acme"))
        await until_known(quiet)
        door, served, is_over = system.replicas[0]._admission.door, list[int](), asyncio.Event()

        async def ask_again() -> None:
            while not is_over.is_set():
                served.append((await flood.ask()).status)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(40):
                tasks.create_task(ask_again())
            await until(lambda: len(door.line) == 8)
            asked = [(await quiet.ask()).status for _ in range(20)]
            is_over.set()
        assert asked == [200] * 20
        assert served.count(200) > 20
        assert served.count(429) > 40
        assert set(served) == {200, 429}
        assert (door.under_way, len(door.line), door.line.busy_keys()) == (0, 0, 0)
