"""Commands that submit a Ray job, follow it and print what it found."""

import time
from collections.abc import Sequence
from typing import Any

import click

from actors.base.canonical import MICRO, decimal_str
from actors.base.errors import InvalidRequest, VersionConflict
from actors.consensus.adapters.registry import WeightsRegistry
from actors.learning.release import require_bounded
from actors.policy.snapshot import PolicySnapshot, WeightsRef
from actors.policy.transitions import successor
from actors.spans.adapters.storm import read_pin
from cluster.access import database
from cluster.cli.context import Progressing, Session, home_option, json_option, print_json, safe
from cluster.cli.transitions import author, in_force
from cluster.jobs.submission import new_job_id, report_file, submit
from cluster.node import Node
from cluster.succession import Note, Succession
from cluster.trust import load_trust, operator_key

WHAT_NOW = "look at `weavergen quarantine list`, then `weavergen policy unfreeze`"
MAX_HOURS = 24 * 366
_SHOWN = 20
_DAY_NS = 86_400 * 10**9


@click.command(epilog="Example: weavergen audit --hours 24")
@click.option("--hours", type=click.FloatRange(0, MAX_HOURS, min_open=True), default=24.0, show_default=True)
@click.option("--detach", is_flag=True, help="Print the job's id and leave it to itself.")
@home_option
@json_option
def audit(hours: float, detach: bool, home_dir: str | None, as_json: bool) -> int:
    """Verify every decision of the last hours once more, on the cluster; exit 1 if anything is not as it must be."""
    session = Session.open(home_dir)
    job_id = new_job_id("audit")
    arguments = [
        f"--home={session.home.root}", f"--hours={hours}", f"--report={report_file(session.home, job_id)}"
    ]  # fmt: skip
    report = _run(session, job_id, "cluster.jobs.audit", arguments, quiet=as_json, detach=detach)
    if report is None:
        return _left(job_id, session, as_json=as_json)
    if as_json:
        print_json(report | {"job": job_id})
    else:
        _show_audit(report, str(report_file(session.home, job_id)))
    return 0 if report.get("ok") is True else 1


@click.command(epilog="Example: weavergen learn --full")
@click.option("--full", is_flag=True, help="Learn from every span there is, not only the last days.")
@click.option("--detach", is_flag=True, help="Print the job's id and leave it to itself; nothing comes into force.")
@home_option
@json_option
def learn(full: bool, detach: bool, home_dir: str | None, as_json: bool) -> int:
    """Learn voters' weights from recorded decisions, and bring them into force with the operator's key.

    Refused while policy halts generation or freezes learning, and while a span data corruption storm is pinned. A weight moves
    by at most learning.max_change each time.
    """
    session = Session.open(home_dir)
    current = in_force(session)
    _require_learning(session, current)
    if not detach:
        operator_key(session.operators)  # found to be missing now, not after the job
    since_ns = 0 if full else max(0, time.time_ns() - session.config.learning.window_days * _DAY_NS)
    job_id = new_job_id("learn")
    arguments = [
        f"--home={session.home.root}", f"--weights={current.weights.sha256}", f"--since-ns={since_ns}",
        f"--report={report_file(session.home, job_id)}",
    ]  # fmt: skip
    report = _run(session, job_id, "cluster.jobs.learn", arguments, quiet=as_json, detach=detach)
    if report is None:
        return _left(job_id, session, as_json=as_json)
    version = _released(session, current.weights.sha256, str(report["new"]), job_id)
    if as_json:
        print_json(report | {"job": job_id, "policy_version": version})
    else:
        _show_learned(report, version)
    return 0


def _require_learning(session: Session, current: PolicySnapshot) -> None:
    pin = read_pin(session.home.root)
    storm = f"; a span data corruption storm is pinned: {pin}, {WHAT_NOW}" if pin is not None else ""
    if current.learning_frozen or current.halt.on:
        why = "learning is frozen" if current.learning_frozen else "generation is halted"
        raise InvalidRequest(f"{why} by policy version {current.version}: nothing is learned now{storm}")
    if storm:
        raise InvalidRequest(f"nothing is learned now{storm}")


def _released(session: Session, old: str, new: str, job_id: str) -> int:
    """Sign the policy that names the candidate, if it is another one; return the version then in force."""
    trust = load_trust(session.home.trust_file)
    with database(session.home, session.config.store) as opened:
        chain = Succession(session.home, session.config.policy, lambda: trust, opened)
        current = chain.in_force()
        _require_learning(session, current)
        if current.weights.sha256 != old:
            raise VersionConflict("other weights came into force meanwhile; learn again")
        if new == old:
            return current.version
        registry = WeightsRegistry(session.home.registry)
        bound = round(session.config.learning.max_change * MICRO)
        require_bounded(registry.weights(old), registry.weights(new), bound)
        wanted = successor(current, chain.now_ms(), weights=WeightsRef(sha256=new))
        note = Note("learn", new, f"learned by {job_id}", author())
        return chain.publish(current, wanted, note, operator_key(session.operators)).version


