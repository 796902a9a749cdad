"""A hundred years of outages as they were, and storms in search of a broken invariant, through the code that decides.

``history``: replicates of real histories, drawn again week by week, for every co-occurrence; the profile's four layers beside
one provider alone and beside retry, then fall back. ``validation``: the estimate against every request of thirty days, and of
an hour in which every cloud provider answers nothing and the machine's engines are away now and then, at the pace of the real
load. Each must agree; estimators that are broken on purpose must be told from it by one of the three at least: thirty days hold
too few failures for that.
``storms``: the code as it is. ``plants``: the same search with a bug in production's code; what it finds is shrunk to the
shortest schedule. ``lifetimes``: a home that is asked just before and just after everything in it runs out.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cluster.simulation.availability import Availability, sweep
from cluster.simulation.fit import HISTORIES
from cluster.simulation.hunt import hunt
from cluster.simulation.lifetimes import outlived
from cluster.simulation.plants import PLANTS
from cluster.simulation.plot import sweep_svg
from cluster.simulation.report import lines, percent
from cluster.simulation.validation import APART, BROKEN, Compared, compare, compare_outage
from cluster.simulation.weather import Kind

PROFILE = "gpu"
TOGETHER = (0.0, 0.1, 0.2, 0.3)
REPLICATES, WEEKS = 13, 104
"""Each as long as the history: with four co-occurrences a little over a hundred years."""
VALIDATED_DAYS, VALIDATED_GAP_S = 30, 60.0
OUTAGES: tuple[Kind, ...] = ("hung", "down")
COMPARISONS = ("validation", *(f"outage {kind}" for kind in OUTAGES))
STRUCK, OUTAGE_H = ("openai", "anthropic", "gemini"), 1.0
STORMS = 1000
WORKERS = 2
PICTURE = Path(__file__).parents[2] / "docs" / "acceptance" / "simulate.svg"

Save = Callable[[str, dict[str, Any]], None]


def stages(save: Save, done: set[str]) -> None:
    """Run every stage that is not done yet."""
    data = HISTORIES if HISTORIES.is_dir() else None
    if "history" not in done:
        found = sweep(PROFILE, TOGETHER, range(REPLICATES), WEEKS, data, WORKERS, _silent)
        PICTURE.write_text(sweep_svg(found.available, f"Availability of profile {PROFILE} and two baselines"))
        save("history", msgspec.to_builtins(found))
    if "validation" not in done:
        save("validation", _told(compare(PROFILE, data, VALIDATED_DAYS, VALIDATED_GAP_S, seed=1, workers=WORKERS)))
    for kind in OUTAGES:
        if f"outage {kind}" not in done:
            save(f"outage {kind}", _told(compare_outage(PROFILE, STRUCK, kind, OUTAGE_H, seed=1, workers=WORKERS)))
    if "storms" not in done:
        save("storms", msgspec.to_builtins(hunt(range(STORMS), WORKERS)))
    for plant in PLANTS:
        if plant not in done:
            save(plant, msgspec.to_builtins(hunt(range(STORMS), WORKERS, plant=plant)))
    if "lifetimes" not in done:
        save("lifetimes", msgspec.to_builtins(outlived()))


def _told(compared: Compared) -> dict[str, Any]:
    return {**msgspec.to_builtins(compared), "standard_errors_apart": round(compared.differs_by, 2)}


def _silent(done: int, of: int) -> None:
    """Show no progress: stages are printed."""


def page(name: str, about: str, results: dict[str, Any]) -> str:
    """Return the campaign's page, of the stages that there are."""
    parts = [f"# {name}", "", about.replace("``", "`").strip(), "", f"`make acceptance NAME={name}`"]
    if "history" in results:
        history = lines(msgspec.convert(results["history"], Availability))
        parts += ["", "## history", "", *history, "", f"![sweep]({PICTURE.name})"]
    if "validation" in results:
        parts += [
            "",
            "## validation",
            "",
            _validation("Thirty days in which ours fails ten times as often", results["validation"]),
        ]
    for kind in OUTAGES:
        if f"outage {kind}" in results:
            hours, away = (
                f"{OUTAGE_H:g} hours in which {', '.join(STRUCK)} are {kind}",
                "the machine's engines now and then",
            )
            parts += ["", _validation(f"{hours}, {away}, at the load's pace", results[f"outage {kind}"])]
    if all(stage in results for stage in COMPARISONS):
        told = "; ".join(f"{name}: {_yes(is_so)}" for name, is_so in rejected(results).items())
        parts += ["", f"Rejected by one comparison at least, more than {APART:g} standard errors apart: {told}."]
    if "storms" in results:
        parts += ["", "## storms", "", _storms(results["storms"])]
    if planted := [plant for plant in PLANTS if plant in results]:
        parts += ["", "## plants", "", *_plants(results, planted)]
    if "lifetimes" in results:
        parts += ["", "## lifetimes", "", _lifetimes(results["lifetimes"])]
    return "\n".join(parts) + "\n"


