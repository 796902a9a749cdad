"""The AuthSnapshot: every valid API key's digest, tenant and rights, signed, so that a replica needs no database.

Rules:
- The policy key signs it (DSSE over canonical bytes); versions only rise. A revoked key is simply not in it.
- ``authenticate`` looks a key up by its id and compares digests in constant time; an unknown id does the same work.
- What is wrong with a key (shape, unknown, revoked, other secret) is not told: one message for all.

Left out: making and revoking keys (adapters), and which role may call what (the gateway).
"""

import hmac
from dataclasses import dataclass
from typing import Literal, Self

import msgspec

from actors.base.canonical import b64, canonical_json, decode, unb64
from actors.base.certificates import TrustBundle, role_keys
from actors.base.errors import IntegrityError, InvalidKey
from actors.base.signing import Signature, SigningKey
from actors.policy.snapshot import PolicyName
from actors.store.keys import key_digest, key_id_of

AUTH_TYPE = "application/vnd.weavergen.auth+json"
SIGNATURE = "auth signature"
PAYLOAD = "auth payload"

Role = Literal["client", "operator", "auditor", "writer"]


class ApiKeyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One valid key; ``sha256`` is over its whole text, in hex."""

    id: str
    sha256: str
    tenant: str
    role: Role
    policies: list[PolicyName]
    tier: int
    owner: str


class AuthSnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every valid key as of one moment."""

    version: int
    issued_at: int
    """Unix milliseconds."""
    keys: list[ApiKeyEntry]
    """By id."""


class SignedAuth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """DSSE envelope of an AuthSnapshot (payload: strict base64 of its canonical bytes)."""

    payload: str
    signature: Signature


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking, and what they hold."""

    key_id: str
    tenant: str
    role: Role
    policies: frozenset[PolicyName]
    tier: int


def sign_auth(snapshot: AuthSnapshot, policy_key: SigningKey) -> SignedAuth:
    """Sign a snapshot with the policy key."""
    payload = canonical_json(snapshot)
    return SignedAuth(payload=b64(payload), signature=policy_key.sign(AUTH_TYPE, payload))


def accept_auth(data: bytes, trust: TrustBundle, now_s: int) -> AuthSnapshot:
    """Return the snapshot in a file if a policy key that is valid now signed it; else raise ``IntegrityError``."""
    signed = decode(data, SignedAuth, PAYLOAD)
    key = role_keys(trust, "policy", now_s).get(signed.signature.key_id)
    if key is None:
        raise IntegrityError(f"{SIGNATURE}: signed by no policy key that is trusted now", SIGNATURE)
    payload = unb64(signed.payload, PAYLOAD)
    key.verify(AUTH_TYPE, payload, signed.signature, SIGNATURE)
    snapshot = decode(payload, AuthSnapshot, PAYLOAD)
    for entry in snapshot.keys:
        _digest(entry)
    return snapshot


class AuthView:
    """An AuthSnapshot indexed for look-ups (a few µs each)."""

    __slots__ = ("_by_id", "version")

    def __init__(self, snapshot: AuthSnapshot) -> None:
        self.version = snapshot.version
        self._by_id = {entry.id: (_digest(entry), _principal(entry)) for entry in snapshot.keys}

    def authenticate(self, presented: str | None) -> Principal:
        """Return whose key was presented; raise ``InvalidKey`` for anything but a valid one."""
        text = presented or ""
        key_id = key_id_of(text)
        if key_id is not None:
            expected, principal = self._by_id.get(key_id, _NOBODY)
            if hmac.compare_digest(key_digest(text), expected) and principal is not None:
                return principal
        raise InvalidKey("the API key is missing, unknown or revoked: send `Authorization: Bearer <key>`")

    def at(self, now_s: float, *, confirmed: bool) -> Self:  # noqa: ARG002 - keys do not go stale: serving goes on
        """Return itself: keys known so far stay valid while the source cannot be read."""
        return self


def authenticate(snapshot: AuthSnapshot, presented: str | None) -> Principal:
    """Return whose key was presented, once; a server keeps an ``AuthView``."""
    return AuthView(snapshot).authenticate(presented)


_NOBODY: tuple[bytes, Principal | None] = (bytes(32), None)


def _digest(entry: ApiKeyEntry) -> bytes:
    try:
        digest = bytes.fromhex(entry.sha256)
    except ValueError as error:
        raise IntegrityError(f"{PAYLOAD}: key {entry.id} has no digest", PAYLOAD) from error
    if len(digest) != 32:
        raise IntegrityError(f"{PAYLOAD}: key {entry.id} has a digest of {len(digest)} bytes", PAYLOAD)
    return digest


def _principal(entry: ApiKeyEntry) -> Principal:
    return Principal(entry.id, entry.tenant, entry.role, frozenset(entry.policies), entry.tier)
