"""``ask``: one request, as a client would make it."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cluster.cli.context import Session, home_option, json_option, key_option, print_json, safe, votes_of
from cluster.demo import in_short, request_body


@click.command(epilog='Example: weavergen ask "Write a Python function is_prime(n)" --explain')
@click.argument("prompt")
@click.option("--model", default="consensus", show_default=True, help="`consensus` or a voter's id.")
@click.option("--kind", type=click.Choice(["auto", "code", "json", "value", "text"]), default="auto", show_default=True)
@click.option("--max-tokens", type=click.IntRange(min=1), help="Bound of each voter's answer.")
@click.option("--deadline-s", type=click.FloatRange(0.05, 600), default=240.0, show_default=True)
@click.option("--explain", is_flag=True, help="Show votes, groups, quorum, screening, verdict, proof.")
@home_option
@key_option
@json_option
def ask(
    prompt: str, model: str, kind: str, max_tokens: int | None, deadline_s: float, explain: bool,
    home_dir: str | None, key_file: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Ask for an answer. Exits 1 if there is none that can be vouched for."""
    client = Session.open(home_dir).client("client", key_file)
    body = request_body(prompt, kind=kind, max_tokens=max_tokens, deadline_ms=int(deadline_s * 1000), model=model)
    console = Console(stderr=True, quiet=as_json)
    with console.status("the voters are answering"):
        status, answer = client.ask(body, deadline_s)
    if as_json:
        print_json(answer)
        return 0 if status == 200 else 1
    out = Console()
    if status == 200:
        out.print(safe(answer["choices"][0]["message"]["content"]), soft_wrap=True, highlight=False)
    else:
        error = answer.get("error") or {}
        out.print(
            f"[yellow]{safe(error.get('code', status))}[/yellow]: {safe(error.get('message', ''))}", soft_wrap=True
        )
    if explain:
        _explain(out, answer)
    return 0 if status == 200 else 1


def _explain(out: Console, body: dict[str, Any]) -> None:
    told = body.get("weavergen") or {}
    if not told:
        return
    table = Table("voter", "lineage", "outcome", "group", "weight", "ms", "said")
    for vote in votes_of(body):
        group = vote.get("group")
        table.add_row(
            safe(vote["voter"]), safe(vote["lineage"]), safe(vote["outcome"]), "" if group is None else str(group),
            f"{vote['weight']:.2f}", str(vote["latency_ms"]), safe(in_short(vote)),
        )  # fmt: skip
    out.print(table)
    agreement, layer = told.get("agreement") or {}, told.get("layer") or {}
    for tried in (layer.get("tried") or [])[:-1]:
        out.print(f"layer {safe(tried['name'])} {safe(tried['outcome'])}: {safe(tried['cause'])}", soft_wrap=True)
    out.print(
        f"layer {safe(layer.get('name'))}, policy {safe(told.get('policy'))}: {safe(agreement.get('kind'))} by "
        f"{safe(agreement.get('method'))}, support {agreement.get('support', 0):.2f} of quorum {agreement.get('quorum', 0):.2f}, "
        f"{agreement.get('lineages', 0)} lineages{_examples(agreement)} → {safe(told.get('result'))}"
    )
    parts = [_screened(told["screening"])] if told.get("screening") else []
    parts += [_logged(told["log"])] if told.get("log") else []
    if parts:
        out.print("; ".join(parts), soft_wrap=True)
    out.print(f"decision {safe(told.get('decision_id'))}; check it: weavergen verify {safe(told.get('decision_id'))}")


def _examples(agreement: dict[str, Any]) -> str:
    examples = agreement.get("examples") or {}
    return f", {examples.get('passed', 0)} of {examples['run']} examples passed" if examples.get("run") else ""


def _screened(screening: dict[str, Any]) -> str:
    found = screening.get("findings") or []
    findings = "; ".join(f"{f['rule']} ({f['cwe']}, line {f['line']})" for f in found) or "no findings"
    return f"screening {safe(screening.get('verdict'))} ({safe(screening.get('version') or 'no version')}): {safe(findings)}"


def _logged(log: dict[str, Any]) -> str:
    merge_by = f", to be merged by {safe(log['merge_by'])}" if log.get("merge_by") else ""
    return f"transparency log: {safe(log.get('status'))}{merge_by}, durability {safe(log.get('durability'))}"
