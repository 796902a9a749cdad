"""What Prometheus and Grafana are given."""

import inspect
import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from actors.base.errors import ConfigurationError
from actors.health.ports import Tick
from cluster.config import read_config
from cluster.home import create_home
from cluster.node import Node
from cluster.observability import files
from cluster.observability.names import (
    COUNTERS,
    GATEWAY_GAUGES,
    HEALTH_GAUGES,
    HISTOGRAMS,
    SPAN_GAUGES,
    VOTER_GAUGES,
    exported,
)
from serve_apps.actors import span_gauges
from serve_apps.gateway.admission import Admission
from serve_apps.gateway.guards import STATES, Guards
from serve_apps.gateway.idempotency import IdempotentAnswers
from serve_apps.gateway.open_incidents import OpenIncidents
from serve_apps.gateway.replica import Gateway
from serve_apps.gateway.traces import TraceIntake
from serve_apps.health import health_gauges
from serve_apps.metrics import RayMeter, RayPredictions

NAME = re.compile(r"\b(?:ray_)?weavergen_\w+")


def queries() -> Iterator[str]:
    """Yield every query of the dashboard."""
    for panel in json.loads(files.shipped(files.DASHBOARD))["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def alerts() -> list[dict[str, Any]]:
    """Return every alert."""
    (group,) = yaml.safe_load(files.shipped(files.RULES))["groups"]
    return list(group["rules"])


def test_the_dashboard_asks_for_nothing_that_is_not_published() -> None:
    """Every metric of a query is one that the code publishes."""
    asked = {name for query in queries() for name in NAME.findall(query)}
    assert asked <= exported()
    assert all(NAME.search(query) for query in queries())


def test_what_becomes_of_idempotency_keys_stands_beside_admission() -> None:
    """Both gauges are shown, in the row of what admission does; no panel covers another, and each has its own number."""
    panels = json.loads(files.shipped(files.DASHBOARD))["panels"]
    rows = {panel["title"]: panel["gridPos"]["y"] for panel in panels}
    asked = {
        name for panel in panels if panel["gridPos"]["y"] == rows["Admission"]
        for target in panel["targets"] for name in NAME.findall(target["expr"])
    }  # fmt: skip
    gauges = {name for name in GATEWAY_GAUGES if name.startswith(("idempotent_", "admission_"))}
    assert {f"ray_weavergen_{name}" for name in gauges} <= asked
    covered = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(covered) == len(set(covered))
    assert max(x for x, _ in covered) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_alerts_ask_for_nothing_that_is_not_published() -> None:
    """No alert waits for a metric that nobody publishes: it could never fire."""
    asked = {name for alert in alerts() for name in NAME.findall(alert["expr"])}
    assert asked
    assert asked <= exported()


def test_every_alert_is_explained_to_whom_it_wakes() -> None:
    """README's table has each of them, and no other."""
    readme = (Path(__file__).parents[4] / "README.md").read_text()
    assert sorted(re.findall(r"^\| `(Weavergen\w+)` \|", readme, re.MULTILINE)) == sorted(
        alert["alert"] for alert in alerts()
    )


def test_the_list_is_what_the_code_publishes() -> None:
    """Every name of the list stands in the code that publishes it; the running system is asked for them in ``tests/ray``."""
    health: dict[str, object] = {
        "last_tick_s": 1.0,
        "lag_rows": 1,
        "lag_bytes": 1,
        "lag_s": 1.0,
        "writers": 1,
        "table_error": "",
    }
    health |= {"log_witnesses": 2, "log_witnessed": 1, "log_contradicted": 0}
    health |= {"backup_in_use": 0.0, "backup_ready": 1.0, "backup_waiting": 0.0, "backup_error": ""}
    health |= {"log_size": 1, "log_error": "", "merge_delay_s": 1.0, "merge_late": False}
    health |= {
        "table_files": 4,
        "files_refused": 0,
        "rows_read": 3,
        "rows_accepted": 2,
        "rows_quarantined": 1,
        "checkers_blind": 0,
        "checker_blind_why": "",
        "quarantine_used": 0.1,
        "quarantine_full_why": "",
        "statistics_cells_warm": 3,
        "statistics_cells_warming": 1,
        "statistics_rows_unjudged": 9,
        "statistics_rows_refused": 0,
        "statistics_failing": 0.0,
        "statistics_why": "",
    }
    assert set(span_gauges(health)) == SPAN_GAUGES
    assert HEALTH_GAUGES - {"prediction"} == set(health_gauges(Tick(0, 1.0, {}, ())))
    assert '"weavergen_prediction"' in inspect.getsource(RayPredictions)
    meter = inspect.getsource(RayMeter)
    assert [name for name in COUNTERS | HISTOGRAMS if f'"weavergen_{name}"' not in meter] == []
    sources = (
        Gateway._gauges,
        OpenIncidents.gauges,
        Guards.gauges,
        Admission.gauges,
        IdempotentAnswers.gauges,
        TraceIntake.gauges,
    )
    shown = "".join(inspect.getsource(source) for source in sources)
    states = {f"breakers_{state}" for state in STATES}
    assert {name for name in GATEWAY_GAUGES - states if f'"{name}"' not in shown} == set()
    assert states <= GATEWAY_GAUGES
    assert [name for name in VOTER_GAUGES if f'"weavergen_{name}"' not in meter] == []


def test_a_node_writes_them_where_ray_s_grafana_integration_looks(tmp_path: Path) -> None:
    """Before it starts, the node leaves all three in the home, and tells Ray's dashboard the same folder."""
    ray = {"temp_root": str(tmp_path), "grafana_url": "https://g.example/base", "prometheus_url": "http://p.example:1"}
    node = Node(create_home(tmp_path / "ho\"me: 'x'"), read_config({"profile": "t", "ray": ray}, "t"))
    node.prepare()
    environ = node.environment()
    dashboards = Path(environ["RAY_METRICS_GRAFANA_DASHBOARD_OUTPUT_DIR"])
    assert (dashboards / "weavergen.json").read_text() == files.shipped(files.DASHBOARD)
    root = Path(environ["RAY_METRICS_OUTPUT_ROOT"])
    assert not dashboards.is_relative_to(root / "grafana")  # which Ray empties
    assert (environ["RAY_PROMETHEUS_HOST"], environ["RAY_GRAFANA_HOST"]) == (
        "http://p.example:1",
        "https://g.example/base",
    )
    told = yaml.safe_load((root / "prometheus.yaml").read_text())
    assert (root / told["rule_files"][0]).read_text() == files.shipped(files.RULES)
    agents, gateway = told["scrape_configs"]
    assert agents["file_sd_configs"][0]["files"] == [
        str(node.temp / "session_latest" / "prom_metrics_service_discovery.json")
    ]
    assert gateway["static_configs"] == [{"targets": ["127.0.0.1:8000"]}]
    assert gateway["authorization"] == {"credentials_file": str(node.home.keys / "operator.key")}
    assert stat.S_IMODE((root / "prometheus.yaml").stat().st_mode) == 0o600


@pytest.mark.parametrize("url", ["127.0.0.1:9090", "http://user:secret@host", "file:///etc"])
def test_an_address_that_is_none_or_holds_a_secret_is_refused(url: str) -> None:
    """Addresses are shown to browsers and in logs."""
    with pytest.raises(ConfigurationError, match="prometheus_url"):
        read_config({"profile": "t", "ray": {"prometheus_url": url}}, "t")
