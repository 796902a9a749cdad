"""Learning on a real node: counts that are those of a query, and weights that come into force."""

import base64
import json
from pathlib import Path

import httpx
import pytest

from actors.spans.adapters.table import SpanTable
from cluster.home import open_home
from cluster.jobs.submission import new_job_id, report_file, submit
from cluster.node import Node
from tests.ray.waiting import until
from tests.ray.world import AGREED, MISLED, System

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]


def test_ray_data_counts_what_a_query_counts(system: System) -> None:
    """Twenty thousand spans in one file and in forty, the last of which alone have a column; with and without a freeze.

    The job ends without a report if a sum of a voter or of a pair is another one than DuckDB's.
    """
    home = open_home(system.home)
    job_id = new_job_id("bench")
    report = report_file(home, job_id)
    report.parent.mkdir(mode=0o700, exist_ok=True)
    arguments = ["--spans=20000", "--rounds=1", "--files", "1", "40", f"--out={report.with_suffix('.md')}"]
    found = submit(
        Node(home, home.read_config()), job_id, "cluster.bench.learning", arguments, lambda _: None, detach=False
    )
    assert found is not None
    assert [(cell["files"], cell["frozen"]) for cell in found["learning"]["cells"]] == [
        (1, 0),
        (1, 1),
        (40, 0),
        (40, 1),
    ]


def test_learning_lowers_the_weight_of_a_voter_that_is_usually_wrong(system: System, tmp_path: Path) -> None:
    """What was decided comes out of the table as weights, and the next decision names the policy that brings them."""
    before = json.loads(system.weavergen("policy", "show", "--json").stdout)
    request = {"model": "consensus", "messages": [{"role": "user", "content": MISLED}]}
    headers = {"Authorization": f"Bearer {system.client_key}"}
    for _ in range(40):
        answer = httpx.post(f"{system.base_url}/v1/chat/completions", json=request, headers=headers)
        assert answer.status_code == 200, answer.text
    table = SpanTable(system.home / "spans", 100)
    until(lambda: "m3" in table.read(["voter"])["voter"].to_pylist(), 120)
    learned = system.weavergen("learn", "--json", timeout_s=240)
    assert learned.returncode == 0, learned.stderr
    report = json.loads(learned.stdout)
    wrong = [row for row in report["rows"] if row["voter"] == "m3" and row["agreed"] < row["n"] / 2]
    assert wrong
    assert all(row["new_micro"] < row["old_micro"] for row in wrong)
    assert report["policy_version"] == before["version"] + 1
    assert report["new"] == json.loads(system.weavergen("policy", "show", "--json").stdout)["weights"]["sha256"]
    versions: list[int] = []

    def named() -> bool:
        asked = json.loads(system.weavergen("ask", AGREED, "--json").stdout)["weavergen"]["decision_id"]
        saved = tmp_path / f"{asked}.json"
        assert system.weavergen("verify", asked, "--save", str(saved)).returncode == 0
        payload = base64.b64decode(json.loads(saved.read_bytes())["payload"])
        versions.append(json.loads(payload)["policy"]["version"])
        return versions[-1] == report["policy_version"]

    try:
        until(named)
    finally:  # the other tests' system weighs its voters as before
        back = system.weavergen("policy", "rollback", str(before["version"]), "--reason", "test", "--json")
        assert json.loads(back.stdout)["weights"] == before["weights"], back.stderr
