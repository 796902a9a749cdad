"""``Idempotency-Key`` on live replicas: one answer for one key, whatever happens in between."""

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from sqlalchemy import update

from actors.consensus.adapters.clock import SystemClock
from actors.store.adapters.database import Database
from actors.store.adapters.tables import kept_answers
from actors.store.config import StoreConfig
from models.protocol_servers.faults import Fault
from serve_apps.gateway.app import create_entry
from serve_apps.gateway.idempotency import IdempotentAnswers
from tests.shells.serve_apps.gateway.live import live
from tests.shells.serve_apps.gateway.repeated import (
    QUESTION,
    Client,
    another_key,
    claims,
    killed,
    rows,
    section,
    until_known,
)
from tests.unit.actors.consensus.world import until


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("explain", [False, True], ids=["plain", "explained"])
async def test_a_repeated_request_gets_the_same_bytes(
    stream: bool, explain: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the same replica and from another, whole and streamed; no voter is asked again, and the answer says so."""
    async with live(tmp_path, monkeypatch, replicas=2, **section()) as system:
        client = Client(system)
        body = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        first = await client.ask("k", explain=explain, **body)
        assert (first.status, first.replayed) == (200, False)
        asked = system.asked
        for number in (0, 1):
            again = await client.ask("k", number=number, explain=explain, **body)
            assert (again.status, again.raw, again.replayed) == (200, first.raw, True)
            assert {**again.headers, "idempotent-replayed": ""} == {**first.headers, "idempotent-replayed": ""}
        assert system.asked == asked
        assert b"Paris" in first.raw
        assert first.raw.endswith(b"data: [DONE]\n\n") == stream


async def test_the_official_client_gets_one_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenAI's own, unmodified, with ``extra_headers``: whole and streamed the same completion, for another request an error."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        http = httpx.AsyncClient(transport=httpx.ASGITransport(create_entry(system.replicas[0])))
        key = (system.home.keys / "client.key").read_text().strip()
        async with openai.AsyncOpenAI(base_url="http://replica/v1", api_key=key, http_client=http) as client:
            create: Any = client.chat.completions.create
            asked = {"model": "consensus", "messages": [{"role": "user", "content": QUESTION}]}
            first, again = [await create(**asked, extra_headers={"Idempotency-Key": "k"}) for _ in range(2)]
            assert again == first
            with pytest.raises(
                openai.UnprocessableEntityError, match="another request was sent with this Idempotency-Key"
            ):
                await create(**asked, seed=1, extra_headers={"Idempotency-Key": "k"})
            streams = [
                [event async for event in await create(**asked, stream=True, extra_headers={"Idempotency-Key": "l"})]
                for _ in range(2)
            ]
            assert streams[0] == streams[1]
            assert "".join(event.choices[0].delta.content or "" for event in streams[1]) == "Paris"
            raw = await client.chat.completions.with_raw_response.create(
                **asked, extra_headers={"Idempotency-Key": "k"}
            )
            assert raw.headers["Idempotent-Replayed"] == "true"


async def test_the_same_request_may_be_spelled_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What names a default asks for nothing else."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        client = Client(system)
        first = await client.ask("k")
        assert (await client.ask("k", n=None, stop=None)).raw == first.raw


OTHERS: tuple[dict[str, Any], ...] = (
    {"question": "What is the capital of Italy?"}, {"seed": 1}, {"stream": True}, {"model": "a"}, {"explain": True},
)  # fmt: skip


async def test_another_request_with_the_same_key_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """422 for any other body, however little differs, and the first answer stays what it is."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        client = Client(system)
        first = await client.ask("k")
        for other in OTHERS:
            told = await client.ask("k", **other)
            assert (told.status, told.code) == (422, "idempotency_mismatch"), other
            assert (told.body["error"]["type"], told.body["error"]["param"]) == ("idempotency_error", "Idempotency-Key")
        assert (await client.ask("k")).raw == first.raw


NO_KEYS = [("",), ("x" * 256,), ("a\tb",), ("é",), ("a", "b"), ("a", "a")]


async def test_a_key_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """400 that says what a key is; nothing was asked."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        for keys in NO_KEYS:
            told = await Client(system).ask(*keys)
            assert (told.status, told.body["error"]["param"]) == (400, "Idempotency-Key"), keys
        assert rows(system) == []
        assert sum(system.asked.values()) == 0


async def test_requests_without_a_key_come_by_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are worked on each time and leave nothing in the table."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        client = Client(system)
        monkeypatch.setattr(IdempotentAnswers, "once", None)
        told = [await client.ask() for _ in range(2)]
        assert [each.status for each in told] == [200, 200]
        assert told[0].raw != told[1].raw
        assert rows(system) == []


async def test_duplicates_wait_for_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty at once, to two replicas: each voter is asked once, and all get the one answer, outlasting the claim's lease."""
    async with live(tmp_path, monkeypatch, replicas=2, **section(lease_s=1)) as system:
        await system.order(fault=Fault.SLOW_FIRST_TOKEN, delay_s=2.5)
        client = Client(system)
        told = await asyncio.gather(*(client.ask("k", number=n % 2) for n in range(20)))
        assert {each.status for each in told} == {200}
        assert len({each.raw for each in told}) == 1
        assert sorted(each.replayed for each in told) == [False] + [True] * 19
        assert system.asked == {"a": 1, "b": 1, "c": 1}


async def test_a_duplicate_waits_no_longer_than_its_own_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """504 at its deadline, and not before; the first goes on, and its answer is there for the next one."""
    async with live(tmp_path, monkeypatch, **section(max_poll_ms=5000)) as system:
        await system.order(fault=Fault.SLOW_FIRST_TOKEN, delay_s=1.5)
        client, patient = Client(system), {"deadline_ms": 10_000}
        first = asyncio.create_task(client.ask("k", **patient))
        await until(lambda: claims(system) == 1)
        # Whoever has less time asks for something else; what is compared is everything, so this one says the same.
        turns = IdempotentAnswers.once

        async def hurried(self: IdempotentAnswers, asked: Any, generate: Any) -> Any:
            return await turns(
                self, type(asked)(asked.key, asked.principal, asked.request, 300, asked.explain), generate
            )

        with monkeypatch.context() as late:
            late.setattr(IdempotentAnswers, "once", hurried)
            began_s = time.monotonic()
            told = await client.ask("k", **patient)
            assert time.monotonic() - began_s >= 0.28  # a last look is taken just before
        assert (told.status, told.code) == (504, "deadline_exceeded")
        assert "ask again with the same key" in told.body["error"]["message"]
        assert (told.headers["x-should-retry"], told.body["weavergen"]) == ("true", {"ask_again": "same_key"})
        assert (await first).status == 200
        assert (await client.ask("k", **patient)).raw == (await first).raw


async def test_errors_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for one that fails, and whoever tries again, has it tried anew; even another request may."""
    async with live(tmp_path, monkeypatch, breakers={"retries": {"max_retries": 0}}, **section()) as system:
        await system.order(fault=Fault.UNAVAILABLE)
        client = Client(system)
        assert (await client.ask("k")).code == "all_layers_failed"
        await until(lambda: rows(system) == [])
        await system.order(fault=None)
        told = await client.ask("k", seed=7)
        assert (told.status, told.replayed) == (200, False)


async def test_a_client_that_leaves_gives_its_key_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its voters are cancelled, and who waited for it is worked on at once, long before the claim would lapse."""
    async with live(tmp_path, monkeypatch, replicas=2, **section(lease_s=60)) as system:
        await system.order(fault=Fault.SILENT, remaining=3)
        client, left = Client(system), asyncio.Event()
        first = asyncio.create_task(client.ask("k", left=left))
        await until(lambda: claims(system) == 1 and sum(system.asked.values()) == 3)
        second = asyncio.create_task(client.ask("k", number=1))
        left.set()
        assert (await first).status == 0
        told = await second
        assert (told.status, told.replayed) == (200, False)
        assert system.asked == {"a": 2, "b": 2, "c": 2}


async def test_a_killed_replica_blocks_its_key_for_a_lease_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits on another replica takes over; the answer of the one that was thought dead never leaves beside it."""
    async with live(tmp_path, monkeypatch, replicas=2, **section(lease_s=1, sweep_s=3600)) as system:
        await system.order(fault=Fault.SLOW_FIRST_TOKEN, delay_s=3.0, remaining=3)
        client = Client(system)
        first = asyncio.create_task(client.ask("k"))
        await until(lambda: claims(system) == 1 and sum(system.asked.values()) == 3)
        killed(system.replicas[0])
        told = await client.ask("k", number=1)
        assert (told.status, told.replayed) == (200, False)
        assert (await first).status == 500
        assert (await client.ask("k", number=1)).raw == told.raw


async def test_a_machine_that_stood_still_gives_no_claim_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For longer than a lease nothing ran: renewal and duplicates are overdue together, and the holder has a last chance."""
    async with live(tmp_path, monkeypatch, replicas=2, **section(lease_s=1.5)) as system:
        await system.order(fault=Fault.SLOW_FIRST_TOKEN, delay_s=3.0)
        client = Client(system)
        asking = asyncio.gather(*(client.ask("k", number=n % 2) for n in range(20)))
        await until(lambda: claims(system) == 1 and sum(system.asked.values()) == 3)
        for gateway in system.replicas:
            monkeypatch.setattr(gateway._idempotent._table, "renew", slowly(gateway._idempotent._table.renew))
        threading.Event().wait(2.0)  # nobody sets it: everything stands still
        told = await asking
        assert {each.status for each in told} == {200}
        assert system.asked == {"a": 1, "b": 1, "c": 1}


def slowly(renew: Any) -> Any:
    """Let renewing take longer than looking."""

    def slow(*arguments: Any, **named: Any) -> Any:
        threading.Event().wait(0.2)
        return renew(*arguments, **named)

    return slow


async def test_whoever_lost_its_claim_gives_the_others_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that hung past its lease comes back with an answer of its own: it is not kept, so it does not leave."""
    async with live(tmp_path, monkeypatch, replicas=2, **section(lease_s=1)) as system:
        await system.order(fault=Fault.SLOW_FIRST_TOKEN, delay_s=2.5, remaining=3)
        monkeypatch.setattr(system.replicas[0]._idempotent._table, "renew", lambda *_: True)
        client = Client(system)
        first = asyncio.create_task(client.ask("k"))
        await until(lambda: claims(system) == 1 and sum(system.asked.values()) == 3)
        second = await client.ask("k", number=1)
        assert (second.status, second.replayed) == (200, False)
        told = await first
        assert (told.status, told.replayed, told.raw) == (200, True, second.raw)


async def test_what_is_kept_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither key nor question nor answer can be read in the database, nor any digest of them that one could guess by."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        told = await Client(system).ask("order-4711", explain=True)
        assert told.status == 200
        files = b"".join(file.read_bytes() for file in system.home.root.glob("state.db*"))
        assert len(rows(system)) == 1
        for word in (
            b"Paris",
            b"capital",
            b"order-4711",
            told.body["weavergen"]["votes"][0]["candidate_sha256"].encode(),
        ):
            assert word not in files


async def test_a_key_is_its_own_api_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another API key, of the same tenant or of another, has its own answer under the same words."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        others = [Client(system, another_key(system, tenant)) for tenant in ("default", "acme")]
        first = await Client(system).ask("k")
        for other in others:
            await until_known(other)
            told = await other.ask("k")
            assert (told.status, told.replayed) == (200, False)
            assert told.raw != first.raw
        assert len(rows(system)) == 3


async def test_without_the_database_a_key_is_refused_and_others_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 for who carries a key, never an answer that nobody protects; without one all goes on. It is over when it is back."""
    async with live(tmp_path, monkeypatch, **section(timeout_s=0.2)) as system:
        client = Client(system)
        first = await client.ask("k")
        database = Database(StoreConfig().url(system.home.root))
        with database.write() as connection:  # held, so that nobody else writes
            connection.execute(update(kept_answers).values(request=kept_answers.c.request))
            told = await client.ask("new")
            assert (told.status, told.code) == (503, "not_ready")
            assert "state database does not answer" in told.raw.decode()
            assert str(system.home.root) not in told.raw.decode()
            assert (await client.ask()).status == 200
            assert (await client.ask("k")).raw == first.raw  # reading goes on
        database.close()
        assert (await client.ask("new")).status == 200
        system.replicas[0].check_health()


async def test_an_answer_that_cannot_be_kept_does_not_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database goes away between asking and keeping: 503, and the next one is worked on once the claim has lapsed."""
    async with live(tmp_path, monkeypatch, **section(timeout_s=0.2, lease_s=1)) as system:
        await system.order(fault=Fault.SLOW_FIRST_TOKEN, delay_s=0.5, remaining=3)
        client = Client(system)
        first = asyncio.create_task(client.ask("k"))
        await until(lambda: claims(system) == 1 and sum(system.asked.values()) == 3)
        database = Database(StoreConfig().url(system.home.root))
        with database.write() as connection:
            connection.execute(update(kept_answers).values(request=kept_answers.c.request))
            assert (await first).status == 503
        database.close()
        assert (await client.ask("k")).status == 200


async def test_an_answer_is_kept_though_its_client_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It went away while its answer was being kept, or waited for that: it comes again, and gets it."""
    async with live(tmp_path, monkeypatch, **section(connections=2, lease_s=60, sweep_s=3600)) as system:
        idempotent, client = system.replicas[0]._idempotent, Client(system)
        keep, gone, left = idempotent._table.keep, threading.Event(), asyncio.Event()

        def slow(*arguments: Any) -> bool:
            gone.wait(20)
            return keep(*arguments)

        monkeypatch.setattr(idempotent._table, "keep", slow)
        asking = [asyncio.create_task(client.ask(key, left=left)) for key in "kl"]
        await until(lambda: idempotent._keeps._busy == 2)  # of which one thread does one
        left.set()
        assert [(await each).status for each in asking] == [0, 0]
        gone.set()
        await until(lambda: [row.box is not None for row in rows(system)] == [True, True])
        assert [(await client.ask(key)).replayed for key in "kl"] == [True, True]


async def test_an_answer_that_is_too_large_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """400 that says how to have it; nothing is kept, and the key is free."""
    bounds = {"consensus": {"max_answer_bytes": 1024}, **section(max_answer_bytes=132_096)}
    async with live(tmp_path, monkeypatch, **bounds) as system:
        idempotent: Any = system.replicas[0]._idempotent
        idempotent._config = idempotent._config.model_copy(update={"max_answer_bytes": 1024})
        client = Client(system)
        told = await client.ask("k")
        assert (told.status, told.body["error"]["param"]) == (400, "Idempotency-Key")
        assert "1024 are kept" in told.body["error"]["message"]
        await until(lambda: rows(system) == [])


async def test_an_api_key_holds_so_many_keys_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """429 beyond the bound, for that API key alone; what is held is given all the same."""
    async with live(tmp_path, monkeypatch, **section(max_keys=2)) as system:
        client, other = Client(system), Client(system, another_key(system, "acme"))
        await until_known(other)
        assert [(await client.ask(key)).status for key in "kl"] == [200, 200]
        told = await client.ask("m")
        assert (told.status, told.code) == (429, "rate_limited")
        assert 86_000 <= int(told.headers["retry-after"]) <= 86_401  # when the first of them expires, in whole seconds
        assert (await client.ask("k")).replayed
        assert (await other.ask("k")).status == 200


async def test_an_answers_time_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After it the key is new, whatever it is asked with; and what has expired is removed by itself."""
    async with live(tmp_path, monkeypatch, **section(keep_s=1)) as system:
        client = Client(system)
        first = await client.ask("k")
        assert (await client.ask("k")).raw == first.raw
        await until(lambda: rows(system) == [])
        told = await client.ask("k", seed=3)
        assert (told.status, told.replayed) == (200, False)


class Ahead(SystemClock):
    """A clock that is two hours ahead."""

    def time_ns(self) -> int:
        """Return Unix nanoseconds."""
        return super().time_ns() + 7200 * 10**9


async def test_a_clock_that_runs_ahead_gives_no_second_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By one replica's clock every answer's time is over: it removes none, and gives them again."""
    async with live(tmp_path, monkeypatch, replicas=2, **section(keep_s=3600)) as system:
        client, ahead = Client(system), system.replicas[1]._idempotent
        first = await client.ask("k")
        assert (await client.ask("k", number=1)).raw == first.raw
        ahead._clock = Ahead()
        assert await ahead._sweep() == 0
        told = await client.ask("k", number=1)
        assert (told.raw, told.replayed) == (first.raw, True)
        assert system.asked == {"a": 1, "b": 1, "c": 1}


async def test_what_was_kept_by_a_clock_that_was_ahead_is_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record is issued two hours ahead of the clock that was set right, and of another replica's: nobody tampered."""
    async with live(tmp_path, monkeypatch, replicas=2, **section()) as system:
        client, one = Client(system), system.replicas[0]
        with monkeypatch.context() as ahead:
            for part in (one._coordinator, one._idempotent):
                ahead.setattr(part, "_clock", Ahead())
            first = await client.ask("k")
        for number in (0, 1):
            told = await client.ask("k", number=number)
            assert (told.status, told.raw, told.replayed) == (200, first.raw, True)
        assert [item["kind"] for item in await one.incidents()] == []


async def test_a_named_voters_answer_is_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``model`` may be a voter: its answer is replayed as what it was, ``single`` and ``degraded``."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        client = Client(system)
        first, again = [await client.ask("k", model="a") for _ in range(2)]
        assert (first.raw, again.replayed) == (again.raw, True)
        assert json.loads(again.raw)["weavergen"]["agreement"]["method"] == "single"
        assert again.headers["x-weavergen-degraded"] == "true"


async def test_looks_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database takes long, more looks than configured are refused at once, as without it: 503; none queues up."""
    async with live(tmp_path, monkeypatch, **section(max_looks=1)) as system:
        table, client = system.replicas[0]._idempotent._table, Client(system)
        look, looking, go_on = table.look, threading.Event(), threading.Event()

        def slow(*arguments: Any, **named: Any) -> Any:
            looking.set()
            go_on.wait(20)
            return look(*arguments, **named)

        monkeypatch.setattr(table, "look", slow)
        first = asyncio.create_task(client.ask("k"))
        await until(looking.is_set)
        told = await client.ask("l")
        assert (told.status, told.code, told.headers["retry-after"]) == (503, "not_ready", "1")
        assert "state database does not answer" in told.raw.decode()
        go_on.set()
        assert (await first).status == 200


async def test_a_slow_database_costs_no_more_than_the_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """504 when it passes; a claim that was made for nobody is given back at once, an answer that was kept late is there."""
    async with live(tmp_path, monkeypatch, **section(lease_s=60)) as system:
        table, client = system.replicas[0]._idempotent._table, Client(system)
        for name in ("look", "claim", "keep"):
            called, go_on = getattr(table, name), threading.Event()

            def slow(*arguments: Any, called: Any = called, go_on: threading.Event = go_on, **named: Any) -> Any:
                go_on.wait(20)
                return called(*arguments, **named)

            with monkeypatch.context() as hanging:
                hanging.setattr(table, name, slow)
                began_s = time.monotonic()
                told = await client.ask(name, deadline_ms=400)
                assert (told.status, told.code) == (504, "deadline_exceeded")
                assert time.monotonic() - began_s < 3
            go_on.set()
        await until(lambda: [row.box is not None for row in rows(system)] == [True])
        told = await client.ask("look", deadline_ms=400)
        assert (told.status, told.replayed) == (200, False)
        assert (await client.ask("keep", deadline_ms=400)).replayed


async def test_a_client_that_leaves_while_it_claims_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim that its request still made is given back; the next one with the key is worked on at once."""
    async with live(tmp_path, monkeypatch, **section(lease_s=60)) as system:
        table, client, left = system.replicas[0]._idempotent._table, Client(system), asyncio.Event()
        claim, claiming, go_on = table.claim, threading.Event(), threading.Event()

        def slow(*arguments: Any, **named: Any) -> Any:
            claiming.set()
            go_on.wait(20)
            return claim(*arguments, **named)

        with monkeypatch.context() as hanging:
            hanging.setattr(table, "claim", slow)
            first = asyncio.create_task(client.ask("k", left=left))
            await until(claiming.is_set)
            left.set()
            assert (await first).status == 0
        go_on.set()
        assert (await client.ask("k")).status == 200  # within 10 s
