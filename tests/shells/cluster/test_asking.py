"""What `ask` prints of an answer and of the decision behind it."""

from pathlib import Path
from typing import Any

import pytest

from cluster.client import GatewayClient
from tests.shells.cluster.cli_home import Terminal, terminal
from tests.shells.cluster.governed import governed

VOTE = {
    "voter": "a", "lineage": "la", "outcome": "agreed", "group": 0, "weight": 1.0, "latency_ms": 5,
    "answer": {"content": "Paris"},
}  # fmt: skip
FOUND = [
    {"rule": "danger-shell", "cwe": "CWE-78", "line": 3, "verdict": "flag", "message": "x"},
    {"rule": "[red]odd", "cwe": "CWE-1", "line": 0, "verdict": "flag", "message": "x"},
]
DECISION: dict[str, Any] = {
    "decision_id": "01JD0000000000000000000000", "policy": "strict", "result": "agreed", "votes": [VOTE],
    "layer": {"name": "p", "tried": [{"name": "first", "outcome": "unavailable", "cause": "too few"}, {"name": "p"}]},
    "agreement": {"kind": "value", "method": "value", "support": 1.0, "quorum": 0.6, "lineages": 2,
                  "examples": {"found": 3, "run": 2, "passed": 2}},
    "screening": {"verdict": "flag", "version": "rules-7", "findings": FOUND},
    "log": {"status": "promised", "merge_by": "2026-11-26T00:00:00Z", "durability": "local"},
}  # fmt: skip
COMPLETION: dict[str, Any] = {"choices": [{"message": {"content": "Paris"}}], "weavergen": DECISION}
REFUSED = {"error": {"code": "no_consensus", "message": "none"}, "weavergen": {"decision_id": "01JD", "votes": [VOTE]}}


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Return a wide shell beside a home."""
    monkeypatch.setenv("COLUMNS", "200")
    return terminal(governed(tmp_path), monkeypatch)


def asked(shell: Terminal, monkeypatch: pytest.MonkeyPatch, status: int, body: dict[str, Any]) -> str:
    """Ask with an explanation, the gateway answering ``body``; return what is printed."""
    monkeypatch.setattr(GatewayClient, "ask", lambda *_: (status, body))
    result = shell.run("ask", "q", "--explain")
    assert result.exception is None
    return result.stdout


def test_an_explanation_shows_screening_and_log(shell: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside votes and quorum: the verdict with version and findings, the record's way into the log, how to check it."""
    shown = asked(shell, monkeypatch, 200, COMPLETION)
    assert "support 1.00 of quorum 0.60, 2 lineages, 2 of 2 examples passed" in shown
    assert "screening flag (rules-7): danger-shell (CWE-78, line 3); [red]odd (CWE-1, line 0)" in shown
    assert "transparency log: promised, to be merged by 2026-11-26T00:00:00Z, durability local" in shown
    assert "check it: weavergen verify 01JD0000000000000000000000" in shown
    assert "layer first unavailable: too few" in shown


def test_an_explanation_says_that_there_was_no_screening(shell: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """No version, no findings, no log: each is said instead of left out."""
    screening = {"verdict": "none", "version": "", "findings": []}
    log = {"status": "none", "merge_by": None, "durability": "local"}
    shown = asked(shell, monkeypatch, 200, COMPLETION | {"weavergen": DECISION | {"screening": screening, "log": log}})
    assert "screening none (no version): no findings; transparency log: none, durability local" in shown


def test_a_refusal_is_explained_as_far_as_it_came(shell: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """What deliberation never reached is not made up: neither screening nor a log is spoken of."""
    shown = asked(shell, monkeypatch, 422, REFUSED)
    assert "no_consensus" in shown
    assert "screening" not in shown
    assert "transparency log" not in shown
