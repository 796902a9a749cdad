"""Commands that submit jobs: what they print and how they end, with the submission replaced."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cluster.cli import jobs
from cluster.cli.main import cli
from cluster.client import NotRunning
from cluster.home import Home, create_home
from tests.shells.cluster.governed import config_of

CLEAN: dict[str, Any] = {
    "since": "2027-01-15T07:00:00+00:00", "until": "2027-01-15T08:00:00+00:00", "ok": True, "decisions": 2, "records": 3,
    "results": {"answered": 1, "withheld": 1}, "inclusion": {"none": 3}, "findings_total": 0, "findings": [],
    "unread_total": 0, "unread": [], "took_s": 0.1,
    "log": {"ok": True, "size": 5, "whole": 5, "rows": 9, "root": "00", "damage_total": 0, "damage": [], "answered": []},
}  # fmt: skip
FINDING = {"decision_id": "D", "writer_id": "W", "seq": 7, "step": "signature", "why": "signature: [red]no\x1b[2J"}
Run = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home that was configured."""
    made = create_home(tmp_path / "home")
    made.write_config(config_of("a", "b"))
    return made


@pytest.fixture
def run(home: Home, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command whose job leaves the given report."""

    def call(report: object, *words: str) -> Result:
        def submitted(
            _node: object, job_id: str, module: str, arguments: list[str], *_: object, detach: bool
        ) -> object:
            assert (module, job_id.partition("-")[0]) == ("cluster.jobs.audit", "audit")
            assert arguments == [
                f"--home={home.root}", "--hours=1.0", f"--report={home.root / 'reports' / f'{job_id}.json'}"
            ]  # fmt: skip
            if isinstance(report, BaseException):
                raise report
            return None if detach else report

        monkeypatch.setattr(jobs, "submit", submitted)
        return CliRunner().invoke(cli, [*words, "--hours", "1", "--home", str(home.root)], standalone_mode=False)

    return call


def test_a_clean_audit_ends_well(run: Run) -> None:
    """What was verified is told in numbers."""
    result = run(CLEAN, "audit")
    assert result.return_value == 0
    assert "2 (1 answered, 1 withheld), 3 records" in result.stdout
    assert "all verified" in result.stdout


def test_findings_are_told_and_end_with_1(run: Run) -> None:
    """Each with its decision and place; whatever a disk held cannot write to the terminal."""
    found = CLEAN | {"ok": False, "findings": [FINDING], "findings_total": 1}
    unread = {"unread": [{"place": "spans/x.parquet", "why": "torn"}], "unread_total": 1}
    result = run(found | unread, "audit")
    assert result.return_value == 1
    assert "decision D, W row 7" in result.stdout
    assert "\x1b" not in result.stdout
    assert "UNREADABLE spans/x.parquet: torn" in result.stdout
    assert "2 findings" in result.stdout


def test_a_log_that_was_changed_is_told_by_batch(run: Run) -> None:
    """However well the records verify."""
    log = CLEAN["log"] | {"damage": [{"batch": 3, "kind": "changed", "why": "rows 1 to 2 of W"}], "damage_total": 1}
    result = run(CLEAN | {"ok": False, "log": log}, "audit")
    assert result.return_value == 1
    assert "DAMAGED    batch 3: changed: rows 1 to 2 of W" in result.stdout
    assert "1 findings" in result.stdout


def test_what_an_operator_answered_for_is_told_and_no_finding(run: Run) -> None:
    """Who, for which rows, and why."""
    answered = {"batch": 3, "first_seq": 1, "last_seq": 2, "writer_id": "W", "by": "ann", "reason": "restored"}
    result = run(CLEAN | {"log": CLEAN["log"] | {"answered": [answered]}}, "audit")
    assert result.return_value == 0
    assert "ANSWERED   batch 3: rows 1 to 2 of W were sealed as they lay, by ann: restored" in result.stdout


def test_json_is_the_report_and_the_job_s_id(run: Run) -> None:
    """Nothing else is on standard output."""
    told = json.loads(run(CLEAN, "audit", "--json").stdout)
    assert told["job"].startswith("audit-")
    assert told["records"] == 3


def test_a_detached_job_is_named(run: Run) -> None:
    """With where its report will be."""
    assert "reports/audit-" in run(None, "audit", "--detach").stdout


def test_a_follower_that_leaves_is_told_that_the_job_goes_on(run: Run) -> None:
    """Interrupting the command ends the command."""
    result = run(KeyboardInterrupt(), "audit")
    assert "goes on; its report will be in" in result.stderr
    assert result.exit_code != 0


def test_nothing_runs_is_exit_code_3(run: Run) -> None:
    """The error that says so is passed on."""
    assert isinstance(run(NotRunning("nothing runs"), "audit").exception, NotRunning)
