"""The policy snapshot's codec."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.base.canonical import b64, canonical_json, decode
from actors.base.digests import sha256_hex
from actors.base.errors import IntegrityError
from actors.policy.snapshot import (
    GENESIS,
    SNAPSHOT_TYPE,
    Calibration,
    Epochs,
    Halt,
    LayerRule,
    PolicySnapshot,
    SignedSnapshot,
    WeightsRef,
    sign_snapshot,
)

Realm = Any
names = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=8)
counters = st.dictionaries(names, st.integers(0, 9), max_size=3)
snapshots = st.builds(
    PolicySnapshot,
    version=st.integers(1, 2**40),
    issued_at=st.integers(0, 2**45),
    prev_sha256=st.just(GENESIS),
    layers=st.lists(
        st.builds(
            LayerRule,
            name=names,
            members=st.lists(names, max_size=3),
            quorum=st.just("0.6"),
            min_lineages=st.integers(1, 3),
            min_n_eff=st.just("1.0"),
            time_share=st.just("1.0"),
        ),
        max_size=3,
    ),
    voter_state=st.dictionaries(names, st.sampled_from(["active", "isolated"]), max_size=3),
    weights=st.just(WeightsRef("ab" * 32)),
    thresholds=st.dictionaries(names, st.just("0.5"), max_size=2),
    halt=st.builds(Halt, on=st.booleans(), reason=names, by=names),
    screening_version=names,
    invalidation_epochs=st.builds(Epochs, voter=counters, rule=counters, tenant=counters),
    learning_frozen=st.booleans(),
    calibration=st.dictionaries(
        st.sampled_from(["strict", "evidence"]), st.builds(Calibration, st.just("0.05"), names)
    ),
)


@given(snapshots)
def test_signed_snapshots_round_trip(snapshot: PolicySnapshot) -> None:
    """A snapshot survives signing, writing and reading, and its digest is that of the signed bytes."""
    signed = decode(canonical_json(sign_snapshot(snapshot)), SignedSnapshot, "signed")
    assert signed.read() == snapshot
    assert sha256_hex(signed.payload_bytes) == snapshot.sha256


def test_every_key_signs(realm: Realm, base: PolicySnapshot) -> None:
    """Each given key's signature is there and holds over the payload under the snapshot's type."""
    signed = sign_snapshot(base, realm.policy, realm.operator)
    for key, signature in zip((realm.policy, realm.operator), signed.signatures, strict=True):
        assert signature == key.sign(SNAPSHOT_TYPE, canonical_json(base))


def test_a_payload_of_another_form_is_refused(base: PolicySnapshot) -> None:
    """White space, and a field too many, make a payload that cannot be read."""
    for payload in (b" " + canonical_json(base), canonical_json(base)[:-1] + b',"zz":1}'):
        with pytest.raises(IntegrityError, match="policy snapshot"):
            SignedSnapshot(b64(payload), []).read()


def test_a_snapshot_that_states_no_error_has_the_bytes_it_had(base: PolicySnapshot) -> None:
    """Snapshots from before errors were stated keep their digest: it is in their successors and in records."""
    assert b"calibration" not in canonical_json(base)
    assert decode(canonical_json(base), PolicySnapshot, "snapshot") == base


def test_who_is_isolated(change: Callable[..., PolicySnapshot]) -> None:
    """Only a voter that is named active counts."""
    snapshot = change(voter_state={"a": "active", "b": "isolated"})
    assert [snapshot.isolated(voter) for voter in ("a", "b", "stranger")] == [False, True, True]
