"""Commands that submit a Ray job, follow it and print what it found."""

from typing import Any

import click

from cluster.cli.context import Progressing, Session, home_option, json_option, print_json, safe
from cluster.jobs.submission import new_job_id, report_file, submit
from cluster.node import Node

MAX_HOURS = 24 * 366
_SHOWN = 20


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
            click.echo(f"{job_id} goes on; its report will be in {report_file(session.home, job_id)}", err=True)
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
    for item in report["log"]["damage"][:_SHOWN]:
        where = "log" if item["batch"] < 0 else f"batch {item['batch']}"
        click.echo(safe(f"DAMAGED    {where}: {item['kind']}: {item['why']}"))
    total = report["findings_total"] + report["unread_total"] + report["log"]["damage_total"]
    click.echo(f"{'all verified' if report['ok'] else f'{total} findings'}; report: {file}")
