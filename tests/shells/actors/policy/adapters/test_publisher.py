"""Publishing transitions."""

from typing import Any

import pytest

from actors.base.errors import InvalidRequest, OperatorSignatureRequired, VersionConflict
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.adapters.publisher import PolicyPublisher
from actors.policy.snapshot import PolicySnapshot, sign_snapshot
from actors.policy.transitions import halted, isolated, resumed, successor

Realm = Any
Clock = Any
AT_MS = 1_800_000_000_000


@pytest.fixture
def publisher(directory: SnapshotDirectory, realm: Realm, clock: Clock, base: PolicySnapshot) -> PolicyPublisher:
    """Return a publisher to a directory that holds an operator's first snapshot."""
    publisher = PolicyPublisher(directory, lambda: realm.trust, clock)
    assert publisher.publish(None, sign_snapshot(base, realm.operator)) == base
    return publisher


def test_a_halt_is_published(
    publisher: PolicyPublisher, directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot
) -> None:
    """A tightening by the policy key reaches the directory."""
    assert publisher.publish(base, sign_snapshot(halted(base, "r", "b", AT_MS), realm.policy)).halt.on
    assert directory.versions() == [1, 2]


def test_loosening_needs_an_operator(
    publisher: PolicyPublisher, directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot
) -> None:
    """A resumption by the policy key is refused before it reaches the directory; an operator's is published."""
    stopped = publisher.publish(base, sign_snapshot(halted(base, "r", "b", AT_MS), realm.policy))
    going = resumed(stopped, "r", "b", AT_MS)
    with pytest.raises(OperatorSignatureRequired):
        publisher.publish(stopped, sign_snapshot(going, realm.policy))
    assert directory.versions() == [1, 2]
    assert publisher.publish(stopped, sign_snapshot(going, realm.operator)) == going


def test_the_first_snapshot_needs_an_operator(
    directory: SnapshotDirectory, realm: Realm, clock: Clock, base: PolicySnapshot
) -> None:
    """The policy key cannot begin a chain."""
    with pytest.raises(OperatorSignatureRequired):
        PolicyPublisher(directory, lambda: realm.trust, clock).publish(None, sign_snapshot(base, realm.policy))


def test_the_first_of_two_stands(publisher: PolicyPublisher, realm: Realm, base: PolicySnapshot) -> None:
    """Two transitions of one version: the second is a conflict, and so is one on an outdated version."""
    second = publisher.publish(base, sign_snapshot(halted(base, "r", "b", AT_MS), realm.policy))
    late = sign_snapshot(isolated(base, "a", AT_MS), realm.policy)
    with pytest.raises(VersionConflict, match="published by somebody else"):
        publisher.publish(base, late)
    with pytest.raises(VersionConflict):
        publisher.publish(second, late)


def test_nonsense_is_the_callers_error(publisher: PolicyPublisher, realm: Realm, base: PolicySnapshot) -> None:
    """A transition with a stranger's signature or senseless content is an invalid request."""
    for signed in (
        sign_snapshot(halted(base, "r", "b", AT_MS), realm.stranger),
        sign_snapshot(successor(base, AT_MS, layers=[]), realm.operator),
    ):
        with pytest.raises(InvalidRequest) as caught:
            publisher.publish(base, signed)
        assert caught.value.param == "transition"


@pytest.mark.parametrize("content", [b"garbage", b"x" * 30_000])
def test_garbage_does_not_stop_a_halt(
    publisher: PolicyPublisher, directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot, content: bytes
) -> None:
    """A refused file that holds the next version's place is set aside, kept, and replaced by the halt."""
    directory.path.joinpath("000000000002.json").write_bytes(content)
    publisher.publish(base, sign_snapshot(halted(base, "r", "b", AT_MS), realm.policy))
    assert b"signatures" in directory.read(2)
    assert [path.read_bytes() for path in directory.path.glob("*.refused-*")] == [content]
