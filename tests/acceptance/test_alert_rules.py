"""Alert rules and scrape configuration under Debian's promtool, which is Prometheus' own reading of them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from cluster.config import read_config
from cluster.home import create_home
from cluster.node import Node
from cluster.observability import files

CASES = Path(__file__).with_name("alert_rules.yaml")


@pytest.fixture
def promtool() -> str:
    """Return the program."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    return found


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run promtool."""
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - our own command


def test_alerts_fire_when_they_should_and_not_before(promtool: str) -> None:
    """Every case of ``alert_rules.yaml`` comes out as written there."""
    done = run(promtool, "test", "rules", str(CASES))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_never_fires_is_found(promtool: str, tmp_path: Path) -> None:
    """With SpanActor's threshold out of reach the cases fail: they depend on the rules as they are."""
    (tmp_path / "rules.yaml").write_text(files.shipped(files.RULES).replace("> 45", "> 45000000"))
    cases = CASES.read_text().replace("../../cluster/observability/rules.yaml", "rules.yaml")
    (tmp_path / "cases.yaml").write_text(cases)
    done = run(promtool, "test", "rules", str(tmp_path / "cases.yaml"))
    assert done.returncode == 1
    assert "WeavergenSpanActorSilent" in done.stdout + done.stderr


def test_every_query_of_the_dashboard_is_promql(promtool: str, tmp_path: Path) -> None:
    """Each of them would do as a recording rule; one that is broken would not."""
    panels = json.loads(files.shipped(files.DASHBOARD))["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]

    def checked(asked: list[str]) -> "subprocess.CompletedProcess[str]":
        rules = [{"record": f"q{place}", "expr": query} for place, query in enumerate(asked)]
        (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
        return run(promtool, "check", "rules", str(tmp_path / "rules.yaml"))

    done = checked(queries)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(queries)} rules found" in done.stdout
    assert checked([queries[0].removesuffix(")")]).returncode == 1


def test_prometheus_takes_what_a_node_writes(promtool: str, tmp_path: Path) -> None:
    """The rendered configuration and the rules beside it are whole, in a home whose name needs quoting."""
    node = Node(
        create_home(tmp_path / "ho\"me: 'x'"), read_config({"profile": "t", "ray": {"temp_root": str(tmp_path)}}, "t")
    )
    node.prepare()
    (node.home.keys / "operator.key").touch()  # promtool looks for it
    done = run(promtool, "check", "config", str(files.folder(node.home) / files.PROMETHEUS))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "13 rules found" in done.stdout
