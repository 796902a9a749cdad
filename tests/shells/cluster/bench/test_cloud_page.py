"""The section on cloud voters."""

import json

import pytest

from cluster.bench import cloud_page, holders
from cluster.bench.cloud_page import CloudRun, Panel, as_json, consensus, rows, section, single, verdicts
from cluster.bench.cloud_systems import ADAPTERS
from cluster.bench.figures import CONNECTIONS, LITELLM, PORTKEY
from cluster.bench.hop import Hop
from cluster.bench.load import Figures
from cluster.bench.stages import VOTERS, Share
from models.providers.build import Adapter

HOPS = [Hop("in process", 1, 900_000.0, 1.0, 0.0, 130.0), Hop("handle", 16, 1800.0, 350.5, 299.6, 130.4)]


def panel_of(adapter: Adapter, **changed: float) -> Panel:
    """Return a panel in which what is wanted is reached exactly; ``changed`` are rates by the first word of a row."""
    rates = {"consensus": 300.0, "single": 500.0, "LiteLLM": 100.0, "Portkey": 500.0} | changed
    found = {row: rates.get(row.split()[0], 5000.0) for row in rows(adapter)}
    table = {(row, count): Figures(rate, 1.5, 2.5) for row, rate in found.items() for count in CONNECTIONS if rate}
    missing = {row: "not installed" for row, rate in found.items() if not rate}
    held = [Share(holders.OPENAI, 30.0, 900.0), Share(holders.HTTPX, 20.0, 600.0), Share(holders.OTHERS, 50.0, 1500.0)]
    row = consensus(adapter)
    return Panel(adapter, table, missing, {row: [Share(VOTERS, 50.0, 1500.0)]}, {row: held})


def run_of(*panels: Panel) -> CloudRun:
    """Return a run of these panels."""
    return CloudRun({"load": "0.1"}, {"openai": "3.54"}, 8, 3, panels, HOPS)


def test_what_is_wanted_is_reached_at_its_limit() -> None:
    """Three times LiteLLM's and as many as Portkey's, for each adapter, at each number of connections."""
    judged = verdicts([panel_of(adapter) for adapter in ADAPTERS])
    assert [verdict.reached for verdict in judged] == [True] * 8


@pytest.mark.parametrize(("changed", "missed"), [({"consensus": 299.0}, {0, 1}), ({"single": 499.0}, {2, 3})])
def test_a_little_less_is_not_reached(changed: dict[str, float], missed: set[int]) -> None:
    """Each wanted figure fails by itself, against the peers of its own panel, and the page says so."""
    panels = [panel_of("thin", **changed), panel_of("sdk")]
    assert {place for place, verdict in enumerate(verdicts(panels)) if not verdict.reached} == missed
    assert section(run_of(*panels)).count("**not reached**") == 2


def test_every_provider_is_asked_by_name_through_its_sdk() -> None:
    """Through the thin adapter the one that the peers pass through to; the servers alone are measured once."""
    assert rows("sdk")[:4] == (
        consensus("sdk"), single("openai", "sdk"), single("anthropic", "sdk"), single("gemini", "sdk"),
    )  # fmt: skip
    assert rows("thin")[:2] == (consensus("thin"), single("openai", "thin"))
    assert [row for adapter in ADAPTERS for row in rows(adapter) if "alone" in row] == [
        "openai server alone", "anthropic server alone", "gemini server alone",
    ]  # fmt: skip


def test_a_peer_that_is_missing_says_why() -> None:
    """Then nothing is judged against it."""
    text = section(run_of(panel_of("thin", Portkey=0.0)))
    assert f"| {PORTKEY} | – | – | – | – | – | – | not installed |" in text
    assert text.count("not measured") == 2


def test_the_share_of_the_sdks_is_told() -> None:
    """What each holds, what they hold together, and the whole that they are a share of."""
    text = section(run_of(panel_of("sdk"), panel_of("thin")))
    assert f"| {holders.OPENAI} | 900 | 900 |" in text
    assert "| the SDKs and what they stand on, µs | 1500 | 1500 |" in text
    assert "| **their share of the replica** | **50 %** | **50 %** |" in text
    assert "| the whole, µs | 3000 | 3000 |" in text
    assert f"| {VOTERS} | 1500 | 1500 |" in text


def test_the_hop_through_a_handle_is_told() -> None:
    """Beside the same call without one, which takes nobody else's time."""
    text = section(run_of(panel_of("thin")))
    assert "| in the same process | 1 | 900000 | 1.0 | – | – |" in text
    assert "| behind a Serve handle | 16 | 1800 | 350.5 | 300 | 130 |" in text
    assert text.endswith("load 0.1, openai 3.54.")


def test_without_profile_and_hop_the_section_leaves_them_out() -> None:
    """What was not looked at has no table."""
    panel = Panel("thin", panel_of("thin").table, {}, {}, {})
    text = section(CloudRun({}, {}, 8, 3, [panel], []))
    assert "SDKs and what they stand on" not in text
    assert "handle" not in text


def test_json_has_the_same_figures() -> None:
    """Plain values, a panel apart from the other."""
    plain = json.loads(json.dumps(as_json(run_of(panel_of("thin"), panel_of("sdk")))))
    assert [panel["adapter"] for panel in plain["panels"]] == list(ADAPTERS)
    cells = {(cell["system"], cell["connections"]): cell for cell in plain["panels"][1]["cells"]}
    assert cells[LITELLM, 16]["requests_per_s"] == 100.0
    assert plain["panels"][0]["holders"][consensus("thin")][0]["stage"] == holders.OPENAI
    assert len(plain["verdicts"]) == 8
    assert plain["hops"][1]["callee_us"] == 299.6
    assert cloud_page.TITLE == "Cloud voters"
