"""``eval``: what recorded answers of real voters are worth."""

from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from actors.base.errors import ConfigurationError
from cluster.cli.context import Progressing, home_option, json_option, print_json, root_of, safe
from cluster.evals.dataset import humaneval
from cluster.evals.evaluation import Evaluation, load_recordings, read_bounded
from cluster.evals.judging import read_verdicts
from cluster.evals.plot import curves_svg
from cluster.evals.recording import recorded_answers
from cluster.evals.report import MOST_ERROR, Report
from cluster.evals.statistics import Estimate
from cluster.evals.tasks import SUITE
from models.errors import WeightsError

SHIPPED = Path(__file__).parents[2] / "tests" / "data" / "humaneval"
"""Recordings and verdicts that lie in the repository."""
VERDICTS = "verdicts.jsonl.gz"


@click.command("eval", epilog="Example: weavergen eval humaneval --samples 5 --out humaneval.json")
@click.argument("suite", type=click.Choice([SUITE]))
@click.option(
    "--answers", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
    help="Recordings to score (default: those that lie in the repository).",
)  # fmt: skip
@click.option("--voters", metavar="A,B", help="Only these voters.")
@click.option("--samples", type=click.IntRange(min=1), help="Only the first so many samples of each recording.")
@click.option("--verdicts", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Verdicts of the tests.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the intervals' resampling.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write the figures here as JSON, their curves beside as SVG."
)
@click.option(
    "--playable", type=click.Path(path_type=Path), help="Write the answers here in the form that `up --answers` plays."
)
@home_option
@json_option
def evaluate(
    suite: str, answers: tuple[Path, ...], voters: str | None, samples: int | None, verdicts: Path | None, seed: int,
    out: Path | None, playable: Path | None, home_dir: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Score recorded answers: each voter, the ceiling of any selection, and selectors at the same budget."""
    names = [name.strip() for name in (voters or "").split(",") if name.strip()]
    recordings = load_recordings(answers or _shipped(), names)
    if playable is not None:
        playable.write_bytes(b"".join(recorded_answers(recordings)))
    with Progressing(quiet=as_json) as show:
        try:
            tasks = humaneval(root_of(home_dir) / "evals", lambda *step: show.progress(suite, *step))
        except WeightsError as error:
            raise ConfigurationError(str(error)) from error
        evaluation = Evaluation(tasks, recordings, samples)
        judged = verdicts or SHIPPED / VERDICTS
        found = evaluation.report(read_verdicts(read_bounded(judged), str(judged)), seed)
    if out is not None:
        out.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
        out.with_suffix(".svg").write_text(_plot(found), encoding="utf-8")
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        _tell(Console(), found)


def _shipped() -> list[Path]:
    return sorted(path for path in SHIPPED.glob("*.jsonl.gz") if path.name != VERDICTS)


def _plot(found: Report) -> str:
    title = f"{found.suite}: error over coverage, {found.tasks} tasks"
    return curves_svg({row.name: row.curve for row in found.selections}, title)


def _tell(console: Console, found: Report) -> None:
    console.print(f"{found.suite}: {found.tasks} tasks, up to {found.candidates} candidates each")
    for name, missing in found.lacking.items():
        console.print(f"[yellow]{safe(name)} lacks {missing} tasks[/yellow]; they are left out of every row")
    table = Table("voter", "answers", "pass@1 (95 %)", "any passes", title="voters")
    for row in found.voters:
        kind = "greedy" if row.greedy else f"{row.samples} samples"
        table.add_row(safe(row.voter), kind, _percent(row.pass_at_1), _percent(row.any_passes))
    console.print(table)
    ceiling = _percent(found.oracle)
    console.print(f"oracle (any candidate passes) {ceiling}, beta {100 * found.beta:.1f} %")
    table = Table(
        "selection",
        "of",
        "pass@1 (95 %)",
        "over best voter",
        f"coverage at ≤ {MOST_ERROR:.0%} error",
        title="selectors",
    )
    for choice in found.selections:
        table.add_row(
            safe(choice.name), str(choice.candidates), _percent(choice.pass_at_1), _percent(choice.over_best_voter),
            f"{100 * choice.coverage_at_most_error:.1f} %",
        )  # fmt: skip
    console.print(table)


def _percent(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f} % ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"
