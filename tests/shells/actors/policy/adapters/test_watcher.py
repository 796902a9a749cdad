"""Following the policy in force, by attack and by fault."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import msgspec
import pytest

from actors.base.canonical import canonical_json
from actors.base.errors import StorageUnavailable
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.adapters.polling import FULL_EVERY
from actors.policy.adapters.watcher import PolicyWatcher
from actors.policy.config import PolicyConfig
from actors.policy.snapshot import PolicySnapshot, SignedSnapshot, sign_snapshot
from actors.policy.transitions import halted, isolated, resumed, successor

Realm = Any
Incidents = Any
Clock = Any
AT_MS = 1_800_000_000_000
MakeWatcher = Callable[..., PolicyWatcher]


@pytest.fixture
def make(
    directory: SnapshotDirectory, realm: Realm, incidents: Incidents, clock: Clock, monotonic: Clock
) -> MakeWatcher:
    """Return a maker of watchers under the test's clocks."""

    def watcher(floor: int = 0, **config: object) -> PolicyWatcher:
        settings = PolicyConfig.model_validate({"poll_ms": 10, "policy_max_stale_s": 60} | config)
        return PolicyWatcher(directory, lambda: realm.trust, incidents, settings, floor, clock, monotonic)

    return watcher


def publish(directory: SnapshotDirectory, signed: SignedSnapshot, version: int | None = None) -> None:
    """Put a signed snapshot on disk unchecked."""
    directory.publish(version or signed.read().version, canonical_json(signed))


@pytest.fixture
def running(directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot, make: MakeWatcher) -> PolicyWatcher:
    """Return a watcher that follows an operator's first snapshot."""
    publish(directory, sign_snapshot(base, realm.operator))
    watcher = make()
    watcher.poll_once()
    assert watcher.version == 1
    return watcher


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition of another thread, at most ten seconds."""
    pause = Event()
    for _ in range(2000):
        if condition():
            return
        pause.wait(0.005)
    pytest.fail("the condition never held")


def test_nothing_on_disk_is_not_ready(make: MakeWatcher, incidents: Incidents) -> None:
    """Without a snapshot nothing is in force, and that is reported once."""
    watcher = make()
    watcher.poll_once()
    watcher.poll_once()
    assert watcher.current is None
    assert incidents.steps == ["policy_unreadable"]


def test_ready_as_soon_as_there_is_one(
    make: MakeWatcher, directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot
) -> None:
    """A snapshot that appears later is in force at the next poll, with its digest."""
    watcher = make()
    watcher.poll_once()
    publish(directory, sign_snapshot(base, realm.operator))
    watcher.poll_once()
    assert watcher.current is not None
    assert (watcher.current.snapshot, watcher.current.sha256) == (base, base.sha256)


@pytest.mark.parametrize("content", [b"", b"garbage", b"{}", b"\xff" * 10, b"x" * 30_000])
def test_garbage_at_a_start_is_not_ready(
    make: MakeWatcher,
    directory: SnapshotDirectory,
    realm: Realm,
    base: PolicySnapshot,
    incidents: Incidents,
    content: bytes,
) -> None:
    """A damaged newest file may have been a halt: no older version is taken in its place."""
    publish(directory, sign_snapshot(base, realm.operator))
    directory.path.joinpath("000000000002.json").write_bytes(content)
    watcher = make()
    for _ in range(3):
        watcher.poll_once()
    assert watcher.current is None
    assert len(incidents.opened) == 1
    assert incidents.opened[0][1]["version"] == "2"


def test_still_halted_after_a_restart(
    running: PolicyWatcher, make: MakeWatcher, directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot
) -> None:
    """A new process reads back through tightenings to the operator's snapshot and is halted."""
    second = isolated(base, "a", AT_MS)
    publish(directory, sign_snapshot(second, realm.policy))
    publish(directory, sign_snapshot(halted(second, "r", "b", AT_MS), realm.policy))
    restarted = make(floor=3)
    restarted.poll_once()
    assert restarted.current is not None
    assert restarted.current.halted(100.0)
    assert restarted.current.snapshot.isolated("a")


def test_rollback_at_a_start(
    make: MakeWatcher, directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot, incidents: Incidents
) -> None:
    """What is older than the highest version ever seen is not believed at a start."""
    publish(directory, sign_snapshot(base, realm.operator))
    watcher = make(floor=2)
    watcher.poll_once()
    assert watcher.current is None
    assert incidents.steps == ["policy rollback"]


def test_a_renamed_file_is_refused_at_a_start(
    make: MakeWatcher, directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot, incidents: Incidents
) -> None:
    """An old operator's snapshot under a new number is refused."""
    publish(directory, sign_snapshot(base, realm.operator), version=7)
    watcher = make()
    watcher.poll_once()
    assert watcher.current is None
    assert incidents.steps == ["policy payload"]


