"""Reading the policy in force at a start, by attack."""

from typing import Any

import msgspec
import pytest

from actors.base.canonical import canonical_json
from actors.base.certificates import Revocation, TrustBundle, revoke
from actors.base.errors import IntegrityError
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.adapters.loading import load
from actors.policy.snapshot import PolicySnapshot, SignedSnapshot, sign_snapshot
from actors.policy.transitions import halted, isolated, successor

Realm = Any
AT_MS = 1_800_000_000_000
MAX_CHAIN = 10


def chain_of(realm: Realm, base: PolicySnapshot) -> list[SignedSnapshot]:
    """Make an operator's first snapshot and two tightenings by the policy key."""
    second = isolated(base, "a", AT_MS)
    third = halted(second, "r", "b", AT_MS)
    signed = [sign_snapshot(second, realm.policy), sign_snapshot(third, realm.policy)]
    return [sign_snapshot(base, realm.operator), *signed]


def loaded(
    directory: SnapshotDirectory, chain: list[SignedSnapshot], trust: TrustBundle, now_s: int, floor: int = 0
) -> PolicySnapshot:
    """Put a chain on disk and read what is in force."""
    for signed in chain:
        directory.publish(signed.read().version, canonical_json(signed))
    return load(directory, trust, now_s, floor, MAX_CHAIN)[0]


def test_a_chain_at_a_start(directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot, now_s: int) -> None:
    """From the last operator's snapshot on, tightenings are believed one after another."""
    newest = loaded(directory, chain_of(realm, base), realm.trust, now_s, floor=3)
    assert (newest.version, newest.halt.on, newest.isolated("a")) == (3, True, True)


@pytest.mark.parametrize(
    ("kept", "floor", "step"),
    [((1, 2), 0, "policy gap"), ((0, 2), 0, "policy gap"), ((0, 1), 3, "policy rollback")],
    ids=["no operator's", "a hole", "below the floor"],
)
def test_broken_chains(
    directory: SnapshotDirectory,
    realm: Realm,
    base: PolicySnapshot,
    now_s: int,
    kept: tuple[int, ...],
    floor: int,
    step: str,
) -> None:
    """A chain without its operator's beginning, one with a hole and one below the floor are refused by name."""
    chain = chain_of(realm, base)
    with pytest.raises(IntegrityError) as caught:
        loaded(directory, [chain[index] for index in kept], realm.trust, now_s, floor)
    assert caught.value.param == step


def test_a_retired_policy_key_needs_an_operator_again(
    directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot, now_s: int
) -> None:
    """Tightenings by a policy key that was revoked since are not believed at a start until an operator signs anew."""
    revocation = revoke(realm.root, Revocation(realm.policy.public.key_id, now_s, "replaced"))
    trust = msgspec.structs.replace(realm.trust, revocations=[revocation])
    chain = chain_of(realm, base)
    with pytest.raises(IntegrityError, match="policy signature"):
        loaded(directory, chain, trust, now_s)
    again = sign_snapshot(successor(chain[-1].read(), AT_MS), realm.operator)
    assert loaded(directory, [again], trust, now_s, floor=3).halt.on
