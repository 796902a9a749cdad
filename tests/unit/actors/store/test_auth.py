"""AuthSnapshots and authentication, by attack."""

import contextlib
import hmac
from dataclasses import replace

import msgspec
import pytest

from actors.base.canonical import b64, canonical_json
from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError, InvalidKey
from actors.base.ids import ulid
from actors.base.signing import SigningKey
from actors.store.auth import (
    ApiKeyEntry,
    AuthSnapshot,
    Principal,
    SignedAuth,
    accept_auth,
    authenticate,
    sign_auth,
)
from actors.store.keys import key_digest, key_text

TEXTS = [key_text(ulid(n, b"0123456789"), bytes([n]) * 32) for n in range(3)]


def entry(text: str, tenant: str = "acme") -> ApiKeyEntry:
    """Make the entry of a key."""
    return ApiKeyEntry(text[3:29], key_digest(text).hex(), tenant, "client", ["strict", "direct"], 1, "ann")


SNAPSHOT = AuthSnapshot(version=4, issued_at=1, keys=[entry(TEXTS[0]), entry(TEXTS[1], "other")])


def test_a_valid_key_is_its_owner() -> None:
    """Each key gives its own tenant and rights."""
    expected = Principal(TEXTS[0][3:29], "acme", "client", frozenset({"strict", "direct"}), 1)
    assert authenticate(SNAPSHOT, TEXTS[0]) == expected
    assert authenticate(SNAPSHOT, TEXTS[1]) == replace(expected, key_id=TEXTS[1][3:29], tenant="other")


@pytest.mark.parametrize(
    "presented",
    [
        None,
        "",
        "garbage",
        TEXTS[2],
        TEXTS[0][:30] + TEXTS[1][30:],
        TEXTS[0][:-1] + "B",
        TEXTS[0].lower(),
        TEXTS[0] + " ",
        "wg_" + "0" * 26 + "_" + "A" * 43,
        "x" * 1_000_000,
    ],
)
def test_anything_else_is_refused_alike(presented: str | None) -> None:
    """A missing, malformed, unknown or mixed key and a wrong secret get the same sentence, without the key in it."""
    with pytest.raises(InvalidKey) as caught:
        authenticate(SNAPSHOT, presented)
    assert str(caught.value) == "the API key is missing, unknown or revoked: send `Authorization: Bearer <key>`"


def test_the_digest_of_nobody_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a text that hashed to the stand-in of unknown ids would not pass."""
    monkeypatch.setattr("actors.store.auth.key_digest", lambda _text: bytes(32))
    with pytest.raises(InvalidKey):
        authenticate(SNAPSHOT, TEXTS[2])


@pytest.mark.parametrize("presented", [TEXTS[0], TEXTS[2], TEXTS[0][:-1] + "B"])
def test_known_and_unknown_ids_do_the_same_work(monkeypatch: pytest.MonkeyPatch, presented: str) -> None:
    """One digest is made and compared in constant time, whether the id is known or not."""
    compared: list[int] = []

    class Counting:
        @staticmethod
        def compare_digest(left: bytes, right: bytes) -> bool:
            compared.append(len(right))
            return hmac.compare_digest(left, right)

    monkeypatch.setattr("actors.store.auth.hmac", Counting)
    with contextlib.suppress(InvalidKey):
        authenticate(SNAPSHOT, presented)
    assert compared == [32]


def test_signed_snapshots_round_trip(policy_key: SigningKey, trust: TrustBundle) -> None:
    """What the policy key signed is accepted as it was."""
    assert accept_auth(canonical_json(sign_auth(SNAPSHOT, policy_key)), trust, 5_000) == SNAPSHOT


def test_forged_snapshots_are_refused(policy_key: SigningKey, trust: TrustBundle) -> None:
    """A stranger's signature, a swapped payload, a signature of another kind, an expired key and garbage are refused."""
    good = sign_auth(SNAPSHOT, policy_key)
    payload = canonical_json(SNAPSHOT)
    more = b64(canonical_json(msgspec.structs.replace(SNAPSHOT, keys=[*SNAPSHOT.keys, entry(TEXTS[2])])))
    for forged, now_s in (
        (sign_auth(SNAPSHOT, SigningKey.generate()), 5_000),
        (SignedAuth(more, good.signature), 5_000),
        (SignedAuth(good.payload, policy_key.sign("application/vnd.weavergen.policy+json", payload)), 5_000),
        (good, 1_000_000),
    ):
        with pytest.raises(IntegrityError) as caught:
            accept_auth(canonical_json(forged), trust, now_s)
        assert caught.value.param == "auth signature"
    with pytest.raises(IntegrityError, match="auth payload"):
        accept_auth(b"garbage", trust, 5_000)


@pytest.mark.parametrize("digest", ["", "00" * 31, "zz" * 32])
def test_entries_without_a_digest_are_refused(policy_key: SigningKey, trust: TrustBundle, digest: str) -> None:
    """A signed snapshot whose entry has no SHA-256 is not accepted."""
    broken = msgspec.structs.replace(SNAPSHOT, keys=[msgspec.structs.replace(entry(TEXTS[0]), sha256=digest)])
    with pytest.raises(IntegrityError, match="digest"):
        accept_auth(canonical_json(sign_auth(broken, policy_key)), trust, 5_000)
