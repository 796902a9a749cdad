"""API keys in the database."""

from collections.abc import Callable
from pathlib import Path

import pytest

from actors.base.errors import InvalidKey, InvalidRequest, NotFound
from actors.store.adapters.api_keys import ApiKeys, NewKey
from actors.store.adapters.database import Database
from actors.store.auth import AuthSnapshot, AuthView


@pytest.fixture
def keys(database: Database, clock: Callable[[], float]) -> ApiKeys:
    """Return the table of keys."""
    return ApiKeys(database, clock)


def view(keys: ApiKeys) -> AuthView:
    """Return the view a replica would have."""
    return AuthView(AuthSnapshot(1, 0, list(keys.valid())))


def test_a_created_key_authenticates(keys: ApiKeys) -> None:
    """A new key holds exactly what was asked for."""
    key, text = keys.create(NewKey("operator", "acme", ("direct", "strict"), 3, "Ann", "https://acme.example"))
    principal = view(keys).authenticate(text)
    assert (principal.key_id, principal.tenant, principal.role, principal.tier) == (key.id, "acme", "operator", 3)
    assert principal.policies == {"strict", "direct"}
    assert (key.owner, key.contact, key.created_at_ms, key.revoked_at_ms) == (
        "Ann",
        "https://acme.example",
        5_000_000,
        None,
    )


def test_the_secret_is_not_stored(keys: ApiKeys, database: Database, tmp_path: Path) -> None:
    """Neither the table nor the database's files hold the key's text or its secret part."""
    _, text = keys.create(NewKey("client"))
    database.close()
    assert not any(text[30:].encode() in path.read_bytes() for path in (tmp_path / "home").iterdir())


def test_a_revoked_key_does_not(keys: ApiKeys, clock: Callable[[], float]) -> None:
    """Revocation removes a key from what is valid, keeps its row, and its first time stands."""
    key, text = keys.create(NewKey("client"))
    assert keys.revoke(key.id).revoked_at_ms == 5_000_000
    clock.now = 6_000.0  # type: ignore[attr-defined]
    assert keys.revoke(key.id).revoked_at_ms == 5_000_000
    with pytest.raises(InvalidKey):
        view(keys).authenticate(text)
    assert [listed.id for listed in keys.list()] == [key.id]


def test_rotation_replaces(keys: ApiKeys) -> None:
    """The new key holds the old one's rights, the old one ends, and a key is rotated once."""
    old, old_text = keys.create(NewKey("client", "acme", ("evidence",), 2, "Ann", "c"))
    new, new_text = keys.rotate(old.id)
    assert view(keys).authenticate(new_text).policies == {"evidence"}
    with pytest.raises(InvalidKey):
        view(keys).authenticate(old_text)
    assert keys.get(old.id).replaced_by == new.id
    assert (new.tenant, new.tier, new.owner, new.contact) == (old.tenant, old.tier, old.owner, old.contact)
    with pytest.raises(InvalidRequest, match="revoked already"):
        keys.rotate(old.id)
    assert len(keys.list()) == 2


@pytest.mark.parametrize("action", ["get", "revoke", "rotate"])
def test_unknown_keys(keys: ApiKeys, action: str) -> None:
    """A key that does not exist is named."""
    with pytest.raises(NotFound, match="nobody"):
        getattr(keys, action)("nobody")


@pytest.mark.parametrize(
    ("new", "field"),
    [
        (NewKey("root"), "role"),  # type: ignore[arg-type]
        (NewKey("client", tenant="Acme Inc"), "tenant"),
        (NewKey("client", tenant=""), "tenant"),
        (NewKey("client", policies=("any",)), "policies"),  # type: ignore[arg-type]
        (NewKey("client", tier=-1), "tier"),
        (NewKey("client", owner="x" * 201), "owner"),
    ],
)
def test_bad_requests_name_the_field(keys: ApiKeys, new: NewKey, field: str) -> None:
    """A key with unknown rights or unbounded text is not made."""
    with pytest.raises(InvalidRequest) as caught:
        keys.create(new)
    assert caught.value.param == field
    assert keys.list() == []
