"""What a replica counts reaches Ray's own metrics. No cluster is needed for that."""

from typing import Any

import pytest
from ray.util import metrics

from serve_apps.metrics import RayMeter


def test_counts_reach_ray_with_the_gauges_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray is told of every request, decision and vote, with the replica's name, when gauges are shown or it is asked to."""
    recorded: list[tuple[str, float, dict[str, str]]] = []

    def record(self: Any, value: float, tags: dict[str, str] | None = None) -> None:
        recorded.append((self.info["name"], value, self._get_final_tags(tags)))

    monkeypatch.setattr(metrics.Counter, "_record", record)
    meter = RayMeter("r")
    for _ in range(2):
        meter.answered("chat", "200")
        meter.decided("answered", "value", 0.5)
        meter.voted("a", "agreed", 0.5)
    assert recorded == []
    meter.show({})
    assert recorded == [
        ("weavergen_decisions", 2, {"replica": "r", "result": "answered", "kind": "value"}),
        ("weavergen_votes", 2, {"replica": "r", "voter": "a", "outcome": "agreed"}),
        ("weavergen_requests", 2, {"replica": "r", "surface": "chat", "status": "200"}),
    ]
    meter.answered("chat", "429")
    meter.tell()
    assert recorded[3:] == [("weavergen_requests", 1, {"replica": "r", "surface": "chat", "status": "429"})]
