"""Availability: replicates, intervals, causes, and the estimate against a full simulation."""

from pathlib import Path

import pytest

from cluster.simulation.availability import Task, gathered, interval, lost_to, run, sweep
from cluster.simulation.lifetimes import outlived
from cluster.simulation.plot import sweep_svg
from cluster.simulation.report import lines
from cluster.simulation.stacks import baselines, site_of
from cluster.simulation.validation import compare
from cluster.simulation.weather import Fault
from cluster.simulation.world import Arrival, Outcome, World
from tests.sim.test_world import site


@pytest.mark.parametrize("profile", ["gpu", "cloud"])
def test_a_profile_is_a_site(profile: str) -> None:
    """Layers, breakers and consensus are the profile's own; every voter has somebody who runs it."""
    found = site_of(profile)
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
    """The same task gives the same figures; another seed others; nothing is broken."""
    task = Task("gpu", 0.2, 3, 2, "")
    one, again = run(task), run(task)
    assert (one.shares, one.lost, one.requests) == (again.shares, again.lost, again.requests)
    assert one.breaches == []
    assert run(Task("gpu", 0.2, 4, 2, "")).shares != one.shares
    assert len(one.shares) == 3


def test_losses_are_laid_to_what_was_under_way() -> None:
    """In equal parts to severe faults; a halt and a kill are told as such; without any fault it was bad luck."""

    def lost(result: str, weight: float, *weather: str) -> Outcome:
        return Outcome(Arrival(0.0, 0, 0, weight=weight), result, 1.0, weather=weather)  # type: ignore[arg-type]

    found = lost_to([
        lost("unavailable", 4.0, "a: down", "b: hung", "c: slow"), lost("halted", 1.0, "a: down"), lost("lost", 1.0),
        lost("unavailable", 1.0, "c: slow"), lost("answered", 3.0, "a: down"),
    ])  # fmt: skip
    assert found == {
        "a: down": 0.2,
        "b: hung": 0.2,
        "all: halt": 0.1,
        "nothing: unlucky answers": 0.1,
        "replica: killed": 0.1,
    }


def test_an_interval_is_what_the_middle_of_replicates_spans() -> None:
    """Of many, the outer 2.5 % on each side are left out."""
    found = interval([float(number) for number in range(101)])
    assert (found.value, found.low, found.high) == pytest.approx((50.0, 2.5, 97.5))


def test_a_sweep_is_told_as_a_page_and_a_picture() -> None:
    """Every stack and co-occurrence has its figure; the picture is drawn of the same ones."""
    told: list[tuple[int, int]] = []
    found = sweep("gpu", (0.0, 0.3), range(1), 1, None, 1, lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]
    assert found.breaches == []
    page = "\n".join(lines(found))
    assert "| gpu | " in page
    assert "co-occurrence 0.3" in page
    assert "years a minute" in page
    picture = sweep_svg(found.available, "title")
    assert picture.count("<polyline") == 3
    assert picture.count("<circle") == 6
    assert "<title>title</title>" in picture


def test_what_breaks_in_a_replicate_is_in_the_sum() -> None:
    """A breach is not averaged away."""
    one = run(Task("gpu", 0.0, 1, 1, ""))
    broken = gathered("gpu", "s", [one, type(one)(0.0, 2, 7.0, one.shares, one.lost, 0, 0, ["seed 2: x"], 1.0)], 1.0, 1)
    assert broken.breaches == ["seed 2: x"]
    assert broken.years == pytest.approx(14 / 365.25)


def test_the_estimate_is_what_a_full_simulation_finds() -> None:
    """Two days with much going wrong, every request of a steady load beside the estimator's; the campaign does thirty."""
    found = compare("gpu", None, days=2, gap_s=150.0, seed=2, worse=150.0)
    assert found.breaches == 0
    assert found.estimate_requests < found.full_requests
    assert found.full > 0.01
    assert found.estimate == pytest.approx(found.full, abs=max(3 * found.full_error, 0.02))


def test_nothing_is_lost_when_lifetimes_end() -> None:
    """Around the end of every lifetime requests are answered, and nothing is broken."""
    found = outlived()
    assert found.breaches == 0
    assert found.answered == found.asked
    assert [one.where for one in found.expiries if not one.as_it_must] == []
    assert found.days > 20


def test_histories_are_read_where_they_lie(shared_data: Path) -> None:
    """With the folder a replicate is of real weeks."""
    one = run(Task("gpu", 0.1, 1, 4, str(shared_data)))
    assert one.incidents > 0
    assert one.breaches == []
