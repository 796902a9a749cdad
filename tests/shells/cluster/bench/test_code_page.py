"""The section on requests for code."""

import json

import pytest

from cluster.bench.code_page import (
    DIFFERS,
    JSON,
    NEW,
    OURS,
    SAME,
    TEXT,
    CodeRun,
    as_json,
    section,
    verdicts,
)
from cluster.bench.figures import CONNECTIONS, LITELLM
from cluster.bench.load import Figures
from cluster.bench.spent import PARTS, SANDBOX
from cluster.bench.stages import Share

RATES = {SAME: 80.0, TEXT: 100.0, JSON: 90.0, NEW: 50.0, LITELLM: 50.0}


def run_of(**changed: float) -> CodeRun:
    """Return a run in which what is wanted is reached exactly; ``changed`` are rates of rows by their first letters."""
    rates = {
        row: next((rate for start, rate in changed.items() if row.startswith(start)), rate)
        for row, rate in RATES.items()
    }
    table = {(row, count): Figures(rate, 1.5, 2.5) for row, rate in rates.items() for count in CONNECTIONS if rate}
    table[DIFFERS, 1] = Figures(1.25, 700, 900)
    spent = {(row, count): dict.fromkeys(PARTS, 0.5) for row in OURS for count in CONNECTIONS}
    spent[DIFFERS, 1] = dict.fromkeys(PARTS, 0.5) | {SANDBOX: 450.0}
    missing = {} if rates[LITELLM] else {LITELLM: "not installed"}
    profiles = {
        NEW: [Share("screen", 60.0, 3000.0), Share("tally", 40.0, 2000.0)],
        SAME: [Share("tally", 100.0, 2100.0)],
    }
    return CodeRun({"load": "0.1"}, 8, 3, table, missing, spent, profiles)


def test_what_is_wanted_is_reached_at_its_limit() -> None:
    """Four fifths of what it was before, and as many as the peer, at each number of connections."""
    assert [verdict.reached for verdict in verdicts(run_of().table)] == [True] * 4


@pytest.mark.parametrize(
    ("changed", "missed"), [({"identical, the": 79.0}, {0, 1}), ({"identical, new": 49.0}, {2, 3})]
)
def test_a_little_less_is_not_reached(changed: dict[str, float], missed: set[int]) -> None:
    """Each wanted figure fails by itself, and the page says so."""
    run = run_of(**changed)
    assert {place for place, verdict in enumerate(verdicts(run.table)) if not verdict.reached} == missed
    assert section(run).count("**not reached**") == 2


def test_a_peer_that_is_missing_says_why() -> None:
    """Then nothing is judged against it."""
    text = section(run_of(LiteLLM=0.0))
    assert f"| {LITELLM} | – | – | – | – | – | – | not installed |" in text
    assert text.count("not measured") == 2


def test_rows_cost_and_stages_are_told() -> None:
    """What is compared is measured at one connection; stages are ranked by the most that a row spends in them."""
    text = section(run_of())
    assert f"| {DIFFERS} | 1.2 | 700.00 | 900.00 | – | – | – |" in text
    assert "| sandbox | 0.50 | 0.50 | 0.50 | 0.50 | 450.00 |" in text
    assert text.index("| screen | 3000 | – |") < text.index("| tally | 2000 | 2100 |")
    assert text.endswith("load 0.1.")


def test_json_has_the_same_figures() -> None:
    """Plain values, the cost beside each cell of ours."""
    plain = json.loads(json.dumps(as_json(run_of())))
    cells = {(cell["system"], cell["connections"]): cell for cell in plain["cells"]}
    assert cells[DIFFERS, 1]["cpu_ms_a_request"][SANDBOX] == 450.0
    assert cells[LITELLM, 16]["cpu_ms_a_request"] == {}
    assert len(plain["verdicts"]) == 4