def _lifetimes(found: Mapping[str, Any]) -> str:
    asked = f"{found['days']:g} days, {found['answered']} of {found['asked']} requests answered"
    around = f"{asked} around the ends of {', '.join(found['lifetimes'])}; {found['breaches']} invariants broken."
    return "\n".join([around, *_expiries(found.get("expiries", []))])


def _expiries(expiries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the table of all lifetimes that were passed by the class that keeps them; nothing where none was."""
    if not expiries:
        return []
    good = sum(one["as_it_must"] for one in expiries)
    rows = [f"| {one['where']} | {one['lasts_s']:g} | {one['before']} | {one['after']} |" for one in expiries]
    head = f"{good} of {len(expiries)} lifetimes end as they must, each in production's class by the injected clock:"
    return ["", head, "", "| lifetime | seconds | just before its end | just after |", "|---|---|---|---|", *rows]


def _validation(what: str, found: Mapping[str, Any]) -> str:
    full = f"{found['full_requests']} requests, {percent(found['full'])} failed (± {percent(found['full_error'])})"
    looked = (
        f"{found['estimate_requests']} requests, {percent(found['estimate'])} (± {percent(found['estimate_error'])})"
    )
    apart = f"{found['standard_errors_apart']} standard errors apart"
    broken = ", ".join(f"{name} {by}" for name, by in found["broken"].items())
    told = f"{what}. In full: {full}. Estimate: {looked}, {apart}."
    agrees = _yes(found["standard_errors_apart"] <= APART)
    judged = f"Within {APART:g} standard errors: {agrees}. Broken on purpose, standard errors apart: {broken}."
    return f"{told}\n\n{judged}"


def rejected(results: Mapping[str, Any]) -> dict[str, bool]:
    """Return for each estimator that is broken on purpose whether any comparison rejects it."""
    compared = [results[stage]["broken"] for stage in COMPARISONS if stage in results]
    return {name: any(each[name] > APART for each in compared) for name in BROKEN}


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "**no**"


def _storms(found: Mapping[str, Any]) -> str:
    ends = "no invariant broken" if found["first_seed"] is None else f"seed {found['first_seed']} breaks an invariant"
    return f"{found['seeds']} seeds in {found['seconds']:.0f} s, {found['looked']} outcomes judged: {ends}."


def _plants(results: Mapping[str, Any], planted: Sequence[str]) -> list[str]:
    parts = ["| planted | found after | events drawn | of the shortest schedule |", "|---|---|---|---|"]
    for plant in planted:
        one = results[plant]
        after = "never" if one["first_seed"] is None else f"{one['seeds']} seeds"
        parts.append(f"| {plant} | {after} | {one['of']} | {one['events']} |")
    for plant in planted:
        parts += ["", f"{plant}:", "", "```", results[plant]["found"], "```"]
    return parts
