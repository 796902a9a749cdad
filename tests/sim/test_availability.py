"""Availability: replicates, intervals, causes, and the estimate against a full simulation."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from cluster.config import load_profile, read_config
from cluster.simulation.availability import Task, gathered, lost_by_cause, lost_to, run, sweep
from cluster.simulation.estimator import FAIR, Stratum
from cluster.simulation.fair import FairTask, fair
from cluster.simulation.lifetimes import outlived
from cluster.simulation.plot import sweep_svg
from cluster.simulation.report import lines
from cluster.simulation.stacks import baselines, site_of
from cluster.simulation.strata import counted
from cluster.simulation.validation import APART, BROKEN, Compared, compare, compare_outage
from cluster.simulation.weather import Fault
from cluster.simulation.world import NO_REPLICA, Arrival, Outcome, Result, World
from tests.sim.test_world import site

BOTH = Stratum(("a: down", "b: hung"))


@pytest.mark.parametrize("profile", ["gpu", "cloud"])
def test_a_profile_is_a_site(profile: str) -> None:
    """Layers, breakers and consensus are the profile's own; every voter has somebody who runs it."""
    found = site_of(profile)
    assert found.replicas == read_config(load_profile(profile), profile).gateway.replicas
    assert [one.name for one in found.layers] == ["primary", "backup", "emergency", "air-gapped"]
    assert found.breakers.window == "time"
    assert {"openai", "anthropic", "gemini", "machine"} <= {one.provider for one in found.characters}


def test_baselines_do_what_their_names_say() -> None:
    """One provider alone is down with it; retry, then fall back is down only with both."""
    world = World(site(), "baselines", baselines=baselines("a", "b"))
    faults = [Fault(0.0, "down", "cloud a", 100.0), Fault(60.0, "down", "cloud b", 40.0)]
    world.play(faults, [Arrival(at_s, number, 8) for number, at_s in enumerate((10.0, 70.0, 200.0))], 200.0)
    alone, retried = ([outcome.result for outcome in found] for found in world.others.values())
    assert alone == ["unavailable", "unavailable", "answered"]
    assert retried == ["answered", "unavailable", "answered"]


def test_a_replicate_can_be_made_again() -> None:
    """The same task gives the same counts; another seed others; nothing is broken."""
    task = Task("gpu", 0.2, 3, 2, "", 0.5)
    one, again = run(task), run(task)
    assert (one.weeks, one.counts, one.lost, one.requests) == (again.weeks, again.counts, again.lost, again.requests)
    assert one.breaches == []
    assert len(one.weeks) == 2
    assert run(Task("gpu", 0.2, 4, 2, "", 0.5)).counts != one.counts
    assert len(one.counts) == 3


def test_losses_are_laid_to_what_was_under_way() -> None:
    """In equal parts to severe faults; a halt and a kill are told as such; without any fault it was bad luck."""
    ends: list[tuple[Result, tuple[str, ...], Stratum]] = [
        ("unavailable", ("a: down", "b: hung", "c: slow"), BOTH), ("halted", ("a: down",), BOTH), ("answered", (), BOTH),
        ("lost", (), FAIR), ("unavailable", ("c: slow",), FAIR), ("answered", ("a: down",), FAIR), ("answered", (), FAIR),
    ]  # fmt: skip
    outcomes = [Outcome(Arrival(0.0, n, 0), end, 1.0, weather=weather) for n, (end, weather, _) in enumerate(ends)]
    strata = [stratum for *_, stratum in ends]
    lost = lost_to(outcomes, strata)
    assert lost == {
        BOTH: {"a: down": 0.5, "b: hung": 0.5, "all: halt": 1.0},
        FAIR: {"replica: killed": 1.0, "nothing: unlucky answers": 1.0},
    }
    found = lost_by_cause([{BOTH: 1.0}, {FAIR: 9.0}], counted(outcomes, strata), lost)
    assert list(found) == ["nothing: unlucky answers", "replica: killed", "all: halt", "a: down", "b: hung"]
    assert found["all: halt"] == pytest.approx(0.1 / 3)
    assert found["replica: killed"] == pytest.approx(0.9 / 4)


@pytest.mark.parametrize(("weather", "cause"), [
    (("0: killed",), "replica: killed"), (("0: killed", "machine: machine_off"), "machine: machine_off"),
    (("a: down", "machine: node_gone"), "machine: node_gone"), (("a: down",), "replica: killed"),
])  # fmt: skip
def test_what_finds_nobody_is_laid_to_what_ended_the_replicas(weather: tuple[str, ...], cause: str) -> None:
    """A machine or a node that is gone, or else that they were killed; nothing that was under way beside."""
    refused = Outcome(Arrival(0.0, 0, 0), "unavailable", 0.0, NO_REPLICA, weather=weather)
    causes = {cause} | ({"replica: killed"} if weather[0] == "0: killed" else set())
    assert lost_to([refused], [FAIR])[FAIR].keys() == causes


