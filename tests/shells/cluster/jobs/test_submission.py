"""A job's submission, with Ray's command line replaced by a script that prints what Ray's prints."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.client import NotRunning
from cluster.jobs import submission
from cluster.jobs.submission import JobFailed, new_job_id, report_file, submit, write_report
from cluster.node import Node
from tests.shells.cluster.governed import config_of

Submit = Callable[..., object]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """Return the node of a home whose system seems to run."""
    from cluster.home import create_home

    home = create_home(tmp_path / "home")
    made = Node(home, config_of("a", "b"))
    made.prepare()
    monkeypatch.setattr(submission, "supervisor", lambda _: object())
    return made


def replaced(monkeypatch: pytest.MonkeyPatch, script: str) -> list[str]:
    """Run this script instead of Ray's command; return the list that the command will be left in."""
    seen: list[str] = []
    command = submission._command

    def build(*arguments: object, **options: object) -> list[str]:
        seen.extend(command(*arguments, **options))  # type: ignore[arg-type]
        return [sys.executable, "-c", script]

    monkeypatch.setattr(submission, "_command", build)
    return seen


def test_progress_is_told_and_the_report_returned(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the job's own marked lines are progress; the report is what it left in its file."""
    write_report(report_file(node.home, "audit-1"), {"ok": True})
    seen = replaced(monkeypatch, "print('Tailing logs'); print('job: 1000 records'); print('job: all')")
    told: list[str] = []
    assert submit(node, "audit-1", "cluster.jobs.audit", ["--x=1"], told.append, detach=False) == {"ok": True}
    assert told == ["1000 records", "all"]
    assert seen[seen.index("--") + 1 :] == [sys.executable, "-m", "cluster.jobs.audit", "--x=1"]
    assert f"--address=http://127.0.0.1:{node.ports.dashboard}" in seen
    assert "--no-wait" not in seen
    assert not any(node.home.ray_token.read_text() in word for word in seen)


def test_a_job_that_is_left_to_itself_is_not_waited_for(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no report yet, and that is no failure."""
    seen = replaced(monkeypatch, "")
    assert submit(node, "audit-1", "cluster.jobs.audit", [], lambda _: None, detach=True) is None
    assert "--no-wait" in seen


@pytest.mark.parametrize("detach", [True, False])
def test_a_job_without_a_report_failed(node: Node, monkeypatch: pytest.MonkeyPatch, detach: bool) -> None:
    """Whether it could not be submitted or fell on its way: the last words are told."""
    replaced(monkeypatch, "import sys; print('No such node'); sys.exit(1)")
    with pytest.raises(JobFailed, match="No such node"):
        submit(node, "audit-1", "cluster.jobs.audit", [], lambda _: None, detach=detach)


def test_a_system_that_does_not_run_gets_no_job(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is shown the token where the node is not known to be ours."""
    monkeypatch.setattr(submission, "supervisor", lambda _: None)
    with pytest.raises(NotRunning, match="weavergen up"):
        submit(node, "audit-1", "cluster.jobs.audit", [], lambda _: None, detach=False)


def test_ids_are_readable_and_never_the_same() -> None:
    """The kind comes first; Ray refuses an id twice."""
    first, second = new_job_id("audit"), new_job_id("audit")
    assert first.startswith("audit-")
    assert first != second


def test_a_report_is_whole_or_absent(tmp_path: Path) -> None:
    """It is written beside its place and put there at once."""
    file = tmp_path / "reports" / "x.json"
    write_report(file, {"b": 1, "a": [2]})
    assert json.loads(file.read_bytes()) == {"a": [2], "b": 1}
    assert [path.name for path in file.parent.iterdir()] == ["x.json"]
