"""A tenant is erased while replicas serve: what was opens to nobody, what comes is another's word, and nothing stops."""

from pathlib import Path
from typing import Any

import pytest

from actors.base.digests import commitment
from actors.consensus.retention.adapters.store import find_content
from actors.consensus.retention.content import Content, prompt_bytes, read_content
from actors.store.config import StoreConfig
from actors.store.tenants import Tenants
from cluster.access import database
from cluster.config import read_config
from cluster.tenants import Erased, erase_tenant, tenant_files
from models.voter import Message
from tests.shells.serve_apps.gateway.live import Live, Told, live
from tests.shells.serve_apps.gateway.repeated import (
    QUESTION,
    Client,
    another_key,
    eventually,
    rows,
    section,
    until_known,
)

ASKED = prompt_bytes([Message("user", QUESTION)])


def contents(system: Live) -> list[str]:
    """Return the decisions whose content is kept."""
    return sorted(path.name.removesuffix(".json.gz") for path in (system.home.root / "content").glob("*.json.gz"))


async def kept_of(system: Live, decision: str) -> Content:
    """Return a decision's content, once it is written."""

    async def there() -> bool:
        return decision in contents(system)

    await eventually(there)
    return read_content(find_content(system.home.root / "content", decision) or b"")


def opened_by(tenants: Tenants, decision: str) -> str:
    """Return what the question of these tests is committed to by under the salts in force."""
    return commitment(tenants("default").prompt_salt(decision), ASKED)


async def test_what_was_opens_to_nobody_and_what_comes_is_another_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Content and kept answers of the tenant are gone, another's stay; records verify, and both replicas go on at once."""
    settings: dict[str, Any] = section() | {"content": {"tenants": ["*"]}}
    async with live(tmp_path, monkeypatch, replicas=2, **settings) as system:
        client, other = Client(system), Client(system, another_key(system, "acme"))
        await until_known(other)
        first, theirs = await client.ask("k"), await other.ask("k")
        one = await system.ask(number=1)
        old, kept = first.body["weavergen"]["decision_id"], theirs.body["weavergen"]["decision_id"]
        content, tenants = await kept_of(system, old), tenant_files(system.home)
        record = (await system.record(told_of(old))).prompt_commitment
        assert commitment(bytes.fromhex(content.prompt_salt), ASKED) == record == opened_by(tenants, old)
        await kept_of(system, kept)
        await kept_of(system, one.headers["x-weavergen-decision"])
        before = tenants("default")

        told = erased(system)
        assert (told.contents, told.answers, told.unread) == (2, 1, 0)
        assert contents(system) == [kept]
        assert opened_by(tenants, old) != record
        everything = b"".join(path.read_bytes() for path in system.home.root.rglob("*") if path.is_file())
        gone = (before.prompts, before.notes, before.users, before.answers, content.prompt_salt)
        assert not [salt for salt in gone if salt.encode() in everything]

        assert (await system.record(told_of(old))).prompt_commitment == record
        assert (await other.ask("k")).raw == theirs.raw
        again = await client.ask("k")
        assert (again.status, again.replayed, again.body["weavergen"]["decision_id"] != old) == (200, False, True)
        for number in (0, 1):
            new = (await system.ask(number=number)).headers["x-weavergen-decision"]
            made = await system.record(told_of(new), number)
            assert made.prompt_commitment == opened_by(tenants, new)
            assert (await kept_of(system, new)).prompt_salt == tenants("default").prompt_salt(new).hex()
        assert len(rows(system)) == 2


def told_of(decision: str) -> Told:
    """Return what a client would have been told of a decision."""
    return Told(200, {"x-weavergen-decision": decision}, {})


def erased(system: Live) -> Erased:
    """Erase the tenant as the command line does."""
    config = read_config({"profile": "live", "content": {"tenants": ["*"]}}, "live")
    with database(system.home, StoreConfig()) as opened:
        return erase_tenant(system.home, config, opened, "default", "contract ended", "ann")
