"""A kept answer leaves only while everything holds that it rested on: each check at the time of a repeated request."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import update

from actors.admission.idempotency import Binding, Kept, decode_kept, encode_kept
from actors.admission.sealing import seal, tenant_keys, unseal
from actors.base.canonical import canonical_json
from actors.base.errors import StorageUnavailable
from actors.policy.snapshot import Epochs
from actors.spans.record import read_envelope
from actors.store.adapters.database import Database
from actors.store.adapters.tables import kept_answers
from actors.store.adapters.tenant_files import TenantFiles
from actors.store.config import StoreConfig
from cluster.acceptance.system import write_answers
from models.protocol_servers.faults import Fault
from tests.shells.serve_apps.gateway.live import Live, Told, live
from tests.shells.serve_apps.gateway.repeated import (
    Client,
    Reply,
    change_row,
    eventually,
    in_force,
    loosen,
    rows,
    section,
    tighten,
)
from tests.unit.actors.consensus.world import until

HALT = {"reason": "r", "by": "t", "on": True}


async def test_nothing_kept_leaves_while_generation_is_halted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 like any other, also for who waits."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        client = Client(system)
        assert (await client.ask("k")).status == 200
        halt = replace(system.replicas[0].policy().halt, **HALT)
        await in_force(system, tighten(system, halt=halt))
        told = await client.ask("k")
        assert (told.status, told.code) == (503, "generation_halted")


async def changed_between(system: Live, version: int) -> tuple[int, str]:
    """Return what a repeated request gets under a new policy: status and message."""
    await in_force(system, version)
    told = await Client(system).ask("k")
    if told.status != 200:
        assert told.body["weavergen"]["result"] == "withheld"
        assert told.body["error"]["code"] == "no_consensus"
    return told.status, told.raw.decode()


@pytest.mark.parametrize(("voter", "status"), [("a", 422), ("b", 422), ("c", 200)])
async def test_an_isolated_voter_that_counted_withholds_what_is_kept(
    voter: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of three agreed and the third was not heard: only the two that were counted matter. Readmitted, it leaves again."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        await system.order(fault=Fault.UNAVAILABLE, model="c")
        client = Client(system)
        first = await client.ask("k")
        states = system.replicas[0].policy().voter_state
        told = await changed_between(system, tighten(system, voter_state=states | {voter: "isolated"}))
        assert told[0] == status
        assert ("isolated by now" in told[1]) == (status == 422)
        await in_force(system, loosen(system, tmp_path / "op", voter_state=states))
        assert (await client.ask("k")).raw == first.raw


async def test_other_screening_rules_withhold_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer was let out by rules that are in force no more."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        assert (await Client(system).ask("k")).status == 200
        told = await changed_between(system, loosen(system, tmp_path / "op", screening_version="next"))
        assert (told[0], "screening rules" in told[1]) == (422, True)


CODE = "```python\ndef double(x):\n    return 2 * x\n```"


async def test_code_is_held_to_the_screener_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that was screened by other rules than this replica's leaves no more; what holds no code was screened by none."""
    answers = "tests.shells.serve_apps.gateway.live.write_answers"
    monkeypatch.setattr(answers, lambda path, said: write_answers(path, {voter: [CODE] for voter in said}))
    asked = {
        "question": "Write a Python function double(x).",
        "weavergen": {"answer_kind": "code", "deadline_ms": 20_000},
    }
    async with live(tmp_path, monkeypatch, **section()) as system:
        client = Client(system)
        first = await client.ask("k", **asked)
        assert first.status == 200
        assert (await client.ask("k", **asked)).raw == first.raw
        monkeypatch.setattr(type(system.replicas[0]._scrutiny.screener), "version", "next")
        told = await client.ask("k", **asked)
        assert (told.status, "screened by other rules" in told.raw.decode()) == (422, True)


EPOCHS = [
    ("voter", "c", 200), ("voter", "nobody", 200), ("tenant", "acme", 200),
    ("voter", "a", 422), ("rule", "any", 422), ("tenant", "default", 422),
]  # fmt: skip


async def test_an_epoch_that_rose_withholds_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a voter that counted, of a rule, of the tenant; others' concern others. What is asked afterwards is kept anew."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        await system.order(fault=Fault.UNAVAILABLE, model="c")
        client = Client(system)
        for number, (counters, name, status) in enumerate(EPOCHS):
            assert (await client.ask(f"k{number}")).status == 200
            await in_force(system, tighten(system, invalidation_epochs=raised(system, counters, name)))
            told = await client.ask(f"k{number}")
            assert (told.status, "invalidated" in told.raw.decode()) == (status, status == 422), name


