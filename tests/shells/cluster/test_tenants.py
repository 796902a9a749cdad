"""Tenants' salts on the operator's machine: brought over once from an earlier version, made ahead, and erased for good."""

import json
import os
from pathlib import Path

import pytest
from sqlalchemy import insert

from actors.base.errors import HomeError, NotFound
from actors.base.ids import ulid
from actors.consensus.retention.adapters.store import SUFFIX, ContentStore
from actors.consensus.retention.config import ContentConfig
from actors.store.adapters.api_keys import NewKey
from actors.store.adapters.incidents import Incidents
from actors.store.adapters.tables import kept_answers
from actors.store.config import StoreConfig
from actors.store.tenants import derived
from cluster.access import access, ensure_keys
from cluster.config import read_config
from cluster.tenants import KIND, ensure_tenants, erase_tenant, tenant_files
from cluster.trust import load_trust
from tests.shells.actors.consensus.retention.adapters.test_store import name, of
from tests.shells.cluster.cli_home import terminal
from tests.shells.cluster.governed import Governed, governed

SECRET = b"s" * 32
CONFIG = read_config({"profile": "t", "content": {"tenants": ["acme"]}}, "t")


@pytest.fixture
def system(tmp_path: Path) -> Governed:
    """Return a home with keys."""
    return governed(tmp_path)


def test_an_earlier_version_s_salts_are_brought_over_and_its_secret_destroyed(system: Governed) -> None:
    """Of every tenant that ever had a key; interrupted anywhere, the next bring-up completes it, and it happens once."""
    home, old = system.home, system.home.keys / "salt.key"
    for path in (home.keys / "tenants").iterdir():
        path.unlink()
    old.write_text(SECRET.hex())
    os.link(old, home.keys / "kept")
    files = tenant_files(home)
    files.ensure(["acme"], SECRET)  # as far as it came before
    ensure_tenants(home, ["default", "acme", "default"])
    assert [files(tenant) for tenant in ("default", "acme")] == [derived(SECRET, "default"), derived(SECRET, "acme")]
    assert (old.exists(), set((home.keys / "kept").read_bytes())) == (False, {0})
    (home.keys / "kept").write_text(SECRET.hex())
    os.link(home.keys / "kept", home.keys / "salt.key.erasing")  # as far as one that was killed came
    ensure_tenants(home, ["default", "late"])
    assert set((home.keys / "kept").read_bytes()) == {0}
    assert files("late") != derived(SECRET, "late")
    assert files("default") == derived(SECRET, "default")


def test_bring_up_brings_them_over(system: Governed) -> None:
    """With the keys of the home, revoked ones too; an unreadable secret is said, and nothing is drawn in its place."""
    home, old = system.home, system.home.keys / "salt.key"
    with access(home, StoreConfig()) as mine:
        made, _ = mine.create(new_key("acme"))
        mine.revoke(made.id)
    for path in (home.keys / "tenants").iterdir():
        path.unlink()
    old.write_text("no hex")
    with pytest.raises(HomeError, match="no hex secret"):
        ensure_keys(home, system.database, load_trust(home.trust_file))
    assert list((home.keys / "tenants").iterdir()) == []
    old.write_text(SECRET.hex())
    ensure_keys(home, system.database, load_trust(home.trust_file))
    assert tenant_files(home)("acme") == derived(SECRET, "acme")


def test_a_key_s_tenant_has_salts_before_the_key_is_in_force(system: Governed) -> None:
    """No request has to wait until they are drawn."""
    with access(system.home, StoreConfig()) as mine:
        mine.create(new_key("acme"))
    assert tenant_files(system.home).knows("acme")
    assert tenant_files(system.home).knows("default")


def new_key(tenant: str) -> NewKey:
    """Return a client's key to be made."""
    return NewKey("client", tenant)


def keep(system: Governed, tenant: str, number: int, api_key: str) -> Path:
    """Keep content and an answer of a tenant."""
    salt = tenant_files(system.home)(tenant).prompt_salt(name(number)).hex()
    folder = system.home.root / "content"
    ContentStore(folder, ContentConfig(tenants=("*",)), lambda: 1.8e9).put(name(number), of(number, salt))
    row = {
        "slot": f"{number:064x}",
        "api_key_id": api_key,
        "request": "r" * 64,
        "claim_id": "c",
        "expires_at_ms": 1,
        "box": b"b",
    }
    with system.database.write() as connection:
        connection.execute(insert(kept_answers).values(**row))
    return folder / f"{name(number)}{SUFFIX}"


