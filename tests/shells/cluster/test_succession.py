"""What the next version may be built on, by attack and by loss."""

from pathlib import Path

import msgspec
import pytest

from actors.base.canonical import canonical_json
from actors.base.errors import HomeError, InvalidRequest, NotFound
from actors.base.signing import SigningKey
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.adapters.watcher import PolicyWatcher
from actors.policy.config import PolicyConfig
from actors.policy.snapshot import PolicySnapshot, sign_snapshot
from actors.policy.transitions import halted, isolated
from cluster.trust import load_trust, operator_key
from tests.shells.cluster.governed import Governed, config_of, governed


@pytest.fixture
def system(tmp_path: Path) -> Governed:
    """Return a home with a first policy."""
    made = governed(tmp_path)
    made.up(config_of("a", "b", quorum=0.6))
    return made


def halt(current: PolicySnapshot, now_ms: int) -> PolicySnapshot:
    """Halt."""
    return halted(current, "why", "me", now_ms)


def replace(system: Governed, snapshot: PolicySnapshot, key: SigningKey) -> None:
    """Put another envelope where a version lies."""
    file = system.file(snapshot.version)
    file.unlink(missing_ok=True)
    file.write_bytes(canonical_json(sign_snapshot(snapshot, key)))


def with_quorum(snapshot: PolicySnapshot, quorum: str) -> PolicySnapshot:
    """Return the same version with another quorum."""
    return msgspec.structs.replace(snapshot, layers=[msgspec.structs.replace(snapshot.layers[0], quorum=quorum)])


@pytest.mark.parametrize("operator", [False, True])
def test_a_forged_earlier_version_is_not_brought_back(system: Governed, operator: bool) -> None:
    """Whoever signed it, a file that the chain of digests does not lead to is an incident and no content to sign."""
    first = system.succession.in_force()
    current = system.tighten(isolated, "a")
    key = operator_key(system.operators) if operator else SigningKey.generate()
    replace(system, with_quorum(first, "0.000001"), key)
    with pytest.raises(HomeError, match="not what was in force"):
        system.succession.earlier(current, 1)
    assert system.incidents == ["policy chain"]


def test_an_earlier_version_is_what_was_in_force(system: Governed) -> None:
    """The content comes back as it was, also when the key that signed it is trusted no more."""
    first = system.succession.in_force()
    system.tighten(isolated, "a")
    current = system.tighten(halt)
    replace(system, first, SigningKey.generate())  # the digest is over the content: the envelope vouches for nothing
    assert system.succession.earlier(current, 1) == first
    with pytest.raises(NotFound, match="no policy version 3 before"):
        system.succession.earlier(current, 3)


def test_a_missing_version_in_between_breaks_the_proof(system: Governed) -> None:
    """Without an unbroken chain nothing proves the older file."""
    system.tighten(isolated, "a")
    current = system.tighten(halt)
    system.file(2).unlink()
    with pytest.raises(HomeError, match="version 2 is missing") as caught:
        system.succession.earlier(current, 1)
    assert "recover" not in str(caught.value)  # what is in force is whole
    assert system.incidents == []


def test_another_snapshot_of_the_noted_version_is_refused(system: Governed) -> None:
    """A version that was noted is that one alone, even if an operator signs another in its place."""
    replace(system, with_quorum(system.succession.in_force(), "0.500000"), operator_key(system.operators))
    with pytest.raises(HomeError, match="not the one that was in force"):
        system.succession.current()
    assert system.incidents == ["policy history"]


def test_an_emptied_directory_is_not_a_first_bring_up(system: Governed) -> None:
    """Where versions were noted, an empty directory is a loss, not a beginning."""
    system.file(1).unlink()
    with pytest.raises(HomeError, match="is empty and version 1 was in force"):
        system.succession.current()
    with pytest.raises(HomeError, match="backup"):
        system.succession.recover("lost", "ann", operator_key(system.operators))


def test_a_version_that_was_never_noted_is_noted_when_found(system: Governed) -> None:
    """A halt made while the database was away raises the mark at the next look, so that its removal shows."""
    system.tighten(halt, note=False)
    assert system.succession.in_force().halt.on
    system.file(2).unlink()
    with pytest.raises(HomeError, match="after version 2 was seen"):
        system.succession.current()


def test_recovery_goes_on_above_what_was_lost_and_halts(system: Governed) -> None:
    """The new version is above every noted one and believed by running and starting replicas alike."""
    system.tighten(isolated, "a")
    system.tighten(halt)
    running = watcher(system)
    for version in (2, 3):
        system.file(version).unlink()
    made, lost = system.succession.recover("disk", "ann", operator_key(system.operators))
    assert (made.version, made.halt.on, [change.version for change in lost]) == (4, True, [3, 2])
    assert made == system.succession.current()
    running.poll_once()
    for item in (running, watcher(system)):
        assert item.current is not None
        assert item.current.snapshot == made


def test_versions_before_a_recovery_are_reached_through_it(system: Governed) -> None:
    """The chain leads from what was recovered to what it went on with; what was lost is said, and is no incident."""
    first = system.succession.in_force()
    kept = system.tighten(isolated, "a")
    system.tighten(halt)
    system.file(3).unlink()
    made, _ = system.succession.recover("disk", "ann", operator_key(system.operators))
    for current in (made, system.tighten(isolated, "b")):
        assert [system.succession.earlier(current, version) for version in (1, 2)] == [first, kept]
        with pytest.raises(NotFound, match="version 3 was lost"):
            system.succession.earlier(current, 3)
    system.file(5).unlink()
    again, _ = system.succession.recover("again", "ann", operator_key(system.operators))
    assert [system.succession.earlier(again, version) for version in (1, 2, 4)] == [first, kept, made]
    assert system.incidents == []


@pytest.mark.parametrize("noted", [False, True])
def test_another_file_than_recovery_went_on_with_is_not_brought_back(system: Governed, noted: bool) -> None:
    """Neither other content nor another halt than was noted takes the place of the version that was kept."""
    first = system.succession.in_force()
    system.tighten(halt)
    system.file(2).unlink()
    made, _ = system.succession.recover("disk", "ann", operator_key(system.operators))
    other = with_quorum(first, "0.000001") if noted else halt(first, 0)
    replace(system, msgspec.structs.replace(other, version=1), operator_key(system.operators))
    with pytest.raises(HomeError, match="not what `recover` went on with"):
        system.succession.earlier(made, 1)
    assert system.incidents == ["policy chain"]


def test_recovery_sets_garbage_aside(system: Governed) -> None:
    """A file that nobody believes does not hold a version's place."""
    system.file(2).write_bytes(b"garbage")
    with pytest.raises(HomeError):
        system.succession.current()
    made, lost = system.succession.recover("garbage", "ann", operator_key(system.operators))
    assert (made.version, lost, system.versions) == (2, [], [1, 2])


def test_nothing_is_recovered_from_a_whole_chain(system: Governed) -> None:
    """Recovery is no way round a transition."""
    with pytest.raises(InvalidRequest, match="whole"):
        system.succession.recover("why not", "ann", operator_key(system.operators))


class Silent:
    """An incident sink."""

    def open(self, *_: object) -> None:
        """Forget."""


def watcher(system: Governed) -> PolicyWatcher:
    """Return a replica's watcher after its first poll."""
    made = PolicyWatcher(
        SnapshotDirectory(system.home.policy),
        lambda: load_trust(system.home.trust_file),
        Silent(),
        PolicyConfig(),
        system.succession.history.high_water(),
        system.clock,
        lambda: 0.0,
    )
    made.poll_once()
    return made