def test_a_sweep_is_told_as_a_page_and_a_picture() -> None:
    """Every stack and co-occurrence has its figure, with both errors; the picture is drawn of the same ones."""
    told: list[tuple[int, int]] = []
    found = sweep("gpu", (0.0, 0.3), range(1), 1, None, 1, lambda done, of: told.append((done, of)), fair_requests=100)
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert found.breaches == []
    assert 60 < found.fair_requests < found.requests
    page = "\n".join(lines(found))
    assert "| gpu | " in page
    assert "co-occurrence 0.3" in page
    assert "; ± 0." in page
    assert "years a minute" in page
    assert "What they do not hold: load." in page
    assert "no 429 happens here" in page
    assert all(site_of(profile).admission is None for profile in ("gpu", "cloud"))
    picture = sweep_svg(found.available, "title")
    assert picture.count("<polyline") == 3
    assert picture.count("<circle") == 6
    assert "<title>title</title>" in picture


def test_what_breaks_in_a_replicate_is_in_the_sum() -> None:
    """A breach is not averaged away, and fair weather's counts are everybody's."""
    one = run(Task("gpu", 0.0, 1, 1, ""))
    calm = fair(FairTask("gpu", 0, 50, ("gpt-4.1", "claude-sonnet-4.5")))
    broken = gathered("gpu", "s", [calm], [one, replace(one, seed=2, breaches=["seed 2: x"])], 1.0, 1)
    assert broken.breaches == ["seed 2: x"]
    assert broken.years == pytest.approx(14 / 365.25)
    assert broken.requests == calm.requests + 2 * one.requests
    stacks = broken.answered["gpu"]["0"]
    assert 0.5 < stacks.value <= broken.available["gpu"]["0"].value <= 1


def test_the_estimate_is_what_a_full_simulation_finds() -> None:
    """Two days with much going wrong, every request of a steady load beside the estimator's; the campaign does thirty.

    Estimators that are broken on purpose are told from it, among them one that forgets a stratum.
    """
    found = compare("gpu", None, days=2, gap_s=150.0, seed=2, worse=100.0, looks=6, fair_requests=300)
    assert found.breaches == 0
    assert found.broken.keys() == BROKEN.keys()
    assert found.verdict == dict.fromkeys(found.verdict, True), found
    assert found.estimate_error > 0


def test_an_outage_at_the_load_s_pace_is_what_looks_at_it_say() -> None:
    """Every provider is silent and engines are away in between: full runs and looks agree, one that sees nothing fail does not.

    The campaign takes an hour, in which all that are broken must be rejected.
    """
    found = compare_outage("gpu", ("openai", "anthropic", "gemini"), "down", 0.05, seed=1, looks=2, again=2)
    assert found.breaches == 0
    assert found.full_requests > 2 * 300
    assert found.full > 0.1
    assert found.differs_by <= APART < found.broken["nothing fails"], found


@pytest.mark.parametrize(
    ("estimate", "broken", "verdict"),
    [(0.10, 0.0, [True, True]), (0.20, 0.0, [False, True]), (0.10, 0.08, [True, False])],
)
def test_a_comparison_has_power_if_it_would_notice(estimate: float, broken: float, verdict: list[bool]) -> None:
    """What is further apart than three errors does not agree, and a broken estimate that is nearer proves nothing."""
    by = (0.1 - broken) / 0.01
    found = Compared(1.0, 1, 1, 0.1, 0.006, estimate, 0.008, 0, {"b": by})
    assert list(found.verdict.values()) == verdict
    assert not Compared(1.0, 1, 1, 0.1, 0.006, estimate, 0.008, 0, {}).verdict["every broken estimator is rejected"]


def test_nothing_is_lost_when_lifetimes_end() -> None:
    """Around the end of every lifetime requests are answered, and nothing is broken."""
    found = outlived()
    assert found.breaches == 0
    assert found.answered == found.asked
    assert [one.where for one in found.expiries if not one.as_it_must] == []
    assert found.days > 20


def test_histories_are_read_where_they_lie(shared_data: Path) -> None:
    """With the folder a replicate is of real weeks."""
    one = run(Task("gpu", 0.1, 1, 4, str(shared_data), 0.2))
    assert one.incidents > 0
    assert one.breaches == []
