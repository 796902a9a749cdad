"""What an operator sees, by a real Prometheus that scrapes the running system and in Ray's own dashboard."""

import json
import math
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from cluster.observability import files
from cluster.observability.names import exported
from tests.ray.waiting import until
from tests.ray.world import AGREED, DISAGREED, System, free_port

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]
SILENT = "WeavergenSpanActorSilent"


def fetch(url: str, token: str | None = None) -> tuple[int, bytes]:
    """Return status and body."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310 - http
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str) -> Any:
        """Return the data of an API call; fail on what Prometheus refuses, such as a query that does not parse."""
        status, body = fetch(f"{self.url}/api/v1/{path}")
        assert status == 200, body
        return json.loads(body)["data"]

    def values(self, query: str) -> list[float]:
        """Return the numbers that a query gives now."""
        return [float(item["value"][1]) for item in self.ask(f"query?query={quote(query)}")["result"]]

    def firing(self) -> set[str]:
        """Return the alerts that fire."""
        return {alert["labels"]["alertname"] for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"}


def quickened(home: Path, folder: Path) -> Path:
    """Return a copy of what the node wrote for Prometheus that looks ten times as often; the rules are as they are."""
    source = home / "run" / "metrics"
    told = (source / "prometheus.yaml").read_text()
    assert told.count("_interval: 10s") == 3
    (folder / "prometheus.yaml").write_text(told.replace("_interval: 10s", "_interval: 1s"))
    shutil.copy(source / "rules.yaml", folder)
    return folder / "prometheus.yaml"


@pytest.fixture(scope="module")
def prometheus(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Start Debian's Prometheus with the configuration in the home."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("Prometheus is not installed (Debian: prometheus)")
    folder = tmp_path_factory.mktemp("prometheus")
    address = f"127.0.0.1:{free_port()}"
    command = [
        binary, f"--config.file={quickened(system.home, folder)}", f"--web.listen-address={address}",
        f"--storage.tsdb.path={folder / 'data'}", "--log.level=warn",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)  # noqa: S603 - our own command
    try:
        running = Prometheus(f"http://{address}")
        until(lambda: ready(running, process), 30, (folder / "log").read_text)
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def ready(running: Prometheus, process: "subprocess.Popen[bytes]") -> bool:
    """Tell whether it answers; fail if it has ended."""
    assert process.poll() is None
    try:
        return fetch(f"{running.url}/-/ready")[0] == 200
    except OSError:
        return False


def queries() -> list[str]:
    """Return every query of the dashboard as Ray's Grafana integration finds it."""
    return [t["expr"] for panel in json.loads(files.shipped(files.DASHBOARD))["panels"] for t in panel["targets"]]


def test_every_query_of_the_dashboard_returns_data(system: System, prometheus: Prometheus) -> None:
    """All of them give numbers once requests were answered and refused, and health was looked at."""
    assert len(queries()) >= 20

    def missing() -> list[str]:
        return [query for query in queries() if not any(map(math.isfinite, prometheus.values(query)))]

    def asked_again() -> bool:
        system.weavergen("ask", AGREED)
        system.weavergen("ask", DISAGREED)
        return not missing()

    until(asked_again, 120, missing)


def test_everything_that_is_said_to_be_published_is(system: System, prometheus: Prometheus) -> None:
    """Each name of the list is there, once for each process and label; the gateway's page has the same under its own prefix."""
    page = fetch(f"{system.base_url}/metrics", system.operator_key)[1].decode()
    assert [name for name in exported() if f"\n{name.removeprefix('ray_')}" not in page] == []
    assert [name for name in exported() if not prometheus.values(f"count({name})")] == []
    for query, value in (('up{job="weavergen-gateway"}', 1.0), ("weavergen_metrics_agents_unread", 0.0)):
        until(
            lambda query=query, value=value: prometheus.values(query) == [value], 60
        )  # a busy machine misses a scrape


def test_ray_s_own_grafana_configuration_loads_ours(system: System) -> None:
    """Grafana's provisioning, as Ray wrote it into the home, points at the folder with our dashboard beside Ray's."""
    root = system.home / "run" / "metrics"
    provider = (root / "grafana" / "provisioning" / "dashboards" / "default.yml").read_text()
    assert f"path: {root / 'dashboards'}\n" in provider
    assert str(root / "grafana" / "provisioning") in (root / "grafana" / "grafana.ini").read_text()
    assert {"weavergen.json", "serve_grafana_dashboard.json"} <= {path.name for path in (root / "dashboards").iterdir()}


def test_a_silent_span_actor_fires_an_alert_and_its_return_ends_it(system: System, prometheus: Prometheus) -> None:
    """Stopped, not killed: nothing replaces it and nothing is heard of it, answers go on; then it goes on itself."""
    until(lambda: SILENT not in prometheus.firing(), 60, prometheus.firing)
    (pid,) = (actor["pid"] for actor in actors(system) if actor["name"] == "SpanActor" and actor["state"] == "ALIVE")
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: SILENT in prometheus.firing(), 150, prometheus.firing)
        assert system.weavergen("ask", AGREED).returncode == 0
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: SILENT not in prometheus.firing(), 60, prometheus.firing)


def dashboard(system: System) -> tuple[str, str]:
    """Return the address of Ray's dashboard and the token."""
    port = json.loads((system.home / "run" / "ports.json").read_text())["dashboard"]
    return f"http://127.0.0.1:{port}", (system.home / "keys" / "ray.token").read_text().strip()


def actors(system: System) -> list[dict[str, Any]]:
    """Return the actors that Ray's dashboard lists."""
    url, token = dashboard(system)
    status, body = fetch(f"{url}/api/v0/actors?detail=1", token)
    assert status == 200, body
    listed: list[dict[str, Any]] = json.loads(body)["data"]["result"]["result"]
    return listed


def test_ray_s_dashboard_names_what_runs(system: System) -> None:
    """Actors, deployments and jobs carry names that a person can read."""
    assert "SpanActor" in {actor["name"] for actor in actors(system)}
    url, token = dashboard(system)
    serving = json.loads(fetch(f"{url}/api/serve/applications/", token)[1])["applications"]
    assert {name: sorted(app["deployments"]) for name, app in serving.items()} == {"weavergen": ["gateway"]}
    audit = json.loads(system.weavergen("audit", "--hours", "1", "--json", timeout_s=180).stdout)
    jobs = json.loads(fetch(f"{url}/api/jobs/", token)[1])
    assert audit["job"].startswith("audit-")
    assert audit["job"] in {job["submission_id"] for job in jobs}


PATHS = (
    "/api/v0/actors",
    "/api/serve/applications/",
    "/api/jobs/",
    "/nodes?view=summary",
    "/api/prometheus_health",
    "/logs",
)


@pytest.mark.parametrize("path", PATHS)
def test_without_the_token_ray_s_dashboard_tells_nothing(system: System, path: str) -> None:
    """No token is 401 and a wrong one 403, whatever is asked of the system; the page that asks for it is all there is."""
    url, token = dashboard(system)
    assert fetch(url + path)[0] == 401
    assert fetch(url + path, "0" * 64)[0] == 403
    assert fetch(url + path, token)[0] not in (401, 403)
