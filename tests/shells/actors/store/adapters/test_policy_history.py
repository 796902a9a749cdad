"""The history of policy versions."""

from actors.policy.snapshot import GENESIS, Epochs, Halt, PolicySnapshot, WeightsRef
from actors.store.adapters.database import Database
from actors.store.adapters.policy_history import PolicyHistory


def snapshot(version: int) -> PolicySnapshot:
    """Make a snapshot."""
    return PolicySnapshot(
        version, 7, GENESIS, [], {}, WeightsRef("ab" * 32), {}, Halt(False, "", ""), "none", Epochs({}, {}, {}), False
    )


def test_versions_are_noted_once(database: Database) -> None:
    """Each version keeps the first note; the newest comes first; the high-water mark is the highest."""
    history = PolicyHistory(database)
    assert history.high_water() == 0
    history.record(snapshot(1), "first", "", "bring-up", "ann")
    history.record(snapshot(3), "isolate", "qwen", "odd votes", "detector")
    history.record(snapshot(2), "halt", "", "drill", "bob")
    history.record(snapshot(3), "again", "", "", "")
    assert [(change.version, change.kind, change.target) for change in history.list()] == [
        (3, "isolate", "qwen"),
        (2, "halt", ""),
        (1, "first", ""),
    ]
    assert history.high_water() == 3
    assert history.list(limit=1)[0].sha256 == snapshot(3).sha256


def test_a_version_and_the_newest_of_a_kind_are_found(database: Database) -> None:
    """What was never noted is ``None``."""
    history = PolicyHistory(database)
    for version, kind in ((1, "profile"), (2, "halt"), (3, "profile"), (4, "pin")):
        history.record(snapshot(version), kind, f"t{version}", "", "")
    found = history.latest("profile")
    assert found is not None
    assert (found.version, found.target) == (3, "t3")
    assert history.get(2) == history.list()[2]
    assert (history.get(9), history.latest("recover")) == (None, None)
