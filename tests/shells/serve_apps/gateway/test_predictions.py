"""``/ops/predictions``: the newest tick, as it comes out of the database."""

import msgspec

from actors.health.adapters.history import HealthHistory
from actors.store.adapters.database import Database
from serve_apps.gateway.documentation import openapi
from serve_apps.health import health_now
from tests.documented import undescribed
from tests.shells.actors.health.adapters.test_history import tick
from tests.unit.actors.store.conftest import database

__all__ = ["database"]


def test_predictions_are_as_described(database: Database) -> None:
    """The newest tick as it is kept and shown, and the answer before the first."""
    history = HealthHistory(database)
    nothing = history.newest()
    history.add(tick(1000))
    for newest in (nothing, history.newest()):
        body = msgspec.json.encode(health_now(newest, 2.0))
        assert undescribed(openapi(), "get", "/ops/predictions", 200, "application/json", body) == []
