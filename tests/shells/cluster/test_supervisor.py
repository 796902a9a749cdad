"""The supervisor's effects: what fails is seen, and ends nothing."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from actors.base.canonical import canonical_json
from actors.base.errors import HomeError, StorageUnavailable
from actors.store.config import StoreConfig
from cluster.alerting import Emergency
from cluster.config import Config, read_config
from cluster.home import Home, create_home
from cluster.local_witnesses import prepare
from cluster.node import Node
from cluster.probes import Answer
from cluster.status import beat, is_stuck, read_status, session_file, system_id
from cluster.supervision import Action, State, Step, begin, decide
from cluster.supervisor import Supervisor, read_readiness, supervise
from serve_apps.beats import CONTROL_ACTORS, Heart
from serve_apps.gateway.readiness import RESTART_HEADER, SYSTEM_HEADER
from tests.shells.cluster.test_local_witnesses import TRUST


class Incidents:
    """Remembers, and fails if told to."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.fails = False

    def open(self, kind: str, *_: object) -> None:
        """Remember."""
        if self.fails:
            raise StorageUnavailable("away")
        self.opened.append(kind)


class World:
    """A supervisor over a home without a node."""

    def __init__(self, tmp_path: Path) -> None:
        self.config: Config = read_config({"profile": "t", "ray": {"temp_root": str(tmp_path)}}, "t")
        self.home: Home = create_home(tmp_path / "home")
        self.incidents = Incidents()
        node = Node(self.home, self.config)
        self.supervisor = Supervisor(self.home, self.config, node, Emergency(self.incidents, None, "here"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a supervisor that has started nothing."""
    return World(tmp_path)


def failing(*_: object, **__: object) -> Any:
    """Fail as a full disk does."""
    raise OSError(28, "No space left on device")


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make every write of a home fail."""
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkstemp", failing)
        patch.setattr(Path, "open", failing)
        yield


def test_a_full_disk_is_seen_and_survived(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start, deployment and status fail for want of space: each is a fault seen, people are told, another try follows."""
    with full_disk(monkeypatch):
        state = world.supervisor.act(begin(0.0))
        seen = world.supervisor.see()
        assert (seen.node_alive, "No space" in seen.fault) == (False, True)
        step = decide(state, seen, world.config.supervisor, 1.0)
        assert "No space" in step.state.cause
        world.supervisor.act(step)
        assert world.incidents.opened == ["system_not_serving"]
        world.supervisor.act(Step(state, (Action.DEPLOY,)))
        assert "No space" in world.supervisor.see().fault
        again = decide(step.state, world.supervisor.see(), world.config.supervisor, 100.0)
    assert again.actions == (Action.START_NODE,)


def test_a_look_that_fails_ends_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is unready for a reason that no restart mends."""
    monkeypatch.setattr("cluster.supervisor.reap", failing)
    seen = world.supervisor.see()
    assert (seen.ready, "cannot look" in seen.fault) == ("blocked", True)
    ready = State("ready", 0.0)
    healthy_node = type(seen)(True, True, "done", seen.ready, True, seen.fault)
    assert decide(ready, healthy_node, world.config.supervisor, 1000.0).state.phase == "degraded"


def test_what_cannot_be_ended_is_known(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An end that fails or leaves something is no end, and the acts after it are done all the same."""
    monkeypatch.setattr("cluster.supervisor.end", failing)
    world.supervisor.act(Step(State("restarting", 0.0), (Action.END_ALL, Action.ALERT)))
    assert not world.supervisor.see().swept
    assert world.incidents.opened == ["system_not_serving"]
    monkeypatch.setattr("cluster.supervisor.end", lambda *_: [])
    world.supervisor.act(Step(State("restarting", 0.0), (Action.END_ALL,)))
    assert world.supervisor.see().swept


def test_a_child_that_does_not_go_is_no_exception(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for it in vain is a fault seen."""

    class Stubborn:
        pid = 0

        def wait(self, timeout: float) -> None:
            raise subprocess.TimeoutExpired("x", timeout)

        def poll(self) -> None:
            return None

    monkeypatch.setattr("cluster.supervisor.end", lambda *_: [])
    monkeypatch.setattr(Supervisor, "_node_up", lambda _: True)
    world.supervisor._node_process = Stubborn()  # type: ignore[assignment]
    world.supervisor.act(Step(State("restarting", 0.0), (Action.END_ALL,)))
    seen = world.supervisor.see()
    assert (seen.swept, "timed out" in seen.fault) == (False, True)


def test_told_to_stop_it_ends_well(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be ended or tidied is no failure of the supervisor's: systemd would start it again after `down`."""
    monkeypatch.setattr("cluster.supervisor.end", failing)
    monkeypatch.setattr(Node, "tidy", failing)
    monkeypatch.setattr(Node, "prepare", failing)
    world.supervisor.stop()
    world.supervisor.run()
    assert read_status(world.home) is not None


def test_an_alarm_that_fails_stays_to_be_raised(world: World) -> None:
    """It is not counted as raised."""
    world.incidents.fails = True
    assert not world.supervisor.act(Step(State("restarting", 0.0, alerted=True), (Action.ALERT,))).alerted
    world.incidents.fails = False
    assert world.supervisor.act(Step(State("restarting", 0.0, alerted=True), (Action.ALERT,))).alerted


def test_a_taken_port_stops_the_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The port is looked at before every start, not only before the first."""
    monkeypatch.setattr("cluster.node.port_is_free", lambda *_: False)
    world.supervisor.act(begin(0.0))
    assert "is in use" in world.supervisor.see().fault


def test_only_our_own_gateway_makes_it_ready(world: World) -> None:
    """Another program's 200, another home's and another configuration's are not ours; an ingress alone is not ready."""
    own = system_id(world.home, world.config)
    other = read_config({"profile": "t", "gateway": {"port": 9000}}, "t")
    ours = {SYSTEM_HEADER: own}
    assert read_readiness(Answer(200, ours), own) == "yes"
    assert read_readiness(Answer(200), own) == "foreign"
    assert read_readiness(Answer(200, {SYSTEM_HEADER: system_id(world.home, other)}), own) == "foreign"
    assert read_readiness(Answer(503, {SYSTEM_HEADER: "x"}), own) == "foreign"
    assert read_readiness(Answer(503), own) == "no"
    assert read_readiness(Answer(), own) == "no"
    assert read_readiness(Answer(503, ours | {RESTART_HEADER: "helps"}), own) == "no"
    assert read_readiness(Answer(503, ours | {RESTART_HEADER: "no"}), own) == "blocked"


def test_a_supervisor_that_goes_round_is_not_stuck(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its beat takes no space; without it for minutes it is stuck."""
    session_file(world.home).write_text("{}")
    written = session_file(world.home).stat().st_mtime
    assert not is_stuck(world.home, 10.0, written + 60)
    assert is_stuck(world.home, 10.0, written + 600)
    with full_disk(monkeypatch):
        world.supervisor._note(State("ready", 0.0))
    assert read_status(world.home) is None
    assert session_file(world.home).stat().st_mtime >= written
    beat(world.home)


def test_a_configuration_that_cannot_be_read_is_an_alarm(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The receiver is taken from what can be read, and people are told why nothing was started."""
    hook = {"url": "http://127.0.0.1:9/hook", "secret": "s" * 16}
    world.home.config_file.write_text(yaml.safe_dump({"profile": "t", "removed": 1, "store": {"webhook": hook}}))
    built: list[StoreConfig] = []
    alarm = Emergency(world.incidents, None, "here", lambda _: None)
    monkeypatch.setattr("cluster.supervisor.emergency", lambda _, store: built.append(store) or alarm)
    monkeypatch.setattr("cluster.supervisor._supervise", lambda *_: pytest.fail("started"))
    with pytest.raises(HomeError, match="unknown key removed"):
        supervise(world.home)
    assert world.incidents.opened == ["system_not_serving"]
    assert [str(store.webhook.url) for store in built if store.webhook] == [hook["url"]]


def test_the_last_word_is_not_said_at_every_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started again every few seconds, it tells each cause once, and again when that was long ago."""
    alarm = Emergency(world.incidents, None, "here", lambda _: None)
    monkeypatch.setattr("cluster.supervisor.emergency", lambda *_: alarm)

    def told(text: str) -> int:
        world.home.config_file.write_text(text)
        with pytest.raises(HomeError):
            supervise(world.home)
        return len(world.incidents.opened)

    assert [told("removed: 1"), told("removed: 1"), told("gone: 1"), told("gone: 1")] == [1, 1, 2, 2]
    os.utime(world.home.run / "ended", (0, 0))
    assert told("gone: 1") == 3


def test_one_home_a_port_and_the_last_word_is_an_alarm(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor whose port another one holds starts nothing, and people are told before it ends."""
    world.home.write_config(world.config)
    told: list[float] = []
    alarm = Emergency(world.incidents, None, "here", told.append)
    monkeypatch.setattr("cluster.supervisor.emergency", lambda *_: alarm)
    monkeypatch.setattr("cluster.supervisor._supervise", lambda *_: pytest.fail("started"))
    monkeypatch.setattr("cluster.supervisor.hold_port", failing)
    with pytest.raises(OSError, match="No space"):
        supervise(world.home)
    assert world.incidents.opened == ["system_not_serving"]
    assert told


def test_a_control_actor_that_is_restarted_or_silent_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once deployed, each sign of life is looked at: another incarnation is told, and so is silence; before that, nothing."""
    now_s = [0.0]
    monkeypatch.setattr("cluster.supervisor.time.monotonic", lambda: now_s[0])
    monkeypatch.setattr(world.supervisor, "_deploy_state", lambda: deployed)
    hearts = [Heart(world.home.root, name, "one") for name in CONTROL_ACTORS]

    def look(at_s: float, *beating: Heart) -> None:
        for heart in beating:
            heart.beat()
        now_s[0] = at_s
        world.supervisor.watch_control()

    deployed = "running"
    look(0, *hearts)
    look(100)
    assert world.incidents.opened == []
    deployed = "done"
    look(101, *hearts)
    look(102, *hearts)
    look(110, hearts[0], Heart(world.home.root, CONTROL_ACTORS[1], "two"))
    assert world.incidents.opened == ["control_actor_restarted"]
    look(131, hearts[0])
    look(140, hearts[0])
    assert world.incidents.opened == ["control_actor_restarted", "control_actor_silent"]


def test_the_loop_watches_the_control_actors(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each round of the supervisor looks at them; telling that fails is a fault seen, and ends nothing."""
    rounds: list[str] = []
    monkeypatch.setattr(world.supervisor, "act", lambda step: step.state)
    monkeypatch.setattr(world.supervisor, "watch_control", lambda: (rounds.append("looked"), world.supervisor.stop()))
    world.supervisor.run()
    assert rounds == ["looked"]
    monkeypatch.undo()
    monkeypatch.setattr(world.supervisor, "_deploy_state", lambda: "done")
    world.incidents.fails = True
    clock = iter(range(0, 1000, 100))
    monkeypatch.setattr("cluster.supervisor.time.monotonic", lambda: float(next(clock)))
    world.supervisor.watch_control()
    world.supervisor.watch_control()
    assert "telling of HealthActor failed" in world.supervisor._fault


def test_witnesses_are_kept_while_a_node_runs(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before there is one; what keeps them from starting is a fault that is seen, and ends nothing."""
    world.home.trust_file.write_bytes(canonical_json(TRUST))
    prepare(world.home, 2, TRUST, tmp_path / "away")
    Node(world.home, world.config).prepare()
    world.supervisor.keep_witnesses()
    assert world.supervisor._witnesses._running == {}
    node: Any = SimpleNamespace(poll=lambda: None)
    world.supervisor._node_process = node
    monkeypatch.setattr("cluster.local_witnesses.subprocess.Popen", lambda *_, **__: node)
    world.supervisor.keep_witnesses()
    assert len(world.supervisor._witnesses._running) == 2
    (world.home.run / "witnesses.json").write_text("{")
    world.supervisor.keep_witnesses()
    assert "witnesses cannot be started" in world.supervisor._fault
