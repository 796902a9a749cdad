"""Which witnesses root certifies: a verifier elsewhere counts those in its copy of ``trust.json``, and is told no keys by hand.

Rules:
- Only root's key adds one. A key that holds another role is refused: whoever has the log's key makes no witness of it. So is
  one that was revoked, and one that a witness of another name has.
- A revoked witness counts no more, for what it signed before either (``checkpoint.witness_keys``). What was revoked is noted
  in the state database: no start believes an older bundle any more.
- ``up`` has those of this machine certified where it finds root's key; where it does not, it says so and goes on.

Left out: what a witness does (``cluster.witness``), making those of this machine (``cluster.local_witnesses``).
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from actors.base.certificates import Revocation, TrustBundle, revoke, revoked_since
from actors.base.errors import HomeError, InvalidRequest, NotFound
from actors.base.signing import PublicKey, SigningKey
from actors.spans.log.checkpoint import origin, witness_keys
from actors.spans.log.note import KeyKind, NoteKey, read_key
from actors.store.adapters.database import Database
from cluster.config import Config
from cluster.home import Home
from cluster.succession import Succession
from cluster.trust import certified_as, changing, load_trust, put_trust, root_key

RENEW_S = 90 * 24 * 3600
"""How long before its certificate ends a witness is certified again."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A witness that root certified."""

    name: str
    key: str
    """Its verifier key."""
    state: Literal["counts", "revoked", "does not count"]
    """The last: its certificate has ended, or its key holds another role as well."""
    until_s: int
    """Unix second at which its certificate ends, or ended when it was revoked."""


def registered(trust: TrustBundle, now_s: int) -> list[Registered]:
    """Return every witness that root ever certified, by its newest certificate. Pure."""
    counts, revoked = {key.text for key in witness_keys(trust, now_s)}, revoked_since(trust)
    found: dict[str, Registered] = {}
    for certificate in (signed.read() for signed in trust.certificates):
        if certificate.role == "witness":
            public = PublicKey(certificate.public_key)
            key, since = NoteKey(certificate.subject, KeyKind.COSIGNATURE, public).text, revoked.get(public.key_id)
            state: Literal["counts", "does not count"] = "counts" if key in counts else "does not count"
            until_s = certificate.not_after if since is None else since
            found[key] = Registered(certificate.subject, key, state if since is None else "revoked", until_s)
    return list(found.values())


class WitnessRegister:
    """Adds and revokes witnesses of one home's log. Needs root's key."""

    def __init__(
        self, home: Home, config: Config, operators: Path, database: Database, clock: Callable[[], float] = time.time
    ) -> None:
        self._home, self._operators, self._clock = home, operators, clock
        self._trust = load_trust(home.trust_file)
        self._chain = Succession(home, config.policy, lambda: self._trust, database, clock)

    def add(self, keys: Sequence[NoteKey]) -> list[NoteKey]:
        """Have root certify witnesses; return those that are new. Raises ``InvalidRequest`` for one that cannot be."""
        with changing(self._home):
            root = self._root()
            self._trust, added = _certified(self._home, self._trust, root, keys, int(self._clock()))
        return added

    def revoke(self, which: str, reason: str) -> list[Registered]:
        """Revoke a witness by name, with every key that it has, or one key; raise ``NotFound`` if there is none to revoke."""
        now_s = int(self._clock())
        with changing(self._home):
            root = self._root()
            gone = [
                each
                for each in registered(self._trust, now_s)
                if which in {each.name, each.key} and each.state != "revoked"
            ]
            if not gone:
                raise NotFound(f"root certifies no witness {which[:128]!r}; see `weavergen witnesses list`")
            revocations = [
                revoke(root, Revocation(_public(each.key).key_id, now_s, reason)) for each in gone
            ]  # fmt: skip
            self._trust = put_trust(self._home, self._trust, revocations=[*self._trust.revocations, *revocations])
            self._chain.require_trust()  # notes the revocations
        return gone

    def _root(self) -> SigningKey:
        self._trust = load_trust(self._home.trust_file)
        self._chain.require_trust()
        return root_key(self._operators, self._trust)


def certify_local(home: Home, operators: Path, keys: Sequence[NoteKey], now_s: int) -> list[str]:
    """Have the witnesses of this machine certified if root's key is on it; return the names of those that do not count."""
    with changing(home):
        trust = load_trust(home.trust_file)
        wanted = [key for key in keys if _reason_against(trust, key) is None]
        try:
            trust, _ = _certified(home, trust, root_key(operators, trust), wanted, now_s) if wanted else (trust, [])
        except HomeError:  # root's key is away, as it should be: whoever has it certifies them
            return _not_counting(trust, keys, now_s)
    return _not_counting(trust, keys, now_s)


def _certified(
    home: Home, trust: TrustBundle, root: SigningKey, keys: Iterable[NoteKey], now_s: int
) -> tuple[TrustBundle, list[NoteKey]]:
    """Certify those that do not count, or not for long any more; return the bundle and which those are."""
    lasting, grown = witness_keys(trust, now_s + RENEW_S), trust
    new = [key for key in dict.fromkeys(keys) if key not in lasting]
    for key in new:
        if reason := _reason_against(grown, key):
            raise InvalidRequest(f"{key.name} cannot be a witness: {reason}", "key")
        certificate = certified_as(root, "witness", key.name, key.public, now_s)
        grown = msgspec.structs.replace(grown, certificates=[*grown.certificates, certificate])
    return put_trust(home, grown) if new else trust, new


def _reason_against(trust: TrustBundle, key: NoteKey) -> str | None:
    """Return why a key cannot be certified as a witness's, ``None`` if it can be."""
    if key.kind is not KeyKind.COSIGNATURE:
        return "its key is not one of a witness (kind 4), as `python -m cluster.witness` prints it"
    if key.public.key_id in revoked_since(trust):
        return "its key was revoked; end it, take its folder's `key` away and start it again: it makes another"
    if key.name == origin(trust):
        return "that is the log's own name"
    if key.public.hex == trust.root:
        return "its key is root's"
    for held in (signed.read() for signed in trust.certificates):
        if held.public_key == key.public.hex and (held.role, held.subject) != ("witness", key.name):
            return f"its key is certified as {held.role} {held.subject}; a witness has one of its own"
    return None


def _not_counting(trust: TrustBundle, keys: Iterable[NoteKey], now_s: int) -> list[str]:
    counts = witness_keys(trust, now_s)
    return [key.name for key in keys if key not in counts]


def _public(key: str) -> PublicKey:
    return read_key(key).public
