"""Which signed snapshot may come into force after which.

Rules, in the order they are checked; each refusal is an ``IntegrityError`` whose ``param`` is the rule's name:
1. ``policy payload``: at most ``MAX_SIGNATURES`` signatures over canonical bytes of a snapshot.
2. ``policy signature``: every signature by an operator's or the policy key checks, and there is one. Keys must be
   certified, unrevoked and within their time *now*, so a key that has run out or was stolen and revoked signs nothing,
   whatever date it writes; after replacing keys an operator signs the policy in force once more. Signatures by keys
   nobody here knows count for nothing (DSSE).
3. ``policy rollback``: the version is above the one in force and not below ``floor``, the highest ever seen.
4. ``policy gap``: it is exactly the next version.
5. ``policy chain``: it names the digest of the one in force.
6. ``policy content``: it makes sense (``wellformed``).
7. ``policy loosening``: an operator signed it, or it is a tightening (``tightening``).

With nothing in force (a process that starts), an operator's signature vouches for a snapshot's whole content, so a
chain is believed from the last snapshot an operator signed and no further back; ``policy anchor`` names its absence.

Left out: where snapshots come from and how far back they are read (adapters).
"""

from dataclasses import dataclass

from actors.base.certificates import TrustBundle, role_keys
from actors.base.errors import IntegrityError
from actors.base.signing import PublicKey
from actors.policy.snapshot import SNAPSHOT_TYPE, PolicySnapshot, SignedSnapshot
from actors.policy.tightening import is_tighter
from actors.policy.wellformed import check_content

MAX_SIGNATURES = 8

PAYLOAD = "policy payload"
SIGNATURE = "policy signature"
ROLLBACK = "policy rollback"
GAP = "policy gap"
CHAIN = "policy chain"
LOOSENING = "policy loosening"
ANCHOR = "policy anchor"


@dataclass(frozen=True, slots=True)
class Signers:
    """Whose word counts at one moment: key id → key."""

    operators: dict[str, PublicKey]
    policy: dict[str, PublicKey]


@dataclass(frozen=True, slots=True)
class Vouched:
    """A snapshot whose signatures checked, before its place in the succession is looked at."""

    snapshot: PolicySnapshot
    by_operator: bool


def signers(trust: TrustBundle, now_s: int) -> Signers:
    """Return the keys whose word counts at ``now_s`` (Unix seconds)."""
    return Signers(role_keys(trust, "operator", now_s), role_keys(trust, "policy", now_s))


def vouch(signed: SignedSnapshot, keys: Signers) -> Vouched:
    """Check rules 1 and 2; return the snapshot and whether an operator signed it."""
    if len(signed.signatures) > MAX_SIGNATURES:
        raise IntegrityError(f"{PAYLOAD}: more than {MAX_SIGNATURES} signatures", PAYLOAD)
    payload, snapshot = signed.payload_bytes, signed.read()
    known = keys.policy | keys.operators
    found = [signature for signature in signed.signatures if signature.key_id in known]
    if not found:
        raise IntegrityError(f"{SIGNATURE}: version {snapshot.version} is signed by nobody trusted now", SIGNATURE)
    for signature in found:
        known[signature.key_id].verify(SNAPSHOT_TYPE, payload, signature, SIGNATURE)
    return Vouched(snapshot, any(signature.key_id in keys.operators for signature in found))


def accept(
    current: PolicySnapshot | None, signed: SignedSnapshot, trust: TrustBundle, now_s: int, floor: int = 0
) -> PolicySnapshot:
    """Return the snapshot if it may come into force after ``current`` (``None``: nothing is); else raise."""
    return follow(current, vouch(signed, signers(trust, now_s)), floor)


def follow(current: PolicySnapshot | None, vouched: Vouched, floor: int = 0) -> PolicySnapshot:
    """Check rules 3 to 7 for a snapshot whose signatures are checked."""
    new = vouched.snapshot
    in_force = current.version if current is not None else 0
    if new.version <= in_force or new.version < floor:
        seen = max(in_force, floor)
        raise IntegrityError(f"{ROLLBACK}: version {new.version} comes after version {seen} was seen", ROLLBACK)
    if current is not None and new.version != in_force + 1:
        raise IntegrityError(f"{GAP}: version {new.version} does not follow version {in_force}", GAP)
    if current is not None and new.prev_sha256 != current.sha256:
        raise IntegrityError(f"{CHAIN}: version {new.version} does not name version {in_force} by digest", CHAIN)
    check_content(new)
    if vouched.by_operator:
        return new
    if current is None:
        raise IntegrityError(f"{ANCHOR}: version {new.version} is not signed by an operator", ANCHOR)
    if not is_tighter(current, new):
        raise IntegrityError(f"{LOOSENING}: version {new.version} loosens policy and no operator signed it", LOOSENING)
    return new