def _show_learned(report: dict[str, Any], version: int) -> None:
    click.echo(f"{'voter':24} {'kind':12} {'n':>8} {'agreement':>9} {'old':>8} -> {'new':8} {'latency':>9}")
    for row in report["rows"]:
        shares = (row["agreed"] * MICRO // row["n"], row["old_micro"], row["new_micro"])
        agreement, old, new = map(decimal_str, shares)
        latency = "-" if row["latency_ms"] is None else f"{row['latency_ms']} ms"
        line = f"{row['voter']:24} {row['kind']:12} {row['n']:8} {agreement:>9} {old:>8} -> {new:8} {latency:>9}"
        click.echo(safe(line))
    for row in report["pairs"]:
        if row["old_micro"] != row["new_micro"]:
            old, new = decimal_str(row["old_micro"]), decimal_str(row["new_micro"])
            line = (
                f"{row['pair']}: correlation {old} -> {new}, {row['both_dissented']} of {row['n']} dissented together"
            )
            click.echo(safe(line))
    if frozen := report["frozen_versions"]:
        click.echo(f"left out: what was decided under policy versions {_listed(frozen)}, which froze learning")
    said = "nothing changes; policy" if report["new"] == report["old"] else "policy"
    click.echo(f"{said} version {version} is in force; {report['files']} files, {report['took_s']} s")


def _listed(versions: Sequence[int]) -> str:
    more = len(versions) - _SHOWN
    return ", ".join(map(str, versions[-_SHOWN:])) + (f" and {more} before" if more > 0 else "")


def _run(
    session: Session, job_id: str, module: str, arguments: list[str], *, quiet: bool, detach: bool
) -> dict[str, Any] | None:
    with Progressing(quiet=quiet) as progressing:
        progressing.step(f"job {job_id}")

        def tell(line: str) -> None:
            progressing.progress(job_id.partition("-")[0], line, 0, 0)

        try:
            return submit(Node(session.home, session.config), job_id, module, arguments, tell, detach=detach)
        except KeyboardInterrupt:
            file = report_file(session.home, job_id)
            click.echo(f"{job_id} goes on; its report will be in {file}, and nothing comes into force", err=True)
            raise


def _left(job_id: str, session: Session, *, as_json: bool) -> int:
    file = report_file(session.home, job_id)
    if as_json:
        print_json({"job": job_id, "report": str(file)})
    else:
        click.echo(f"{job_id} runs; its report will be in {file}")
    return 0


def _show_audit(report: dict[str, Any], file: str) -> None:
    results = ", ".join(f"{count} {result}" for result, count in report["results"].items()) or "none"
    inclusion = ", ".join(f"{count} {found}" for found, count in report["inclusion"].items()) or "none"
    click.echo(f"window     {report['since']} to {report['until']}")
    click.echo(f"decisions  {report['decisions']} ({results}), {report['records']} records, {report['took_s']} s")
    click.echo(f"inclusion  {inclusion}")
    click.echo(f"log        {report['log']['whole']} of {report['log']['size']} batches are what was sealed")
    for item in report["findings"][:_SHOWN]:
        where = f"{item['writer_id']} row {item['seq']}" if item["writer_id"] else "both records"
        click.echo(safe(f"FAILED     decision {item['decision_id']}, {where}: {item['why']}"))
    for item in report["unread"][:_SHOWN]:
        click.echo(safe(f"UNREADABLE {item['place']}: {item['why']}"))
    for item in report["log"]["answered"][:_SHOWN]:
        whose = f"rows {item['first_seq']} to {item['last_seq']} of {item['writer_id']}"
        click.echo(
            safe(
                f"ANSWERED   batch {item['batch']}: {whose} were sealed as they lay, by {item['by']}: {item['reason']}"
            )
        )
    for item in report["log"]["damage"][:_SHOWN]:
        where = "log" if item["batch"] < 0 else f"batch {item['batch']}"
        click.echo(safe(f"DAMAGED    {where}: {item['kind']}: {item['why']}"))
    total = report["findings_total"] + report["unread_total"] + report["log"]["damage_total"]
    click.echo(f"{'all verified' if report['ok'] else f'{total} findings'}; report: {file}")
