"""Names and boxes of kept answers."""

import hashlib
import hmac

import pytest

from actors.admission.sealing import TenantKeys, seal, tenant_keys, unseal
from actors.base.errors import IntegrityError
from actors.store.tenants import derived
from tests.unit.actors.spans.telemetry import flipped

SECRET = bytes(range(32))
NONCE = b"n" * 12


def keys_of(tenant: str, secret: bytes = SECRET) -> TenantKeys:
    """Return a tenant's keys as an earlier version derived them from a home's secret."""
    return tenant_keys(derived(secret, tenant))


KEYS = keys_of("acme")


def test_keys_follow_from_the_secret_by_hkdf() -> None:
    """RFC 5869 by hand: extract without a salt, expand under the label and the tenant."""
    extracted = hmac.digest(bytes(32), SECRET, hashlib.sha256)
    info = b"weavergen/kept-answers/1/acme"
    first = hmac.digest(extracted, info + b"\x01", hashlib.sha256)
    assert KEYS.naming == first
    assert KEYS.sealing == hmac.digest(extracted, first + info + b"\x02", hashlib.sha256)


def test_every_tenant_and_secret_has_keys_of_its_own() -> None:
    """Nothing of one is another's, and no key shows in a representation."""
    others = [keys_of("acmf"), keys_of("acme", bytes(32))]
    assert len({key for keys in (KEYS, *others) for key in (keys.naming, keys.sealing)}) == 6
    assert repr(KEYS) == "TenantKeys(…)"


def test_a_name_says_where_its_parts_end() -> None:
    """Other parts, another kind or another tenant make another name, however they are cut."""
    names = [
        KEYS.name("slot", "a", "bc"), KEYS.name("slot", "ab", "c"), KEYS.name("slot", "abc"), KEYS.name("request", "a", "bc"),
        KEYS.name("slot", 'a","bc'), keys_of("b").name("slot", "a", "bc"),
    ]  # fmt: skip
    assert len(set(names)) == len(names)
    assert {len(name) for name in names} == {64}
    assert KEYS.name("slot", "a", "bc") == names[0]


def test_what_was_sealed_comes_back() -> None:
    """For whom it was sealed, as it was."""
    assert unseal(KEYS, seal(KEYS, NONCE, b"content", b"for this"), b"for this") == b"content"
    assert b"content" not in seal(KEYS, NONCE, b"content", b"for this")


def test_any_other_bit_stays_shut() -> None:
    """Of the nonce, the content, the tag, what it belongs to; and under any other key."""
    box = seal(KEYS, NONCE, b"content", b"for this")
    for bit in range(len(box) * 8):
        with pytest.raises(IntegrityError, match="does not open"):
            unseal(KEYS, flipped(box, bit), b"for this")
    for keys, belongs_to, data in (
        (KEYS, b"for that", box), (keys_of("b"), b"for this", box), (KEYS, b"for this", b""),
        (KEYS, b"for this", box[:20]),
    ):  # fmt: skip
        with pytest.raises(IntegrityError, match="does not open"):
            unseal(keys, data, belongs_to)


def test_a_nonce_has_its_length() -> None:
    """Any other is refused before it seals anything."""
    with pytest.raises(ValueError, match="12 bytes"):
        seal(KEYS, b"short", b"content", b"")
