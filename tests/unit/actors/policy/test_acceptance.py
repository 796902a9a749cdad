"""Acceptance of snapshots, by attack."""

from typing import Any

import msgspec
import pytest

from actors.base.canonical import b64, canonical_json
from actors.base.certificates import Revocation, TrustBundle, certify, revoke
from actors.base.errors import IntegrityError
from actors.base.signing import Signature, SigningKey
from actors.policy.acceptance import accept
from actors.policy.snapshot import PolicySnapshot, SignedSnapshot, WeightsRef, sign_snapshot
from actors.policy.transitions import halted, isolated, resumed, successor

Realm = Any
AT_MS = 1_800_000_000_000


def refused(
    step: str, current: PolicySnapshot | None, signed: SignedSnapshot, trust: TrustBundle, now_s: int, floor: int = 0
) -> None:
    """Expect a refusal that names ``step``."""
    with pytest.raises(IntegrityError) as caught:
        accept(current, signed, trust, now_s, floor)
    assert caught.value.param == step
    assert str(caught.value).startswith(step)


def test_the_first_snapshot_is_an_operators(realm: Realm, base: PolicySnapshot, now_s: int) -> None:
    """An operator's first snapshot comes into force; the policy key's does not."""
    assert accept(None, sign_snapshot(base, realm.operator), realm.trust, now_s) == base
    refused("policy anchor", None, sign_snapshot(base, realm.policy), realm.trust, now_s)


def test_a_machine_halts(realm: Realm, base: PolicySnapshot, now_s: int) -> None:
    """The policy key alone may halt."""
    stopped = halted(base, "r", "b", AT_MS)
    assert accept(base, sign_snapshot(stopped, realm.policy), realm.trust, now_s).halt.on


def test_a_machine_cannot_resume(realm: Realm, base: PolicySnapshot, now_s: int) -> None:
    """Resuming is a loosening: the policy key alone is refused, an operator, alone or beside it, is not."""
    stopped = halted(base, "r", "b", AT_MS)
    going = resumed(stopped, "r", "b", AT_MS)
    refused("policy loosening", stopped, sign_snapshot(going, realm.policy), realm.trust, now_s)
    for keys in ([realm.operator], [realm.policy, realm.operator]):
        assert accept(stopped, sign_snapshot(going, *keys), realm.trust, now_s) == going


def test_a_loosening_beside_a_tightening(realm: Realm, base: PolicySnapshot, now_s: int) -> None:
    """Halting and swapping the weights in one step is no tightening."""
    mixed = msgspec.structs.replace(halted(base, "r", "b", AT_MS), weights=WeightsRef("cd" * 32))
    refused("policy loosening", base, sign_snapshot(mixed, realm.policy), realm.trust, now_s)


@pytest.mark.parametrize("back", [0, 1])
def test_rollback(realm: Realm, base: PolicySnapshot, now_s: int, back: int) -> None:
    """A lower version, or another one of the same version, is refused even from an operator."""
    second = halted(base, "r", "b", AT_MS)
    third = isolated(second, "a", AT_MS)
    older = msgspec.structs.replace(second, version=third.version - back)
    refused("policy rollback", third, sign_snapshot(older, realm.operator), realm.trust, now_s)


def test_rollback_below_the_high_water_mark(realm: Realm, base: PolicySnapshot, now_s: int) -> None:
    """A process that starts refuses what is older than the highest version ever seen."""
    signed = sign_snapshot(base, realm.operator)
    assert accept(None, signed, realm.trust, now_s, floor=1) == base
    refused("policy rollback", None, signed, realm.trust, now_s, floor=2)


def test_a_gap(realm: Realm, base: PolicySnapshot, now_s: int) -> None:
    """A version that skips one is refused."""
    skipping = isolated(halted(base, "r", "b", AT_MS), "a", AT_MS)
    refused("policy gap", base, sign_snapshot(skipping, realm.operator), realm.trust, now_s)


def test_a_fork(realm: Realm, base: PolicySnapshot, now_s: int) -> None:
    """The next version of another predecessor is refused, even from an operator."""
    other = successor(msgspec.structs.replace(base, screening_version="other"), AT_MS)
    refused("policy chain", base, sign_snapshot(other, realm.operator), realm.trust, now_s)