def test_erasing_a_tenant_erases_nobody_else(system: Governed) -> None:
    """Content, answers and salts of the one are gone and an incident tells of it, acknowledged; again finds nothing left."""
    with access(system.home, StoreConfig()) as mine:
        acme, other = (mine.create(new_key(tenant))[0].id for tenant in ("acme", "other"))
    theirs, others = keep(system, "acme", 1, acme), keep(system, "other", 2, other)
    files = tenant_files(system.home)
    before, untouched = files("acme"), files("other")
    erased = erase_tenant(system.home, CONFIG, system.database, "acme", "contract ended", "ann")
    assert (erased.contents, erased.answers, erased.unread) == (1, 1, 0)
    assert (theirs.exists(), others.exists()) == (False, True)
    assert (files("acme").prompts != before.prompts, files("acme").pseudonym, files("other")) == (
        True, before.pseudonym, untouched,
    )  # fmt: skip
    (noted,) = [found for found in Incidents(system.database).list() if found.kind == KIND]
    assert (noted.id, noted.acked_by, noted.evidence["reason"]) == (erased.incident, "ann", "contract ended")
    assert noted.evidence["tenant"] == before.pseudonym
    again = erase_tenant(system.home, CONFIG, system.database, "acme", "again", "ann")
    assert (again.contents, again.answers) == (0, 0)


def test_an_erasure_that_was_interrupted_stays_open_and_can_be_done_again(
    system: Governed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Salts go after the content that only they tell to be the tenant's."""
    with access(system.home, StoreConfig()) as mine:
        acme = mine.create(new_key("acme"))[0].id
    keep(system, "acme", 1, acme)
    files, before = tenant_files(system.home), tenant_files(system.home)("acme")

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("actors.consensus.retention.adapters.store.sync_folder", dies)
        with pytest.raises(KeyboardInterrupt):
            erase_tenant(system.home, CONFIG, system.database, "acme", "r", "ann")
    assert files("acme") == before
    assert [found.kind for found in Incidents(system.database).list(open_only=True)] == [KIND]
    erase_tenant(system.home, CONFIG, system.database, "acme", "r", "ann")
    assert files("acme") != before


def test_content_that_nobody_can_read_keeps_the_incident_open(system: Governed) -> None:
    """The salts are gone all the same."""
    folder = system.home.root / "content"
    folder.mkdir(mode=0o700)
    (folder / f"{ulid(1, b'0123456789')}{SUFFIX}").write_bytes(b"\x1f\x8b")
    files, before = tenant_files(system.home), tenant_files(system.home)("default")
    erased = erase_tenant(system.home, CONFIG, system.database, "default", "r", "ann")
    assert (erased.unread, files("default") != before) == (1, True)
    assert Incidents(system.database).get(erased.incident).acked_by is None


def test_where_no_content_is_kept_no_folder_is_made(system: Governed) -> None:
    """A tenant that there never was is told, and gets no salts by that."""
    off = read_config({"profile": "t"}, "t")
    assert erase_tenant(system.home, off, system.database, "default", "r", "ann").contents == 0
    assert not (system.home.root / "content").exists()
    with pytest.raises(NotFound, match="no tenant"):
        erase_tenant(system.home, off, system.database, "nobody", "r", "ann")
    assert not tenant_files(system.home).knows("nobody")


def test_the_command_asks_and_tells(system: Governed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ``--yes`` nothing happens unless somebody confirms; what happened is told in words and as JSON."""
    shell, files = terminal(system, monkeypatch), tenant_files(system.home)
    before = files("default")
    assert shell.run("tenants", "erase", "default", "--reason", "r").exception is not None
    assert files("default") == before
    told = json.loads(shell.run("tenants", "erase", "default", "--reason", "r", "--yes", "--json").stdout)
    assert (told["tenant"], told["contents"], files("default") != before) == ("default", 0, True)
    result = shell.run("tenants", "erase", "default", "--reason", "r", "--yes")
    assert (result.exception, "erased: salts of default, content of 0 decisions" in result.stdout) == (None, True)
    assert "not erased: what spans of its own services hold in clear" in result.stdout
    assert "kept for ever" in result.stdout
