"""Ticks in the state database: one row each, the newest ``rows`` of them."""

import json
from typing import Any

from sqlalchemy import delete, desc, insert, select

from actors.health.alarms import Alarms, Watch
from actors.health.monitors import Check
from actors.health.ports import Past, Tick
from actors.health.predictor import Prediction
from actors.store.adapters.database import Database
from actors.store.adapters.tables import health_ticks

PRUNE_EVERY = 100
"""Rows added between two prunings: the table exceeds its bound by so many at most."""


class HealthHistory:
    """The table of ticks; one process writes it."""

    def __init__(self, database: Database, rows: int = 20_000) -> None:
        self._database, self._rows, self._added = database, rows, 0

    def load(self, since_ms: int) -> Past:
        """Return the ticks from a time on, oldest first and no more than are kept, and the newest alarms."""
        table, newest_first = health_ticks.c, desc(health_ticks.c.at_ms)
        samples = (
            select(table.at_ms, table.levels).where(table.at_ms >= since_ms).order_by(newest_first).limit(self._rows)
        )
        with self._database.read() as connection:
            found = connection.execute(samples).all()
            alarms = connection.execute(select(table.alarms).order_by(newest_first).limit(1)).scalar_one_or_none()
        return Past(
            [(int(row.at_ms), json.loads(row.levels)) for row in reversed(found)],
            Alarms({key: Watch(**watch) for key, watch in json.loads(alarms or "{}").items()}),
        )

    def add(self, tick: Tick) -> None:
        """Keep a tick. A clock that was set back has its place in the history taken again."""
        row = {
            "at_ms": tick.at_ms, "score": tick.score, "levels": json.dumps(dict(tick.levels)),
            "checks": json.dumps([_check(check) for check in tick.checks]),
            "predictions": json.dumps([shown(prediction) for prediction in tick.predictions]),
            "alarms": json.dumps({key: {"above": w.above, "open": w.open} for key, w in tick.alarms.watches.items()}),
        }  # fmt: skip
        with self._database.write() as connection:
            connection.execute(delete(health_ticks).where(health_ticks.c.at_ms >= tick.at_ms))
            connection.execute(insert(health_ticks).values(**row))
            if self._added % PRUNE_EVERY == 0:
                beyond = select(health_ticks.c.at_ms).order_by(desc(health_ticks.c.at_ms)).offset(self._rows).limit(1)
                oldest = connection.execute(beyond).scalar_one_or_none()
                if oldest is not None:
                    connection.execute(delete(health_ticks).where(health_ticks.c.at_ms <= oldest))
        self._added += 1

    def newest(self) -> dict[str, Any] | None:
        """Return the last tick as it is shown, ``None`` before the first."""
        with self._database.read() as connection:
            row = connection.execute(select(health_ticks).order_by(desc(health_ticks.c.at_ms)).limit(1)).one_or_none()
        if row is None:
            return None
        opened = sorted(key for key, watch in json.loads(row.alarms).items() if watch["open"])
        return {
            "at_ms": row.at_ms, "score": row.score, "levels": json.loads(row.levels), "checks": json.loads(row.checks),
            "predictions": json.loads(row.predictions), "alarms": opened,
        }  # fmt: skip


def shown(prediction: Prediction) -> dict[str, Any]:
    """Return a forecast as it is kept and shown. Pure."""
    return {
        "signal": prediction.signal.name, "level": round(prediction.level, 6), "limit": prediction.signal.limit,
        "slope_per_h": round(prediction.slope_per_h, 6),
        "probabilities": {str(horizon): round(p, 6) for horizon, p in prediction.probabilities},
    }  # fmt: skip


def _check(check: Check) -> dict[str, Any]:
    return {"name": check.name, "score": round(check.score, 4), "detail": check.detail[:500], "blind": check.blind}