def test_senseless_content(realm: Realm, base: PolicySnapshot, now_s: int) -> None:
    """An operator's signature does not make a snapshot without layers sensible."""
    empty = successor(base, AT_MS, layers=[])
    refused("policy content", base, sign_snapshot(empty, realm.operator), realm.trust, now_s)


@pytest.mark.parametrize("key", ["stranger", "root"])
def test_keys_without_the_role(realm: Realm, base: PolicySnapshot, now_s: int, key: str) -> None:
    """A stranger's signature counts for nothing, and so does root's: it certifies, it does not decide."""
    signer: SigningKey = getattr(realm, key)
    refused("policy signature", None, sign_snapshot(base, signer), realm.trust, now_s)


def test_no_signature(realm: Realm, base: PolicySnapshot, now_s: int) -> None:
    """An unsigned snapshot is refused."""
    refused("policy signature", None, sign_snapshot(base), realm.trust, now_s)


def test_a_swapped_payload(realm: Realm, base: PolicySnapshot, now_s: int) -> None:
    """An operator's signature over another snapshot is refused."""
    good = sign_snapshot(base, realm.operator)
    forged = SignedSnapshot(b64(canonical_json(msgspec.structs.replace(base, issued_at=1))), good.signatures)
    refused("policy signature", None, forged, realm.trust, now_s)


def test_a_bad_signature_beside_a_good_one(realm: Realm, base: PolicySnapshot, now_s: int) -> None:
    """A trusted key's broken signature is an alarm, whatever stands beside it."""
    good = sign_snapshot(base, realm.operator)
    broken = Signature("ed25519", realm.policy.public.key_id, good.signatures[0].sig)
    refused("policy signature", None, SignedSnapshot(good.payload, [*good.signatures, broken]), realm.trust, now_s)


def test_a_strangers_signature_beside_an_operators(realm: Realm, base: PolicySnapshot, now_s: int) -> None:
    """Signatures by unknown keys neither help nor harm."""
    assert accept(None, sign_snapshot(base, realm.stranger, realm.operator), realm.trust, now_s) == base


def test_a_signature_of_another_kind(realm: Realm, base: PolicySnapshot, now_s: int) -> None:
    """A signature over the same bytes under another type is refused."""
    payload = canonical_json(base)
    signature = realm.operator.sign("application/vnd.weavergen.decision+json", payload)
    refused("policy signature", None, SignedSnapshot(b64(payload), [signature]), realm.trust, now_s)


def test_too_many_signatures(realm: Realm, base: PolicySnapshot, now_s: int) -> None:
    """Work per snapshot is bounded."""
    refused("policy payload", None, sign_snapshot(base, *[realm.operator] * 9), realm.trust, now_s)


@pytest.mark.parametrize("at_s", [999, 1_000_000])
def test_keys_outside_their_time(realm: Realm, base: PolicySnapshot, at_s: int) -> None:
    """An operator's certificate that is not valid now signs nothing, whatever time the snapshot bears."""
    refused("policy signature", None, sign_snapshot(base, realm.operator), realm.trust, at_s)


def test_a_revoked_operator(realm: Realm, base: PolicySnapshot, now_s: int) -> None:
    """A revoked operator signs nothing from the revocation on."""
    revocation = revoke(realm.root, Revocation(realm.operator.public.key_id, now_s, "stolen"))
    trust = msgspec.structs.replace(realm.trust, revocations=[revocation])
    signed = sign_snapshot(base, realm.operator)
    assert accept(None, signed, trust, now_s - 1) == base
    refused("policy signature", None, signed, trust, now_s)


def test_a_self_made_operator(realm: Realm, base: PolicySnapshot, now_s: int) -> None:
    """A trust bundle with a certificate that root did not sign is not believed."""
    forged = certify(realm.stranger, realm.certificate("operator", realm.stranger))
    trust = msgspec.structs.replace(realm.trust, certificates=[*realm.trust.certificates, forged])
    with pytest.raises(IntegrityError):
        accept(None, sign_snapshot(base, realm.stranger), trust, now_s)
