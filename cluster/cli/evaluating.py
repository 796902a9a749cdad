"""``eval humaneval``: what recorded answers of real voters are worth."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from actors.base.canonical import MICRO
from actors.base.errors import ConfigurationError, NotReady
from actors.consensus.sandbox.protocol import Job
from actors.learning.counts import VoterSums
from actors.policy.snapshot import PolicyName
from cluster.cli.context import Progressing, home_option, json_option, print_json, root_of, safe
from cluster.evals.arena import decide_strictly, judge_in_sandbox, select_by_consensus
from cluster.evals.budget import Budget, learned
from cluster.evals.dataset import humaneval
from cluster.evals.evaluation import Evaluation, Poisoning, check_recording, load_recordings, read_bounded
from cluster.evals.judging import VerdictFile, read_verdicts
from cluster.evals.local_engine import LocalEngine, prepare
from cluster.evals.locking import hold_folder
from cluster.evals.plot import curves_svg
from cluster.evals.poisoning import poisoned_voter
from cluster.evals.recorder import differences, greedy_again
from cluster.evals.recording import Recording, recorded_answers
from cluster.evals.regeneration import Again, compared, drawn, single_answers
from cluster.evals.report import MOST_ERROR, Pools, Report
from cluster.evals.runs import RUNS
from cluster.evals.scoring import Verdict, job_of, source_sha256
from cluster.evals.selection import Ranking
from cluster.evals.statistics import Estimate, Selective
from cluster.evals.tasks import SUITE, Task
from models.catalog import load_catalog
from models.errors import WeightsError
from models.weights import models_dir_of

SHIPPED = Path(__file__).parents[2] / "tests" / "data" / "humaneval"
"""Recordings that lie in the repository."""
THREADS = 2
POLICIES: tuple[PolicyName, ...] = ("strict", "evidence")
EQUAL_SHARE = 0.8
"""Of answers made again, how many must be judged like the recorded ones."""


@click.command(SUITE, epilog="Example: weavergen eval humaneval --samples 5 --out humaneval.json")
@click.option(
    "--answers", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
    help="Recordings to score (default: those that lie in the repository).",
)  # fmt: skip
@click.option("--voters", metavar="A,B", help="Only these voters.")
@click.option("--samples", type=click.IntRange(min=1), help="Only the first so many samples of each recording.")
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    metavar="N",
    help="Choose among N candidates a task, divided among voters by learned weight (default: all that are recorded).",
)
@click.option(
    "--policy", type=click.Choice(["strict", "evidence"]), help="Consensus under this policy alone (default: both)."
)
@click.option(
    "--verdicts",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Use these verdicts where they say something, instead of running the tests.",
)
@click.option(
    "--regenerate",
    type=click.IntRange(1, 164),
    metavar="N",
    help="Make N recorded greedy answers again and compare them.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of the resampling, or of which answers are made again."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write the figures here as JSON, their curves beside as SVG."
)
@click.option(
    "--playable", type=click.Path(path_type=Path), help="Write the answers here in the form that `up --answers` plays."
)
@home_option
@json_option
def evaluate(
    answers: tuple[Path, ...], voters: str | None, samples: int | None,
    budget: int | None, policy: PolicyName | None, verdicts: Path | None,
    regenerate: int | None, seed: int, out: Path | None, playable: Path | None, home_dir: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Score recorded answers: each voter, the ceiling of any selection, and selectors at the same budget.

    With --regenerate, exits 1 unless four fifths of the answers made again have the recorded ones' verdicts.
    """
    names = [name.strip() for name in (voters or "").split(",") if name.strip()]
    recordings = load_recordings(answers or shipped(), names)
    if playable is not None:
        playable.write_bytes(b"".join(recorded_answers(recordings)))
    folder = root_of(home_dir) / "evals"
    with hold_folder(folder), Progressing(quiet=as_json) as show:
        tasks = suite_tasks(root_of(home_dir), show)
        judge = judge_with(verdicts, folder, show)
        if regenerate is not None:
            show.step("a real voter answers again, one task at a time")
            again = _regenerate(tasks, recordings, judge, regenerate, seed, root_of(home_dir))
        else:
            evaluation = Evaluation(tasks, recordings, samples)
            found = _figures(evaluation, judge, budget, policy, seed, show)
    if regenerate is not None:
        return _tell_again(again, out, as_json=as_json)
    write_figures(out, found)
    if out is not None:
        out.with_suffix(".svg").write_text(_plot(found), encoding="utf-8")
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        _tell(Console(), found)
    return 0


