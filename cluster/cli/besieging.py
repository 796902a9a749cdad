"""``eval attacks``: what attackers among recorded voters achieve."""

import asyncio
from functools import partial
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from actors.base.errors import ConfigurationError
from cluster.cli.context import Progressing, home_option, json_option, print_json, root_of, safe
from cluster.cli.evaluating import judge_with, percent, shipped, suite_tasks, write_figures
from cluster.evals.attacks.catalogue import ATTACKS, BY_NAME
from cluster.evals.attacks.playable import recorded_lines
from cluster.evals.attacks.poison import Attack, Target
from cluster.evals.ensembles import (
    DECISIONS,
    SETUPS,
    Member,
    SiegeReport,
    draws_for,
    ranked_members,
    siege_report,
)
from cluster.evals.evaluation import Evaluation, load_recordings
from cluster.evals.locking import hold_folder
from cluster.evals.scoring import job_of, source_sha256
from cluster.evals.siege import besiege
from cluster.evals.statistics import Estimate
from cluster.evals.tasks import question_of

PLAYED_SEEDS = range(4)
"""Of the answers that a recorded attacker plays to each question."""


@click.command("attacks", epilog="Example: weavergen eval attacks --seed 1 --out attacks.json")
@click.option(
    "--answers", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
    help="Recordings whose candidates are the honest members (default: those that lie in the repository).",
)  # fmt: skip
@click.option("--voters", metavar="A,B", help="Only these voters.")
@click.option(
    "--verdicts",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Use these verdicts where they say something, instead of running the tests.",
)
@click.option("--attack", "names", multiple=True, metavar="NAME", help="Only this attack, repeatable (default: all).")
@click.option(
    "--decisions",
    type=click.IntRange(1, 100_000),
    default=DECISIONS,
    show_default=True,
    help="Least, of each ensemble.",
)
@click.option("--tasks", "most", type=click.IntRange(min=1), help="Only the first so many tasks.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of seats, variants and salts.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the figures here as JSON.")
@click.option(
    "--playable", type=click.Path(path_type=Path),
    help="Run nothing; write each attack as a voter here, in the form that `up --answers` plays.",
)  # fmt: skip
@home_option
@json_option
def attacks(
    answers: tuple[Path, ...], voters: str | None, verdicts: Path | None, names: tuple[str, ...], decisions: int,
    most: int | None, seed: int, out: Path | None, playable: Path | None, home_dir: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Seat attackers beside recorded voters, and tell how often a payload is served under `strict`."""
    mix = _mix(names)
    wanted = [name.strip() for name in (voters or "").split(",") if name.strip()]
    recordings = load_recordings(answers or shipped(), wanted)
    folder = root_of(home_dir) / "evals"
    with hold_folder(folder), Progressing(quiet=as_json) as show:
        evaluation = Evaluation(suite_tasks(root_of(home_dir), show), recordings, None, most)
        judged = judge_with(verdicts, folder, show)(evaluation.jobs())
        tasks = evaluation.tasks
        passes = {
            task.task_id: [
                judged[source_sha256(job_of(task, one.content))].passed for one in evaluation.pools[task.task_id]
            ]
            for task in tasks
        }
        members = ranked_members(evaluation.pools, passes)
        if playable is not None:
            targets = {Target(question_of(task), task.entry_point): _honest(members[task.task_id]) for task in tasks}
            playable.write_bytes(b"".join(_voter(attack, targets) for attack in mix))
            return 0
        told = partial(show.progress, "attacks", "tasks")
        found = asyncio.run(besiege(tasks, members, SETUPS, mix, draws_for(len(tasks), decisions), seed, told))
    report = siege_report(SETUPS, found, members, mix, seed)
    write_figures(out, report)
    if as_json:
        print_json(msgspec.to_builtins(report))
    else:
        _tell(Console(), report)
    return 0


def _mix(names: tuple[str, ...]) -> tuple[Attack, ...]:
    if unknown := sorted(set(names) - BY_NAME.keys()):
        raise ConfigurationError(f"no attack {', '.join(unknown)}; there are: {', '.join(BY_NAME)}")
    return tuple(attack for attack in ATTACKS if not names or attack.name in names)


def _honest(members: list[Member]) -> list[str]:
    return [member.candidate.content for member in sorted(members, key=lambda member: not member.passes)]


def _voter(attack: Attack, targets: dict[Target, list[str]]) -> bytes:
    name = f"attacker: {attack.name}"
    return b"".join(recorded_lines(attack, name, name, targets, PLAYED_SEEDS))


def _tell(console: Console, report: SiegeReport) -> None:
    rho = "-" if report.rho is None else f"{report.rho:.2f}"
    console.print(f"{report.tasks} tasks, {len(report.mix)} attacks in equal parts, honest error correlation {rho}")
    table = Table("ensemble", "decisions", "payload served (95 %)", "of served", "tasks hit", title="strict")
    for column in ("majority: payload", "its tasks hit", "coverage", "alone", "kept"):
        table.add_column(column)
    for row in report.ensembles:
        table.add_row(
            safe(row.name), str(row.decisions), _counted(row.payloads, row.decisions, row.payload),
            _counted(row.payloads, row.served, row.payload_of_served), _counted(len(row.hit), row.tasks, row.tasks_hit),
            _counted(row.majority_payloads, row.decisions, row.majority_payload),
            _counted(len(row.majority_hit), row.tasks, row.majority_tasks_hit),
            percent(row.coverage), percent(row.coverage_alone), "-" if row.kept is None else percent(row.kept),
        )  # fmt: skip
    console.print(table)
    console.print(
        "in brackets: bootstrap by task; 'exact' where one of Clopper and Pearson's over tasks, being wider, stands instead"
    )
    table = Table(
        "ensemble", "attack", "payload served", "anything served", "majority", title="attacks that got through"
    )
    for row in report.ensembles:
        for each in row.attacks:
            if each.payloads:
                hits = f"{each.payloads} of {each.decisions}"
                table.add_row(safe(row.name), safe(each.attack), hits, str(each.served), str(each.majority_payloads))
    console.print(table)


def _counted(hits: int, of: int, share: Estimate | None) -> str:
    return "-" if share is None else f"{hits} of {of}: {percent(share)}"
