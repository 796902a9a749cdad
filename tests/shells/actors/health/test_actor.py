"""The health actor over a real database and a real folder; only the readings and the clock are laid out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from actors.base.errors import StorageUnavailable
from actors.health.actor import HealthActor
from actors.health.adapters.history import HealthHistory
from actors.health.adapters.space import HomeSpace
from actors.health.config import HealthConfig
from actors.health.monitors import Ballots, Readings, Unread
from actors.health.ports import Mitigation, Tick
from actors.store.adapters.database import Database
from actors.store.adapters.incidents import Incidents

START_S = 1_700_000_000.0
CONFIG = HealthConfig()
LIMIT = CONFIG.disk_limit


@dataclass
class Sink:
    """Incidents in the real table, stored at once, and a count of how often one was opened."""

    table: Incidents
    opened: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def open(self, kind: str, level: str, evidence: Mapping[str, str], dedup_key: str) -> None:
        """Store."""
        self.opened.append((kind, dict(evidence)))
        self.table.record(kind, level, evidence, dedup_key)  # type: ignore[arg-type]

    @property
    def kinds(self) -> list[str]:
        """What was opened, in order."""
        return [kind for kind, _ in self.opened]


@dataclass
class Counted:
    """A mitigation that counts, in front of another or failing."""

    inner: Mitigation | None = None
    times: int = 0
    settled: list[float | None] = field(default_factory=list)

    def carry_out(self, now_s: float) -> str:
        """Count."""
        self.times += 1
        if self.inner is None:
            raise StorageUnavailable("read-only file system")
        return self.inner.carry_out(now_s)

    def settle(self, now_s: float, level: float | None) -> str:
        """Note what it was told."""
        self.settled.append(level)
        return "noted"


class World:
    """An actor whose disk level is a function of time."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database, self.home = database, home
        self.now_s = START_S
        self.memory = 0.3
        self.queue: float | Unread = 0.0
        self.disk: Callable[[float], float | Unread] = lambda _: 0.5
        self.sink = Sink(Incidents(database))
        self.mitigation = Counted(HomeSpace(home, CONFIG.free_max_files, CONFIG.free_min_age_s))
        self.actor = self.begin()

    def begin(self) -> HealthActor:
        """Start an instance, as after a restart."""
        history = HealthHistory(self.database, CONFIG.history_rows)
        self.actor = HealthActor(CONFIG, self, history, self.sink, {"disk": self.mitigation}, self.now_s)
        return self.actor

    def read(self, now_s: float) -> Readings:
        """Return what the machine shows: an idle one, but for its disk."""
        levels = {"cpu": 0.2, "memory": self.memory, "disk": self.disk(now_s - START_S), "queue": self.queue}
        return Readings(levels, {"a": Ballots({"agreed": 20}, 20, 4)})

    def run(self, for_s: float) -> list[Tick]:
        """Let time pass."""
        ticks, until_s = [], self.now_s + for_s
        while self.now_s < until_s:
            self.now_s += CONFIG.tick_s
            ticks.append(self.actor.tick(self.now_s))
        return ticks


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    """Return a quiet machine."""
    home = tmp_path / "filling"
    (home / "run" / "logs").mkdir(parents=True)
    return World(database, home)


def test_a_disk_that_fills_is_told_once_and_minutes_before_and_something_is_done_once(world: World) -> None:
    """Half a percent a minute: told at least five minutes before the limit, one incident, and the rotated log is gone."""
    rotated, record = world.home / "run" / "logs" / "supervisor.log.1", world.home / "run" / "supervisor.log"
    for file in (rotated, record):
        file.write_bytes(b"x" * 10_000)
    fill_s = (LIMIT - 0.6) / 0.005 * 60
    world.disk = lambda at_s: 0.6 + 0.005 * at_s / 60
    told_s = None
    for _ in range(int(fill_s / CONFIG.tick_s)):
        world.run(CONFIG.tick_s)
        if told_s is None and world.sink.opened:
            told_s = world.now_s - START_S
    assert told_s is not None
    assert fill_s - told_s >= 300
    assert world.sink.kinds == ["infrastructure_breach_predicted"]
    assert world.mitigation.times == 1
    assert not rotated.exists()
    assert record.exists()
    (incident,) = world.sink.table.list()
    assert incident.occurrences == 1
    assert incident.evidence["signal"] == "disk"
    assert "removed 1 rotated logs" in incident.evidence["mitigation"]
    assert float(incident.evidence["slope_per_h"]) == pytest.approx(0.3, rel=0.05)
    assert "free space" in incident.evidence["advice"]


def test_a_disk_that_is_steady_or_nearly_full_alarms_nobody(world: World) -> None:
    """An hour just below the limit."""
    world.disk = lambda _: LIMIT - 0.01
    world.run(3600)
    assert world.sink.opened == []


