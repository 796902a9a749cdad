"""The page and its JSON."""

import json

from cluster.bench.figures import CONSENSUS, LITELLM, PORTKEY, SINGLE, UPSTREAM
from cluster.bench.load import Figures
from cluster.bench.report import SYSTEMS, Run, as_json, markdown
from cluster.bench.stages import Share


def run_of(*, with_portkey: bool = True) -> Run:
    """Return a run whose figures are easy to find again."""
    table = {}
    for connections in (1, 16):
        for number, system in enumerate((CONSENSUS, SINGLE, LITELLM, PORTKEY, UPSTREAM), 1):
            if system != PORTKEY or with_portkey:
                table[system, connections] = Figures(number * 111.0, number * 1.25, number * 2.5)
    missing = {} if with_portkey else {PORTKEY: "node is not installed"}
    return Run(
        {"kernel": "K 1"}, {"wrk": "4.1"}, 8, 3, table, missing, 0.5, 5.25, {SINGLE: [Share("parsing", 62.4, 310.2)]}
    )


def test_every_system_has_a_row_with_its_figures() -> None:
    """The table names every system once, with its figures at both numbers of connections."""
    page = markdown(run_of())
    for system in SYSTEMS:
        assert page.count(f"\n| {system} | ") >= 1
    assert "| single voter | 222 | 2.50 | 5.00 | 222 | 2.50 | 5.00 |" in page


def test_what_is_missing_says_why() -> None:
    """A peer that could not be measured has dashes, the cause, and no verdict."""
    page = markdown(run_of(with_portkey=False))
    assert f"| {PORTKEY} | – | – | – | – | – | – | node is not installed |" in page
    assert "not measured" in page


def test_verdicts_are_stated_reached_or_not() -> None:
    """A wanted figure that was missed stands out."""
    page = markdown(run_of())
    assert "| consensus of three ≥ 3 × LiteLLM proxy, 1 connection | 0.33 × | 3.00 × | **not reached** |" in page


def test_the_profile_and_the_disk_are_on_the_page() -> None:
    """Stages with share and cost, the sync's percentiles, machine and versions are told."""
    page = markdown(run_of())
    for text in ("| parsing | 62 % | 310 |", "0.50 ms (p50), 5.25 ms (p99)", "- kernel: K 1", "- wrk: 4.1"):
        assert text in page


def test_json_has_the_same_figures() -> None:
    """The JSON is plain values and names each cell."""
    plain = json.loads(json.dumps(as_json(run_of())))
    cell = next(cell for cell in plain["cells"] if cell["system"] == SINGLE and cell["connections"] == 16)
    assert (cell["requests_per_s"], cell["p50_ms"], cell["p99_ms"]) == (222.0, 2.5, 5.0)
    assert plain["fdatasync_4kib"] == {"p50_ms": 0.5, "p99_ms": 5.25}
    assert len(plain["verdicts"]) == 5
    assert plain["profiles"][SINGLE][0]["stage"] == "parsing"