def test_chains_without_an_operator_are_bounded(
    make: MakeWatcher, directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot, incidents: Incidents
) -> None:
    """Reading back stops at max_chain."""
    publish(directory, sign_snapshot(base, realm.operator))
    snapshot = base
    for _ in range(3):
        snapshot = successor(snapshot, AT_MS)
        publish(directory, sign_snapshot(snapshot, realm.policy))
    short, long = make(max_chain=3), make(max_chain=4)
    short.poll_once()
    long.poll_once()
    assert (short.current, long.version) == (None, 4)
    assert incidents.steps == ["policy anchor"]


def test_a_halt_arrives_at_the_next_poll(
    running: PolicyWatcher, directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot, incidents: Incidents
) -> None:
    """A halt that the policy key signed is in force after one poll."""
    publish(directory, sign_snapshot(halted(base, "r", "b", AT_MS), realm.policy))
    running.poll_once()
    assert running.current is not None
    assert running.current.halted(100.0)
    assert incidents.opened == []


def test_several_versions_at_once(
    running: PolicyWatcher, directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot
) -> None:
    """A replica that missed polls follows the whole chain."""
    second = halted(base, "r", "b", AT_MS)
    third = resumed(second, "r", "b", AT_MS)
    publish(directory, sign_snapshot(second, realm.policy))
    publish(directory, sign_snapshot(third, realm.operator))
    running.poll_once()
    assert running.current is not None
    assert running.current.snapshot == third


def test_a_halt_before_garbage_counts(
    running: PolicyWatcher, directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot, incidents: Incidents
) -> None:
    """Of two new versions the first, good one comes into force though the second is refused."""
    publish(directory, sign_snapshot(halted(base, "r", "b", AT_MS), realm.policy))
    directory.publish(3, b"garbage")
    running.poll_once()
    assert running.current is not None
    assert running.current.halted(100.0)
    assert incidents.opened[0][1]["version"] == "3"


def forgeries(realm: Realm, base: PolicySnapshot) -> dict[str, SignedSnapshot]:
    """Make second versions that must not come into force."""
    good = successor(base, AT_MS, learning_frozen=True)
    fork = msgspec.structs.replace(good, prev_sha256="ab" * 32)
    return {
        "policy signature": sign_snapshot(good, realm.stranger),
        "policy loosening": sign_snapshot(successor(base, AT_MS, screening_version="x"), realm.policy),
        "policy chain": sign_snapshot(fork, realm.operator),
    }


@pytest.mark.parametrize("step", ["policy signature", "policy loosening", "policy chain"])
def test_forgeries_are_refused(
    running: PolicyWatcher,
    directory: SnapshotDirectory,
    realm: Realm,
    base: PolicySnapshot,
    incidents: Incidents,
    step: str,
) -> None:
    """A bad signature, an unsigned loosening and a fork leave the policy in force and open one incident each."""
    publish(directory, forgeries(realm, base)[step], version=2)
    for _ in range(2 * FULL_EVERY + 5):
        running.poll_once()
    assert running.version == 1
    assert incidents.steps == [step]


def test_a_repaired_source_is_followed_again(
    running: PolicyWatcher, directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot
) -> None:
    """After a refused file was replaced by a good one, that one comes into force."""
    directory.publish(2, b"garbage")
    running.poll_once()
    Path(directory.file(2)).unlink()
    publish(directory, sign_snapshot(halted(base, "r", "b", AT_MS), realm.policy))
    running.poll_once()
    assert running.version == 2


def test_a_missing_version_is_named(
    running: PolicyWatcher, directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot, incidents: Incidents
) -> None:
    """A hole in the chain is not jumped over."""
    third = isolated(halted(base, "r", "b", AT_MS), "a", AT_MS)
    publish(directory, sign_snapshot(third, realm.operator))
    running.poll_once()
    assert running.version == 1
    assert incidents.steps == ["policy gap"]


def test_rollback_of_the_directory(
    running: PolicyWatcher, directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot, incidents: Incidents
) -> None:
    """When the newest file disappears, its policy stays in force and an incident opens once."""
    publish(directory, sign_snapshot(halted(base, "r", "b", AT_MS), realm.policy))
    running.poll_once()
    Path(directory.file(2)).unlink()
    for _ in range(3):
        running.poll_once()
    assert running.current is not None
    assert running.current.halted(100.0)
    assert incidents.steps == ["policy rollback"]


def test_an_overwritten_file(running: PolicyWatcher, directory: SnapshotDirectory, incidents: Incidents) -> None:
    """When the file in force is rewritten, the policy read before stays in force and an incident opens once."""
    before = running.current
    Path(directory.file(1)).write_bytes(b"something else")
    for _ in range(3):
        running.poll_once()
    assert running.current is not None
    assert before is not None
    assert running.current.snapshot == before.snapshot
    assert incidents.steps == ["policy overwritten"]