def test_an_instance_after_a_restart_goes_on_where_the_last_one_was(world: World) -> None:
    """Samples and open alarms are kept: the first tick forecasts an hour ahead, and opens nothing a second time."""
    world.disk = lambda at_s: 0.6 + 0.005 * at_s / 60
    world.run(40 * 60)
    assert world.sink.kinds == ["infrastructure_breach_predicted"]
    before = dict(world.run(CONFIG.tick_s)[-1].predictions[2].probabilities)
    world.now_s += 10
    world.begin()
    (tick,) = world.run(CONFIG.tick_s)
    (disk,) = (prediction for prediction in tick.predictions if prediction.signal.name == "disk")
    assert set(dict(disk.probabilities)) == set(before) == {300, 900, 3600}
    world.run(300)
    assert world.sink.kinds == ["infrastructure_breach_predicted"]
    assert world.mitigation.times == 1


def test_what_cannot_be_read_fails_the_score_at_once_and_is_told_when_it_lasts(world: World) -> None:
    """A disk that cannot be looked at is not a healthy one; reading it again ends that."""
    assert world.run(CONFIG.tick_s)[-1].score == 1.0
    world.disk = lambda _: Unread("OSError: stale handle")
    ticks = world.run(CONFIG.tick_s * CONFIG.blind_ticks)
    assert [tick.score for tick in ticks] == [0.0] * CONFIG.blind_ticks
    assert world.sink.kinds == ["health_monitor_blind"]
    assert world.sink.opened[0][1] == {"check": "disk", "why": "OSError: stale handle"}
    world.disk = lambda _: 0.5
    assert world.run(CONFIG.tick_s)[-1].score == 1.0


def test_a_mitigation_that_fails_is_told_and_the_forecast_stays(world: World) -> None:
    """Two incidents: what will happen, and that nothing could be done about it."""
    world.mitigation = Counted()
    world.begin()
    world.disk = lambda _: 0.99
    world.run(CONFIG.tick_s * CONFIG.confirm_ticks)
    assert world.sink.kinds == ["mitigation_failed", "infrastructure_breach_predicted"]
    assert world.sink.opened[1][1]["mitigation"] == "failed: read-only file system"


def test_of_memory_the_incident_says_what_a_person_can_do(world: World) -> None:
    """Nothing is done by itself, and that is said too."""
    world.memory = 0.99
    world.run(CONFIG.tick_s * CONFIG.confirm_ticks)
    ((_, evidence),) = world.sink.opened
    assert evidence["mitigation"] == "nothing: there is no mitigation for it"
    assert "end other programs on this machine" in evidence["advice"]


def test_a_mitigation_is_told_its_signal_s_level_at_every_tick(world: World) -> None:
    """What could not be read is no level."""
    world.run(CONFIG.tick_s)
    world.disk = lambda _: Unread("stale handle")
    world.run(CONFIG.tick_s)
    assert world.mitigation.settled == [0.5, None]


def test_without_its_database_it_goes_on_and_says_so(world: World) -> None:
    """The table is away: the check `history` fails from the next tick on, and nothing else does."""
    with world.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE health_ticks RENAME TO away")
    first, second = world.run(2 * CONFIG.tick_s)
    assert (first.score, second.score) == (1.0, 0.0)
    assert [check.name for check in second.checks if check.score < 1] == ["history"]
    assert world.begin().tick(world.now_s + 1).predictions
    with world.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO health_ticks")
    world.run(CONFIG.tick_s)
    assert world.run(CONFIG.tick_s)[-1].score == 1.0


def test_a_clock_that_is_set_back_does_not_turn_time_round(world: World) -> None:
    """What was later than now is forgotten, here and in the history; ticks go on."""
    world.run(600)
    world.now_s -= 300
    ticks = world.run(60)
    assert all(tick.predictions for tick in ticks)
    past = HealthHistory(world.database).load(0)
    times = [at_ms for at_ms, _ in past.levels]
    assert times == sorted(times)
    assert times[-1] == int(world.now_s * 1000)


def test_what_nobody_publishes_yet_is_waited_for_and_then_told(world: World) -> None:
    """Engines that load are no blindness, though the score says that nothing is known; after the grace it is told, once."""
    world.queue = Unread("no replica publishes")
    assert {tick.score for tick in world.run(CONFIG.start_grace_s - CONFIG.tick_s)} == {0.0}
    assert world.sink.kinds == []
    world.run(CONFIG.blind_ticks * CONFIG.tick_s * 3)
    assert world.sink.kinds == ["health_monitor_blind"]


def test_what_was_published_once_is_not_waited_for_again(world: World) -> None:
    """One reading, and from then on its absence counts; what nobody else publishes has no grace at all."""
    world.run(CONFIG.tick_s)
    world.queue = Unread("gone")
    world.run(CONFIG.blind_ticks * CONFIG.tick_s)
    assert world.sink.kinds == ["health_monitor_blind"]


def test_it_ticks_until_it_is_told_to_end(world: World) -> None:
    """Each tick is handed on; the first comes soon, the pause after it is the configured one."""
    pauses: list[float] = []
    shown: list[Tick] = []

    def wait(pause_s: float) -> bool:
        pauses.append(pause_s)
        return len(pauses) > 3

    world.actor.run(wait, lambda: START_S + len(pauses), shown.append)
    assert pauses == [1.0] + [CONFIG.tick_s] * 3
    assert [tick.at_ms for tick in shown] == [int(START_S + n) * 1000 for n in (1, 2, 3)]
