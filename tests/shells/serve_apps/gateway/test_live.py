"""What stands between a live replica's panel and its voters is on the way of every request."""

import asyncio
from pathlib import Path

import pytest

from models.protocol_servers.faults import Fault
from tests.shells.serve_apps.gateway.live import live
from tests.unit.actors.consensus.world import until

FEW = {
    "window_calls": 6, "minimum_calls": 6, "open_s": 100.0, "retries": {"max_retries": 0},
    "outliers": {"enabled": False, "panic_below": 0},
}  # fmt: skip
"""Six failures open a breaker, whatever is left; nothing is asked twice."""


async def test_a_slow_voter_is_hedged_within_the_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stands by is asked beside one that is silent, and answers with the other; record and metrics tell."""
    sections = {"consensus": {"panel_size": 2}, "breakers": {"hedge": {"min_samples": 3}}}
    async with live(tmp_path, monkeypatch, **sections) as system:
        await system.order(
            fault=Fault.SLOW_FIRST_TOKEN, model="b", delay_s=0.3
        )  # b is known as slow, and is not hedged
        assert [(await system.ask()).status for _ in range(3)] == [200] * 3
        await system.order(fault=None)
        await system.order(fault=Fault.SILENT, model="a")
        told = await system.ask(deadline_ms=5_000)
        assert (told.status, told.body["choices"][0]["message"]["content"]) == (200, "Paris")
        ballots = (await system.record(told)).ballots
        assert [(ballot.voter, ballot.outcome, ballot.hedged) for ballot in ballots] == [
            ("a", "cancelled", True), ("b", "agreed", False), ("c", "agreed", False),
        ]  # fmt: skip
        assert system.asked == {"a": 4, "b": 4, "c": 1}
        await system.meter().until("hedges", 1.0)
        await until(lambda: system.provider.counts["a"].cancelled == 1)


async def test_what_one_replica_saw_opens_the_breakers_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second has asked the voter only once: it denies it before it failed there as often, and without asking it."""
    async with live(tmp_path, monkeypatch, replicas=2, breakers=FEW) as system:
        await system.order(fault=Fault.UNAVAILABLE, model="a")
        assert (await system.ask("a", number=1)).status == 503
        assert [(await system.ask("a")).status for _ in range(6)] == [503] * 6
        await system.meter(1).until("breakers_open", 1.0)
        asked = system.asked["a"]  # the first may have heard of the second's failure before its own last ask
        told = await system.ask("a", number=1)
        assert (told.status, told.body["weavergen"]["votes"][0]["outcome"]) == (503, "breaker_open")
        assert "open (replicas)" in told.body["error"]["message"]
        assert system.asked["a"] == asked


async def test_clients_are_told_to_wait_for_as_long_as_providers_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one voter said is told to whoever asked it, then what is left of it; of three the second one back makes a quorum."""
    async with live(tmp_path, monkeypatch, breakers=FEW) as system:
        for voter, wait_s in (("a", 300.0), ("b", 200.0), ("c", 100.0)):
            await system.order(fault=Fault.RATE_LIMITED, model=voter, retry_after_s=wait_s)
        for model, wait_s in (("a", 300), ("b", 200), ("c", 100), ("a", 300), ("consensus", 200)):
            told = await system.ask(model)
            assert (told.status, told.body["error"]["code"]) == (429, "overloaded")
            assert wait_s - 30 <= int(told.headers["retry-after"]) <= wait_s
            assert f"try again in {told.headers['retry-after']} s" in told.body["error"]["message"]
        assert system.asked == {"a": 1, "b": 1, "c": 1}


async def test_whoever_asks_a_voter_behind_an_open_breaker_is_told_its_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A voter that failed without a word says nothing of when; its breaker does, of it alone and of a layer."""
    async with live(tmp_path, monkeypatch, breakers=FEW) as system:
        await system.order(fault=Fault.UNAVAILABLE)
        told = [await system.ask(voter) for voter in "abc" for _ in range(6)]
        assert {("retry-after" in each.headers, each.body["error"]["code"]) for each in told} == {
            (False, "voter_unavailable")
        }
        alone, together = await system.ask("a"), await system.ask()
        assert (alone.status, alone.body["error"]["code"]) == (503, "voter_unavailable")
        assert "x-should-retry" not in alone.headers
        assert (together.status, together.headers["x-should-retry"]) == (503, "false")
        assert all(70 <= int(each.headers["retry-after"]) <= 100 for each in (alone, together))


async def test_a_replica_that_closes_keeps_no_count_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was counted since the gauges were last shown is handed over before the replica ends."""
    async with live(tmp_path, monkeypatch) as system:
        meter = system.meter()
        assert not meter.told
    assert meter.told


async def test_answers_that_come_together_are_made_durable_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log knows how many requests are under way: a frame of one waits for the others', one alone for nobody."""
    async with live(tmp_path, monkeypatch, spans={"group_siblings": 3}) as running:
        counters = running.replicas[0]._wal.counters
        for _ in range(3):
            assert (await running.ask()).status == 200
        assert counters.group_waits == 0
        for _ in range(20):  # on a busy machine four of them may not be under way at once
            assert {told.status for told in await asyncio.gather(*(running.ask() for _ in range(8)))} == {200}
            if counters.group_waits:
                break
        assert counters.group_waits >= 1
