"""Ticks in the database."""

from pathlib import Path

import pytest

from actors.base.errors import StorageUnavailable
from actors.health.adapters.history import PRUNE_EVERY, HealthHistory
from actors.health.alarms import Alarms, Watch
from actors.health.monitors import Check
from actors.health.ports import Tick
from actors.health.predictor import Prediction
from actors.health.signals import Signal
from actors.store.adapters.database import Database

ALARMS = Alarms({"forecast/disk": Watch(12, open=True), "blind/queue": Watch(1)})


def tick(at_ms: int, alarms: Alarms = ALARMS) -> Tick:
    """Return a tick."""
    prediction = Prediction(Signal("disk", "stock", 0.9), 0.5, 0.25, ((300, 0.125), (900, 0.75)))
    return Tick(at_ms, 0.5, {"disk": 0.5}, (Check("disk", 0.5, "half", blind=False),), (prediction,), alarms)


def test_what_is_kept_comes_back(database: Database) -> None:
    """Levels from a time on, oldest first, and the newest alarms; the newest tick as it is shown."""
    history = HealthHistory(database)
    assert (history.newest(), list(history.load(0).levels)) == (None, [])
    for at_ms in (1000, 2000, 3000):
        history.add(tick(at_ms))
    past = HealthHistory(database).load(2000)
    assert list(past.levels) == [(2000, {"disk": 0.5}), (3000, {"disk": 0.5})]
    assert past.alarms == ALARMS
    assert history.newest() == {
        "at_ms": 3000, "score": 0.5, "levels": {"disk": 0.5}, "alarms": ["forecast/disk"],
        "checks": [{"name": "disk", "score": 0.5, "detail": "half", "blind": False}],
        "predictions": [{
            "signal": "disk", "level": 0.5, "limit": 0.9, "slope_per_h": 0.25, "probabilities": {"300": 0.125, "900": 0.75},
        }],
    }  # fmt: skip


def test_the_table_is_bounded(database: Database) -> None:
    """No more rows than the bound and what is added between two prunings."""
    history = HealthHistory(database, rows=5)
    for at_ms in range(1, 2 * PRUNE_EVERY + 2):
        history.add(tick(at_ms))
    with database.read() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM health_ticks").scalar_one()
    assert count == 5


def test_alarms_are_remembered_however_long_nobody_ticked(database: Database) -> None:
    """A restart hours later has no samples that count, and still opens nothing twice."""
    HealthHistory(database).add(tick(1000))
    past = HealthHistory(database).load(10_000_000)
    assert list(past.levels) == []
    assert past.alarms == ALARMS


def test_a_database_that_is_away_is_said(tmp_path: Path) -> None:
    """Every method raises what its caller expects."""
    history = HealthHistory(Database(f"sqlite:///{tmp_path}/empty.db", timeout_s=0.1))
    for ask in (lambda: history.load(0), lambda: history.add(tick(1)), history.newest):
        with pytest.raises(StorageUnavailable, match="migrated"):
            ask()
