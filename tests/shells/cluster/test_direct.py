"""Tightening without the gateway where the newest policy file cannot be believed."""

import time
from pathlib import Path

import pytest

from actors.base.errors import HomeError, ModelNotFound
from actors.policy.snapshot import PolicySnapshot
from actors.policy.transitions import halted, isolated
from cluster.direct import Applied, DirectDesk
from serve_apps.gateway.desk import PolicyDesk
from tests.shells.cluster.governed import Governed, config_of, governed
from tests.shells.cluster.test_succession import watcher


@pytest.fixture
def system(tmp_path: Path) -> Governed:
    """Return a home with its first policy in force."""
    made = governed(tmp_path, int(time.time()))
    made.up(config_of("a", "b", quorum=0.6))
    return made


def tighten(system: Governed, kind: str, target: str = "") -> Applied:
    """Halt, or isolate ``target``, past the gateway."""

    def change(desk: PolicyDesk) -> PolicySnapshot:
        return desk.halt("r", "x", None) if kind == "halt" else desk.isolate(target, None)

    with DirectDesk(system.home, system.home.salvage()) as direct:
        return direct.apply(change, kind, target, "r", "x")


def without_history(system: Governed) -> None:
    """Take the database away."""
    for path in system.home.root.glob("state.db*"):
        path.unlink()
    (system.home.root / "state.db").mkdir()


def test_garbage_in_the_next_version_s_place_stops_no_tightening(system: Governed) -> None:
    """Replicas that run hold the version before it and follow what comes after that; a start believes it, too."""
    running = watcher(system)
    system.file(2).write_bytes(b"garbage")
    tighten(system, "isolate", "a")
    system.file(3).write_bytes(b"garbage")
    tighten(system, "halt")
    running.poll_once()
    for view in (running.current, watcher(system).current):
        assert view is not None
        assert (view.snapshot.version, view.snapshot.halt.on, view.snapshot.isolated("a")) == (3, True, True)
    with pytest.raises(ModelNotFound):
        tighten(system, "isolate", "stranger")


def test_a_lost_version_is_never_gone_around(system: Governed) -> None:
    """Replicas hold the one that was noted and would not follow its predecessor: the message names what helps."""
    system.tighten(lambda current, now_ms: halted(current, "r", "x", now_ms))
    system.file(2).unlink()
    system.file(2).write_bytes(b"garbage")
    for kind, target in (("halt", ""), ("isolate", "a")):
        with pytest.raises(HomeError, match="policy recover"):
            tighten(system, kind, target)
    assert system.file(2).read_bytes() == b"garbage"


def test_without_history_only_a_halt_goes_on_from_an_older_version(system: Governed) -> None:
    """What cannot be believed may have been a halt: nothing but a halt takes its place unseen."""
    system.tighten(isolated, "b")
    system.file(3).write_bytes(b"garbage")
    without_history(system)
    with pytest.raises(HomeError, match="halt, or restore"):
        tighten(system, "isolate", "a")
    assert system.file(3).read_bytes() == b"garbage"
    applied = tighten(system, "halt")
    assert (applied.snapshot.version, applied.snapshot.halt.on) == (3, True)
    assert "NOT in the policy history" in applied.how


def test_with_nothing_to_believe_recovery_is_named(system: Governed) -> None:
    """The only file is garbage: there is nothing to go on from."""
    system.file(1).unlink()
    system.file(1).write_bytes(b"garbage")
    without_history(system)
    with pytest.raises(HomeError, match="policy recover"):
        tighten(system, "halt")