def suite_tasks(root: Path, show: Progressing) -> tuple[Task, ...]:
    """Return the suite; raises ``ConfigurationError`` where it cannot be had."""
    try:
        return humaneval(root / "evals", lambda *step: show.progress(SUITE, *step))
    except WeightsError as error:
        raise ConfigurationError(str(error)) from error


def _figures(
    evaluation: Evaluation, judge: "Judge", total: int | None, policy: PolicyName | None, seed: int, show: Progressing
) -> Report:
    """Judge, learn weights, divide the budget by them, deliberate, report; then once more with a voter poisoned."""
    evaluation.budget({}, total)  # one that cannot be divided is refused before hours of judging
    verdicts = judge(evaluation.jobs())
    budget = evaluation.budget(_learned(evaluation, policy, seed, show), total)
    by_consensus = partial(_by_consensus, evaluation.tasks, budget, policy, seed, show)
    found = evaluation.report(verdicts, budget, seed, by_consensus(evaluation.choices(budget)))
    voter = poisoned_voter(evaluation.choices(budget), found.best_voter)
    if voter is None:
        return found
    show.step(f"the same again, with {voter} poisoned")
    poisoning = Poisoning(evaluation, budget, verdicts, voter, seed)
    rows = poisoning.rows(found.best_voter, seed, by_consensus(poisoning.pools))
    return msgspec.structs.replace(found, poisoned=rows)


def _learned(
    evaluation: Evaluation, policy: PolicyName | None, seed: int, show: Progressing
) -> Mapping[str, VoterSums]:
    """Return what decisions teach of the voters; without a sandbox nothing, unless a policy was asked for."""
    told = partial(show.progress, "learn weights", "tasks")
    try:
        return learned(asyncio.run(decide_strictly(evaluation.tasks, evaluation.single_ballots(), seed, told)))
    except NotReady as error:
        if policy:
            raise
        show.step(f"no weights are learned: {error}")
        return {}


def _by_consensus(
    tasks: Sequence[Task], budget: Budget, policy: PolicyName | None, seed: int, show: Progressing, pools: Pools
) -> dict[PolicyName, dict[str, Ranking]]:
    """Return each policy's rankings; without a sandbox none, unless a policy was asked for."""
    told = partial(show.progress, "consensus", "tasks")
    policies = (policy,) if policy else POLICIES
    weights = {voter: round(weight * MICRO) for voter, weight in budget.weights.items()}
    try:
        return asyncio.run(select_by_consensus(tasks, pools, policies, weights, seed, told))
    except NotReady as error:
        if policy:
            raise
        show.step(f"consensus is left out of the figures: {error}")
        return {}


Judge = Callable[[Sequence[Job]], Mapping[str, Verdict]]


def judge_with(given: Path | None, folder: Path, show: Progressing) -> Judge:
    """Return what judges runs: by the verdicts given, by those this home has kept, else in the sandbox."""

    def judge(jobs: Sequence[Job]) -> Mapping[str, Verdict]:
        file = VerdictFile(folder / "verdicts.jsonl")
        known = file.known | (read_verdicts(read_bounded(given), str(given)) if given is not None else {})
        try:
            asyncio.run(
                judge_in_sandbox(jobs, known, file.append, lambda *step: show.progress("judge", "candidates", *step))
            )
        finally:
            file.close()
        return known | file.known

    return judge


