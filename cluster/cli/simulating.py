"""``simulate``: the decision core under a virtual clock."""

from functools import partial
from pathlib import Path

import click
import msgspec
from click.core import ParameterSource
from rich.console import Console
from rich.table import Table

from actors.base.errors import ConfigurationError
from cluster.cli.context import Progressing, json_option, print_json, safe
from cluster.simulation.availability import Availability, sweep
from cluster.simulation.fit import HISTORIES
from cluster.simulation.hunt import Hunt, hunt
from cluster.simulation.outages import WEEK_S
from cluster.simulation.plants import PLANTS
from cluster.simulation.plot import sweep_svg
from cluster.simulation.report import percent, shown

DAY_S = 86_400
MOST_CAUSES = 8
_ONLY = {
    **dict.fromkeys(("days", "profile", "together", "histories", "plot", "fair_requests"), "history"),
    "plant": "storm",
}
"""Options that only one scenario knows."""


@click.command("simulate", epilog="Example: weavergen simulate --seeds 4 --days 364 --profile gpu --plot sweep.svg")
@click.option("--seeds", type=click.IntRange(1, 100_000), default=2, show_default=True, help="Replicates, or storms.")
@click.option("--first-seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--scenario", type=click.Choice(("history", "storm")), default="history", show_default=True,
    help="history: outages as they were, availability of each stack. storm: all fails at once, in search of a broken rule.",
)  # fmt: skip
@click.option(
    "--days",
    type=click.IntRange(7, 36_600),
    default=91,
    show_default=True,
    help="history: length of a replicate, in whole weeks.",
)
@click.option("--profile", default="gpu", show_default=True, help="history: whose layers stand beside the baselines.")
@click.option(
    "--together", default="0,0.1,0.2,0.3", show_default=True, help="history: shares of incidents that co-occur."
)
@click.option(
    "--histories", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="history: folder with outages/ (default: ../shared/data if it is there, else weeks are drawn from what was fitted).",
)  # fmt: skip
@click.option(
    "--fair-requests", type=click.IntRange(10, 10_000_000), default=4000, show_default=True,
    help="history: so many measure fair weather, for all replicates; nines beyond their number are not told.",
)  # fmt: skip
@click.option(
    "--plant", type=click.Choice(tuple(PLANTS)), help="storm: a bug to plant; the search ends where it shows."
)
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes.")
@click.option("--plot", type=click.Path(path_type=Path), help="history: write the sweep here as SVG.")
@json_option
def simulate(
    seeds: int, first_seed: int, scenario: str, days: int, profile: str, together: str, histories: Path | None,
    fair_requests: int, plant: str | None, workers: int, plot: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Run the deciding code under a virtual clock: availability over outages as they were, or storms in search of a bug."""
    _refuse_inert(scenario)
    chosen = range(first_seed, first_seed + seeds)
    with Progressing(quiet=as_json) as show:
        told = partial(show.progress, "simulate", "seeds")
        if scenario == "storm":
            hunted = hunt(chosen, workers, told, plant or "")
        else:
            data = histories or (HISTORIES if HISTORIES.is_dir() else None)
            weeks = days * DAY_S // WEEK_S
            found = sweep(profile, _shares(together), chosen, weeks, data, workers, told, fair_requests)
    if scenario == "storm":
        return _tell_hunt(hunted, as_json=as_json)
    if plot is not None:
        plot.write_text(sweep_svg(found.available, f"Availability of profile {profile} and two baselines"))
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        _tell(Console(), found)
    return 1 if found.breaches else 0


def _refuse_inert(scenario: str) -> None:
    """Refuse options that would mean nothing to the scenario."""
    context = click.get_current_context()
    given = [name for name in _ONLY if context.get_parameter_source(name) == ParameterSource.COMMANDLINE]
    if inert := ["--" + name.replace("_", "-") for name in given if _ONLY[name] != scenario]:
        raise ConfigurationError(f"{', '.join(inert)} would mean nothing to scenario {scenario}: leave it out")


def _tell_hunt(found: Hunt, *, as_json: bool) -> int:
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        rate = found.seeds / found.seconds
        click.echo(
            f"{found.seeds} storms in {found.seconds:.1f} s, {rate:.1f} a second; {found.looked} outcomes judged"
        )
        click.echo(safe(found.found) if found.found else "no invariant broken")
    return 1 if found.found else 0


def _shares(together: str) -> list[float]:
    try:
        shares = [float(word) for word in together.split(",")]
    except ValueError as error:
        raise ConfigurationError(f"--together takes numbers with commas between, not {together!r}") from error
    if not all(0 <= share <= 1 for share in shares):
        raise ConfigurationError("--together takes shares between 0 and 1")
    return shares


def _tell(console: Console, found: Availability) -> None:
    rate = found.years / found.seconds * 60
    console.print(
        f"{found.years:.1f} simulated years in {found.seconds:.0f} s, {rate:.1f} years a minute; {found.requests} requests; "
        f"{len(found.breaches)} invariants broken"
    )
    table = Table(
        "stack",
        title="available: answered, or honestly refused for want of agreement (95 % of histories; ± of so many requests)",
    )
    together = sorted({share for each in found.available.values() for share in each}, key=float)
    for share in together:
        table.add_column(f"co-occurrence {share}")
    for stack, each in found.available.items():
        table.add_row(safe(stack), *(shown(each[share]) for share in together))
    console.print(table)
    causes = Table("what was under way", f"lost of all time by {found.profile}", title="what costs most")
    for cause, lost in list(found.lost.items())[:MOST_CAUSES]:
        causes.add_row(safe(cause), percent(lost))
    console.print(causes)
    for breach in found.breaches:
        console.print(safe(breach))
