"""The committed pages: their verdicts are kept, and they are of today's tables."""

import json
from math import hypot
from pathlib import Path
from typing import Any

import pytest

from cluster.acceptance.simulate import COMPARISONS, rejected
from cluster.acceptance.soak import VERDICT
from cluster.acceptance.span_kills import BESIDE, FULL, GROUPS, LOST, WAYS
from cluster.acceptance.span_stories import stories
from cluster.acceptance.spike import OURS
from cluster.acceptance.spike_figures import hardly_refused
from cluster.acceptance.tamper.campaign import joined
from cluster.acceptance.tamper.threats import places
from cluster.node import REPOSITORY
from cluster.simulation.expiries.table import LIFETIMES
from cluster.simulation.plants import PLANTS
from cluster.simulation.validation import APART, BROKEN

RESULTS = REPOSITORY / "docs" / "acceptance"
AGAIN = "run `make acceptance NAME={}` again and commit its page"


def results(name: str) -> Any:
    """Return what a campaign found."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def rows(file: Path, head: str) -> list[str]:
    """Return the first cells of the table with that head."""
    lines = file.read_text().splitlines()
    table = lines[next(place for place, line in enumerate(lines) if line.startswith(f"| {head} |")) + 2 :]
    end = next((place for place, line in enumerate(table) if not line.startswith("|")), len(table))
    return [line.split("|")[1].strip() for line in table[:end]]


def test_the_simulation_broke_nothing_and_its_estimate_is_vouched_for() -> None:
    """A hundred years at least, no invariant broken; estimates agree with full simulations, and a broken one is noticed."""
    found = results("simulate")
    assert found["history"]["years"] >= 100
    assert found["history"]["breaches"] == []
    assert (found["storms"]["first_seed"], found["storms"]["seeds"]) == (None, 1000)
    for stage in COMPARISONS:
        assert found[stage]["breaches"] == 0
        one = found[stage]
        assert abs(one["estimate"] - one["full"]) <= APART * hypot(one["full_error"], one["estimate_error"]), stage
    assert rejected(found) == dict.fromkeys(BROKEN, True)


def test_every_plant_was_looked_for_and_found() -> None:
    """Those that there are, and no others, each within a thousand seeds and as a schedule to be read."""
    found = results("simulate")
    assert rows(RESULTS / "simulate.md", "planted") == list(PLANTS), AGAIN.format("simulate")
    for plant in PLANTS:
        assert found[plant]["first_seed"] is not None, plant
        assert found[plant]["seeds"] <= 1000, plant
        assert found[plant]["found"], plant


def test_every_lifetime_was_passed() -> None:
    """Those that there are, and no others, each as it must."""
    found = results("simulate")["lifetimes"]
    assert rows(RESULTS / "simulate.md", "lifetime") == [each.where for each in LIFETIMES], AGAIN.format("simulate")
    assert [each["where"] for each in found["expiries"] if not each["as_it_must"]] == []
    assert (found["breaches"], found["answered"]) == (0, found["asked"])


def test_the_spike_was_survived() -> None:
    """All that was wanted of our system is so, and below saturation hardly anything was refused before the spike."""
    found = results("spike")[OURS]
    assert set(found["verdict"].values()) == {True}
    assert found["records"]["answers_without_verifiable_record"] == 0
    normal, beyond = found["phases"]["normal"], found["beyond_saturation"][:-1]
    requests, refused = (normal[key] - sum(each[key] for each in beyond) for key in ("requests", "refused_429"))
    assert hardly_refused(requests, refused)


def test_the_soak_was_flat() -> None:
    """Nothing that the system holds grew over all of its time, each look was answered, and each answer has its record."""
    found = results("soak")[VERDICT]
    assert (found["flat"], found["not_flat"]) == (True, [])
    assert found["minutes"] >= 45
    assert found["looks_at_tasks_unanswered"] == 0
    assert found["records"]["checked_on_disk"] > 10_000
    assert found["records"]["answers_without_verifiable_record"] == 0


def test_the_span_path_was_struck_in_every_way() -> None:
    """Each story, each way to strike it, and none of them left a fault."""
    found = results("span_kills")
    assert {f"{lived.name}: {what}" for lived in stories(GROUPS) for what in (*WAYS, LOST, FULL)} <= set(found)
    assert [name for name, told in found.items() if faulty(told)] == []
    assert found[BESIDE]["appends"] >= 400


def faulty(told: Any) -> bool:
    """Tell whether faults are told of anywhere in it."""
    return isinstance(told, dict) and (bool(told.get("faults")) or any(map(faulty, told.values())))


def test_the_table_of_threats_is_kept_by_every_mutant() -> None:
    """Ten thousand at least, in every cell that claims something, and nothing is said of homes that nobody touched."""
    mutants, clean = (joined(results("tamper"), kind) for kind in ("mutants", "clean"))
    assert mutants["mutants"] == mutants["agreed"] >= 10_000
    assert (mutants["differed"], clean["false_alarms"], clean["batches"] >= 100_000) == (0, 0, True)
    assert set(mutants["cells"]) == {f"{name} / {stage.name}" for name, stage in places()}, AGAIN.format("tamper")


@pytest.mark.parametrize(("requests", "refused", "is_kept"), [(1000, 10, True), (1000, 11, False), (0, 0, True)])
def test_a_hundredth_is_the_most(requests: int, refused: int, is_kept: bool) -> None:
    """The bound itself is kept."""
    assert hardly_refused(requests, refused) is is_kept