def _regenerate(
    tasks: Sequence[Task], recordings: Sequence[Recording], judge: Judge, count: int, seed: int, root: Path
) -> list[Again]:
    recording = single_answers(recordings)
    check_recording(recording, tasks)
    header = recording.header
    run = next((run for run in RUNS.values() if run.voter == header.voter and run.concurrency == 1), None)
    if run is None:
        raise ConfigurationError(f"how {header.voter} was recorded is not known to this build")
    now, settings = prepare(run, load_catalog().entry(run.weights), models_dir_of(root, os.environ), THREADS)
    if differs := differences(header, now):
        click.echo(f"recorded otherwise: {differs}", err=True)
    by_id, picked = {task.task_id: task for task in tasks}, drawn(recording, count, seed)
    made = greedy_again([by_id[one.task_id] for one in picked], LocalEngine(settings, header.sampling))

    pairs = [(one, made[one.task_id]) for one in picked]
    jobs = [job_of(by_id[one.task_id], sample.content) for one, new in pairs for sample in (one.samples[0], new)]
    verdicts = judge(jobs)
    passed = [verdicts[source_sha256(job)].passed for job in jobs]
    return [
        compared(one.task_id, one.samples[0], new, passed[2 * place], passed[2 * place + 1])
        for place, (one, new) in enumerate(pairs)
    ]


def _tell_again(again: Sequence[Again], out: Path | None, *, as_json: bool) -> int:
    same = sum(one.same_verdict for one in again)
    found = {"answers": msgspec.to_builtins(again), "same_verdicts": same}
    write_figures(out, found)
    if as_json:
        print_json(found)
    else:
        table = Table("task", "tokens agree", "recorded", "made again")
        for one in again:
            verdicts = ["passes" if passed else "fails" for passed in (one.recorded_passed, one.made_passed)]
            table.add_row(one.task_id, f"{one.agreeing_tokens} of {one.recorded_tokens}", *verdicts)
        Console().print(table)
        click.echo(f"{same} of {len(again)} verdicts are equal")
    return 0 if same >= EQUAL_SHARE * len(again) else 1


def write_figures(out: Path | None, found: object) -> None:
    """Write figures as JSON, where a place for them was named."""
    if out is not None:
        out.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")


def shipped() -> list[Path]:
    """Return the recordings that lie in the repository."""
    return sorted(SHIPPED.glob("*.jsonl.gz"))


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
        table.add_row(safe(row.voter), kind, percent(row.pass_at_1), percent(row.any_passes))
    console.print(table)
    shares = ", ".join(
        f"{safe(voter)} {found.budget.candidates[voter]} (weight {weight:.2f} of {found.budget.decisions[voter]} decisions)"
        for voter, weight in found.budget.weights.items()
    )
    console.print(f"candidates to choose from, by learned weight: {shares}")
    ceiling = percent(found.oracle)
    console.print(f"oracle (any candidate passes) {ceiling}, beta {100 * found.beta:.1f} %")
    table = Table(
        "selection",
        "of",
        "pass@1 (95 %)",
        "over best voter",
        "served: coverage, pass@1, error",
        f"coverage at ≤ {MOST_ERROR:.0%} error",
        title="selectors",
    )
    for choice in found.selections:
        table.add_row(
            safe(choice.name), str(choice.candidates), percent(choice.pass_at_1), percent(choice.over_best_voter),
            _served(choice.served), f"{100 * choice.coverage_at_most_error:.1f} %",
        )  # fmt: skip
    console.print(table)
    if found.poisoned:
        table = Table("selection", "pass@1 (95 %)", "payload chosen", "payload served")
        table.title = f"with {safe(found.poisoned[0].voter)} poisoned"
        for each in found.poisoned:
            counts = (f"{hits} of {each.tasks}" for hits in (each.payload_first, each.payload_served))
            table.add_row(safe(each.name), percent(each.pass_at_1), *counts)
        console.print(table)


def _served(served: Selective) -> str:
    error = "-" if served.error is None else f"{100 * served.error:.1f} %"
    return f"{100 * served.coverage:.1f} %, {100 * served.pass_at_1:.1f} %, {error}"


def percent(estimate: Estimate) -> str:
    """Return an estimate as people read it, with its bounds."""
    exact = ", exact" if estimate.exact else ""
    return f"{100 * estimate.value:.1f} % ({100 * estimate.low:.1f} to {100 * estimate.high:.1f}{exact})"