def raised(system: Live, counters: str, name: str) -> Epochs:
    """Return the epochs in force with one of them raised."""
    now = system.replicas[0].policy().invalidation_epochs
    return replace(now, **{counters: {**getattr(now, counters), name: 1}})


def tightened_while_keeping(system: Live, monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """Bring a change into force between keeping an answer and sending it, once."""
    table, loop = system.replicas[0]._idempotent._table, asyncio.get_running_loop()
    keep = table.keep

    def meanwhile(*arguments: Any) -> bool:
        monkeypatch.setattr(table, "keep", keep)
        kept = keep(*arguments)
        asyncio.run_coroutine_threadsafe(in_force(system, tighten(system, **changes)), loop).result(20)
        return kept

    monkeypatch.setattr(table, "keep", meanwhile)


async def recorded(system: Live, told: Reply) -> str:
    """Return what the record of the decision says that a client was told of."""
    assert told.body["weavergen"] == {"decision_id": told.headers["x-weavergen-decision"], "result": "withheld"}
    return (await system.record(Told(told.status, told.headers, told.body))).result


async def test_the_policy_is_looked_at_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A halt that comes while the answer is being kept keeps it in for good, which its record says; its key is free."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        client, before = Client(system), system.replicas[0].policy().halt
        tightened_while_keeping(system, monkeypatch, halt=replace(before, **HALT))
        told = await client.ask("k")
        assert (told.status, told.code, await recorded(system, told)) == (503, "generation_halted", "withheld")
        assert rows(system) == []
        await in_force(system, loosen(system, tmp_path / "op", halt=before))
        again = await client.ask("k")
        assert (again.status, again.replayed) == (200, False)
        assert again.headers["x-weavergen-decision"] != told.headers["x-weavergen-decision"]


async def test_what_was_kept_and_did_not_leave_is_on_record_as_withheld(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that were counted are isolated while the answer is being kept: it is taken back, for good, and its record says so."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        client, states = Client(system), system.replicas[0].policy().voter_state
        tightened_while_keeping(system, monkeypatch, voter_state=states | {"a": "isolated", "b": "isolated"})
        told = await client.ask("k")
        assert (told.status, told.code, await recorded(system, told)) == (422, "no_consensus", "withheld")
        assert rows(system) == []
        await in_force(system, loosen(system, tmp_path / "op", voter_state=states))
        again = await client.ask("k")
        assert (again.status, again.replayed) == (200, False)


async def test_what_cannot_be_taken_back_is_not_recorded_as_withheld(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table goes away at that moment: 503, and the answer is still the key's, and leaves once it may."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        client, states = Client(system), system.replicas[0].policy().voter_state
        table = system.replicas[0]._idempotent._table

        def away(*_: object) -> None:
            raise StorageUnavailable("away")

        monkeypatch.setattr(table, "withdraw", away)
        tightened_while_keeping(system, monkeypatch, voter_state=states | {"a": "isolated", "b": "isolated"})
        told = await client.ask("k")
        assert (told.status, told.code) == (503, "not_ready")
        await in_force(system, loosen(system, tmp_path / "op", voter_state=states))
        again = await client.ask("k")
        assert (again.status, again.replayed) == (200, True)
        assert (await system.record(Told(again.status, again.headers, again.body))).result == "answered"


def on_record(system: Live, decision_id: str) -> str:
    """Return what a replica's latest record of a decision says."""
    data = system.replicas[0]._coordinator.recent(decision_id)
    assert data is not None
    return read_envelope(data).read().result


@pytest.mark.parametrize(("leaves", "status"), [(True, 0), (False, 503)], ids=["client left", "table is slow"])
async def test_what_is_taken_back_for_nobody_is_on_record_as_well(
    leaves: bool, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client left, or the table took too long for it: the key is free in the end, and then the record says why."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        client, states, left = Client(system), system.replicas[0].policy().voter_state, asyncio.Event()
        table = system.replicas[0]._idempotent._table
        withdraw, withdrawing, go_on = table.withdraw, threading.Event(), threading.Event()

        def slow(*arguments: Any) -> None:
            withdrawing.set()
            go_on.wait(20)
            withdraw(*arguments)

        monkeypatch.setattr(table, "withdraw", slow)
        tightened_while_keeping(system, monkeypatch, voter_state=states | {"a": "isolated", "b": "isolated"})
        first = asyncio.create_task(client.ask("k", left=left))
        await until(lambda: withdrawing.is_set() or first.done())
        (row,) = rows(system)
        if leaves:
            left.set()
        assert (await first).status == status
        assert on_record(system, row.decision_id) == "answered"
        go_on.set()

        async def is_told() -> bool:
            return (rows(system), on_record(system, row.decision_id)) == ([], "withheld")

        await eventually(is_told)


async def test_a_row_that_was_changed_gives_nothing_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bit of the box, another decision's name, a later end: it does not open, and an incident says so."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        client = Client(system)
        first = await client.ask("k")
        (row,) = rows(system)
        whole = {"box": row.box, "decision_id": row.decision_id, "expires_at_ms": row.expires_at_ms}
        flipped = row.box[:-1] + bytes([row.box[-1] ^ 1])
        changes = (
            {"box": flipped},
            {"decision_id": "0" * 26},
            {"expires_at_ms": row.expires_at_ms + 1},
            {"box": b"short"},
        )
        for change in changes:
            change_row(system, **whole | change)
            told = await client.ask("k")
            assert (told.status, told.code, "does not check" in told.raw.decode()) == (422, "no_consensus", True), (
                change
            )
        await eventually(lambda: _incidents(system))
        assert set(await _incidents(system)) == {"kept_answer_refused"}
        change_row(system, **whole)
        assert (await client.ask("k")).raw == first.raw


async def _incidents(system: Live) -> list[str]:
    return [item["kind"] for item in await system.replicas[0].incidents()]


async def test_a_row_does_not_open_in_anothers_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The box of one key, moved to another's row, stays shut: an answer is for its key and request alone."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        client = Client(system)
        assert [(await client.ask(key)).status for key in ("k", "l")] == [200, 200]
        one, two = rows(system)
        database = Database(StoreConfig().url(system.home.root))
        with database.write() as connection:
            moved = {"box": one.box, "decision_id": one.decision_id, "expires_at_ms": one.expires_at_ms}
            connection.execute(update(kept_answers).where(kept_answers.c.slot == two.slot).values(**moved))
        database.close()
        assert sorted([(await client.ask(key)).status for key in ("k", "l")]) == [200, 422]


def resealed(system: Live, change: Callable[[Kept], Kept]) -> None:
    """Change what lies in the one box there is, as somebody could who holds the tenant's keys."""
    (row,) = rows(system)
    keys = tenant_keys(TenantFiles(system.home.keys / "tenants")("default"))
    bound = Binding("default", row.api_key_id, row.slot, row.request, row.decision_id, row.expires_at_ms).data
    box = seal(keys, bytes(12), encode_kept(change(decode_kept(unseal(keys, row.box, bound)))), bound)
    change_row(system, box=box)


def unsigned(kept: Kept) -> Kept:
    """Give the record another's signature."""
    envelope = read_envelope(kept.envelope)
    return replace(
        kept, envelope=canonical_json(replace(envelope, signature=replace(envelope.signature, sig="00" * 64)))
    )


async def test_only_what_the_signed_record_names_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that the record does not name, a record that its writer did not sign: neither, though the box opens."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        client = Client(system)
        first = await client.ask("k")
        (whole,) = rows(system)
        for change in (lambda kept: replace(kept, content="Rome"), unsigned):
            resealed(system, change)
            told = await client.ask("k")
            assert (told.status, "does not check" in told.raw.decode()) == (422, True)
            change_row(system, box=whole.box)
        resealed(system, lambda kept: kept)
        assert (await client.ask("k")).raw == first.raw


async def test_whom_to_believe_is_asked_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record whose writer's issuer is believed no more lets nothing out, though it was good when it was kept."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        client = Client(system)
        assert (await client.ask("k")).status == 200
        idempotent: Any = system.replicas[0]._idempotent
        trust = idempotent._trust()
        idempotent._trust = lambda: replace(trust, certificates=[])
        assert (await client.ask("k")).code == "no_consensus"


async def test_another_tenants_record_vouches_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record has to be this tenant's, by the name that records call it."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        client = Client(system)
        assert (await client.ask("k")).status == 200
        monkeypatch.setattr(system.replicas[0]._idempotent, "_pseudonym", lambda _: "somebody else")
        assert (await client.ask("k")).code == "no_consensus"


async def test_a_named_voter_that_is_isolated_says_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it said alone, under its own name, rested on it alone; what the others say is theirs."""
    async with live(tmp_path, monkeypatch, **section()) as system:
        client = Client(system)
        assert [(await client.ask(voter, model=voter)).status for voter in "ab"] == [200, 200]
        states = system.replicas[0].policy().voter_state
        await in_force(system, tighten(system, voter_state=states | {"a": "isolated"}))
        told = [await client.ask(voter, model=voter) for voter in "ab"]
        assert [(each.status, each.replayed) for each in told] == [(422, False), (200, True)]
        await system.meter().until("idempotent_replays", 1.0)
        await system.meter().until("idempotent_withheld", 1.0)
