"""Writes what Prometheus and Grafana read, where Ray's own Grafana integration looks: ``home/run/metrics``.

Ray is told to write there too (``environment``): ``grafana/grafana.ini`` with its provisioning, whose dashboards come from the
folder that holds ours beside Ray's. The place stays the same over restarts. No secret is in any of it: Prometheus reads the
operator's key from its file, and Ray's agents answer this machine without one.
"""

import json
from importlib.resources import files
from pathlib import Path
from string import Template

from actors.base.files import write_atomic
from cluster.config import Config
from cluster.home import Home
from cluster.status import gateway_url

DASHBOARD = "weavergen.json"
RULES = "rules.yaml"
PROMETHEUS = "prometheus.yaml"


def folder(home: Home) -> Path:
    """Return where it all lies."""
    return home.run / "metrics"


def dashboards(home: Home) -> Path:
    """Return where Grafana finds dashboards; outside Ray's own folder, which Ray empties at every start."""
    return folder(home) / "dashboards"


def shipped(name: str) -> str:
    """Return a file as it lies beside this module."""
    return files("cluster.observability").joinpath(name).read_text(encoding="utf-8")


def prometheus(home: Home, config: Config, discovery: Path) -> str:
    """Return Prometheus' configuration; ``discovery`` is the file in which Ray lists the agents of all nodes."""
    return Template(shipped(PROMETHEUS)).substitute(
        discovery=json.dumps(str(discovery)),  # JSON's strings are YAML's
        operator_key=json.dumps(str(home.keys / "operator.key")),
        gateway=json.dumps(gateway_url(config).partition("://")[2]),
    )


def write(home: Home, config: Config, discovery: Path) -> None:
    """Replace the three files."""
    dashboards(home).mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomic(folder(home) / PROMETHEUS, prometheus(home, config, discovery).encode())
    write_atomic(folder(home) / RULES, shipped(RULES).encode())
    write_atomic(dashboards(home) / DASHBOARD, shipped(DASHBOARD).encode())


def environment(home: Home, config: Config) -> dict[str, str]:
    """Return what Ray's dashboard is told of Prometheus and Grafana."""
    return {
        "RAY_METRICS_OUTPUT_ROOT": str(folder(home)),
        "RAY_METRICS_GRAFANA_DASHBOARD_OUTPUT_DIR": str(dashboards(home)),
        "RAY_PROMETHEUS_HOST": config.ray.prometheus_url,
        "RAY_GRAFANA_HOST": config.ray.grafana_url,
    }
