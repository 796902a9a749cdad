"""Learning is frozen by itself, and only by a storm."""

from pathlib import Path

import pytest

from actors.base.errors import NotReady, StorageUnavailable
from actors.policy.snapshot import PolicySnapshot
from actors.policy.transitions import unfrozen
from cluster.succession import Note
from cluster.trust import operator_key
from serve_apps.gateway.storms import StormFreeze
from tests.shells.cluster.governed import NOW, Governed, config_of, governed
from tests.unit.serve_apps.gateway.test_desk import desk_of

LATER_S = NOW + 60.0
"""When the span actor said so: after the first policy."""


class Noted:
    """A history that may be away."""

    def __init__(self) -> None:
        self.notes: list[tuple[int, str, str, str]] = []
        self.away = False

    def record(self, snapshot: PolicySnapshot, kind: str, target: str, reason: str, author: str) -> None:
        """Note a version."""
        if self.away:
            raise StorageUnavailable("no database")
        self.notes.append((snapshot.version, kind, reason, author))


@pytest.fixture
def system(tmp_path: Path) -> Governed:
    """Return a home with a policy in force."""
    made = governed(tmp_path)
    made.up(config_of("a", "b"))
    return made


async def test_a_storm_freezes_learning_once(system: Governed) -> None:
    """Signed with the policy key, noted, and found done by the next replica."""
    noted, said = Noted(), [""]
    replicas = [StormFreeze(lambda: (said[0], LATER_S), desk_of(system), noted) for _ in range(2)]
    for replica in replicas:
        await replica.look()
    assert system.versions == [1]
    said[0] = "90 of 100 rows"
    for replica in (*replicas, *replicas):
        await replica.look()
    current = system.succession.in_force()
    assert (current.version, current.learning_frozen, current.halt.on) == (2, True, False)
    assert noted.notes == [(2, "freeze", "90 of 100 rows", "SpanIntegrityGuard")]


async def test_it_is_frozen_though_the_history_is_away(system: Governed) -> None:
    """The note can wait, the freeze cannot."""
    noted = Noted()
    noted.away = True
    await StormFreeze(lambda: ("a storm", LATER_S), desk_of(system), noted).look()
    assert system.succession.in_force().learning_frozen


async def test_what_an_operator_lets_go_on_is_not_frozen_by_the_word_of_before(system: Governed) -> None:
    """A replica hears of the pin's end seconds after it was put away; a storm that is seen after that freezes again."""
    heard = ["90 of 100 rows", LATER_S]
    storms = StormFreeze(lambda: (str(heard[0]), float(heard[1])), desk_of(system), Noted())
    await storms.look()
    system.now_s = NOW + 100
    frozen, chain = system.succession.in_force(), system.succession
    note = Note("unfreeze", "", "looked at", "ann")
    chain.publish(frozen, unfrozen(frozen, system.now_s * 1000), note, operator_key(system.operators))
    await storms.look()
    assert (system.versions, system.succession.in_force().learning_frozen) == ([1, 2, 3], False)
    heard[1] = NOW + 101
    await storms.look()
    assert (system.versions, system.succession.in_force().learning_frozen) == ([1, 2, 3, 4], True)


class Failing:
    """A desk that fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def current(self) -> PolicySnapshot:
        """Fail."""
        raise self._error

    def freeze_learning(self) -> PolicySnapshot:
        """Fail."""
        raise self._error


@pytest.mark.parametrize("error", [NotReady("none"), OSError(5, "the disk hiccups")])
async def test_what_cannot_be_frozen_is_tried_again(caplog: pytest.LogCaptureFixture, error: Exception) -> None:
    """Without a policy, or with a disk that fails: the loop goes on, and says what it could not do."""
    await StormFreeze(lambda: ("a storm", LATER_S), Failing(error), Noted()).look()
    assert "not frozen" in caplog.text