def test_what_file_times_hide_is_found_by_reading(
    running: PolicyWatcher, directory: SnapshotDirectory, incidents: Incidents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though every stat stays the same, a rewritten file is found within FULL_EVERY polls."""
    running.poll_once()
    same = directory.fingerprint(1)
    Path(directory.file(1)).write_bytes(b"something else")
    monkeypatch.setattr(SnapshotDirectory, "fingerprint", lambda _self, _version: same)
    for _ in range(FULL_EVERY + 1):
        running.poll_once()
    assert incidents.steps == ["policy overwritten"]


def test_an_unreadable_source_keeps_the_policy(
    running: PolicyWatcher, directory: SnapshotDirectory, incidents: Incidents, monotonic: Clock
) -> None:
    """While the directory is gone the last policy stays, grows stale, and recovers with the directory."""
    running.poll_once()
    away = directory.path.with_name("away")
    directory.path.rename(away)
    monotonic.now += 61
    running.poll_once()
    running.poll_once()
    assert running.current is not None
    assert (running.current.stale, running.current.halted(monotonic.now)) == (True, False)
    assert incidents.steps == ["policy_unreadable"]
    away.rename(directory.path)
    running.poll_once()
    assert not running.current.stale
    assert running.current.read_at_s == monotonic.now


def test_on_stale_halt(
    directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot, make: MakeWatcher, monotonic: Clock
) -> None:
    """Where the profile says so, a policy that its source no longer confirms halts, even if no poll happens any more."""
    publish(directory, sign_snapshot(base, realm.operator))
    watcher = make(on_stale="halt")
    watcher.poll_once()
    assert watcher.current is not None
    assert not watcher.current.halted(monotonic.now + 60)
    assert watcher.current.halted(monotonic.now + 61)


def test_a_refused_newer_version_confirms_nothing(
    running: PolicyWatcher, directory: SnapshotDirectory, monotonic: Clock
) -> None:
    """A source whose newest file is refused does not say what is in force: the policy grows stale."""
    directory.publish(2, b"garbage")
    for _ in range(2):
        monotonic.now += 61
        running.poll_once()
    assert running.current is not None
    assert running.current.stale


def test_a_poll_without_news_reads_nothing(running: PolicyWatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between changes a poll takes stats only."""
    running.poll_once()
    monkeypatch.setattr(SnapshotDirectory, "read", lambda *_: pytest.fail("read"))
    monkeypatch.setattr(SnapshotDirectory, "versions", lambda *_: pytest.fail("listed"))
    for _ in range(FULL_EVERY - 1):
        running.poll_once()
    assert running.version == 1


def test_the_thread_follows(
    directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot, make: MakeWatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A started watcher has a policy at once, survives a defect in one poll, follows changes, and stops."""
    publish(directory, sign_snapshot(base, realm.operator))
    watcher = make()
    watcher.start()
    assert watcher.version == 1
    with monkeypatch.context() as patch:
        broken = Event()

        def fail(*_: object) -> None:
            broken.set()
            raise ValueError("a defect")

        patch.setattr(SnapshotDirectory, "fingerprint", fail)
        assert broken.wait(10)
    publish(directory, sign_snapshot(halted(base, "r", "b", AT_MS), realm.policy))
    until(lambda: watcher.version == 2)
    watcher.stop()
    assert watcher._thread is not None
    assert not watcher._thread.is_alive()


def test_polls_from_many_threads(
    running: PolicyWatcher, directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot, incidents: Incidents
) -> None:
    """While versions are published, polls from any threads only ever see the version rise."""
    snapshot = base

    def poll(_: int) -> list[int]:
        seen = []
        for _ in range(50):
            running.poll_once()
            assert running.current is not None
            seen.append(running.current.snapshot.version)
        return seen

    with ThreadPoolExecutor(4) as pool:
        polls = [pool.submit(poll, number) for number in range(4)]
        for _ in range(20):
            snapshot = successor(snapshot, AT_MS)
            publish(directory, sign_snapshot(snapshot, realm.policy))
    running.poll_once()
    assert all(seen == sorted(seen) for seen in (one.result() for one in polls))
    assert (running.version, incidents.opened) == (21, [])


def test_incidents_come_after_the_policy(
    directory: SnapshotDirectory, realm: Realm, base: PolicySnapshot, clock: Clock, monotonic: Clock
) -> None:
    """A halt is in force though reporting a later forgery fails altogether, and polling goes on."""

    class Broken:
        def open(self, *_: object) -> None:
            raise StorageUnavailable("no database")

    publish(directory, sign_snapshot(base, realm.operator))
    publish(directory, sign_snapshot(halted(base, "r", "b", AT_MS), realm.policy))
    watcher = PolicyWatcher(directory, lambda: realm.trust, Broken(), PolicyConfig(), 0, clock, monotonic)
    watcher.poll_once()
    directory.publish(3, b"garbage")
    with pytest.raises(StorageUnavailable):
        watcher.poll_once()
    assert watcher.current is not None
    assert watcher.current.snapshot.halt.on
