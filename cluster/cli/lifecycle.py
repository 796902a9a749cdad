"""``up``, ``down``, ``status``."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cluster.access import read_key
from cluster.bringup import Wanted, bring_down, bring_up, running
from cluster.cli.context import Progressing, Session, home_option, json_option, print_json, root_of, safe
from cluster.client import GatewayClient, NotRunning
from cluster.config import Config
from cluster.demo import Shown, show
from cluster.home import Home, open_home
from cluster.node import LOOPBACK, Node
from cluster.status import gateway_url, processes, read_status


@click.command(epilog="Example: weavergen up --profile cpu")
@click.option(
    "--profile", default="cpu", show_default=True, metavar="NAME|FILE", help="cpu, gpu, replay or a YAML file."
)
@home_option
@click.option("--port", type=click.IntRange(1024, 65535), help="Port of the gateway (default 8000).")
@click.option(
    "--answers", multiple=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Recorded answers (JSON lines); may be given several times.",
)  # fmt: skip
@click.option("--demo/--no-demo", default=None, help="Whether to show what the voters say to eleven questions.")
@json_option
def up(
    profile: str, home_dir: str | None, port: int | None, answers: tuple[Path, ...], demo: bool | None, as_json: bool
) -> None:
    """Bring the system up, supervised, and wait until it is ready. Doing so twice changes nothing."""
    with Progressing(quiet=as_json) as progress:
        home, config, was_running = bring_up(root_of(home_dir), Wanted(profile, port, answers), progress)
    shown: list[Shown] = []
    console = Console(quiet=as_json)
    if config.demo if demo is None else demo:
        client = GatewayClient(gateway_url(config), read_key(home.keys / "client.key"))
        console.print("\n[bold]What real models say, and what they agree on[/bold]")
        shown = show(client, lambda item: _print_shown(console, item))
        agreed = sum(item.agreed is not None for item in shown)
        console.print(
            f"\n{agreed} of {len(shown)} questions were agreed on; the others are honestly without consensus."
        )
    told = _told(home, config)
    if as_json:
        print_json(told | {"was_running": was_running, "demo": [_plain(item) for item in shown]})
        return
    console.print(f"\n[bold green]ready[/bold green] (profile {config.profile})")
    for name, value in told.items():
        console.print(f"  {name.replace('_', ' '):<22} {safe(value)}", soft_wrap=True)


@click.command(epilog="Example: weavergen down")
@home_option
@json_option
def down(home_dir: str | None, as_json: bool) -> None:
    """End what `up` started for this home, and nothing else."""
    root = root_of(home_dir)
    count = 0
    if root.exists():
        with Progressing(quiet=as_json) as progress:
            count = bring_down(open_home(root), progress)
    if count == 0:
        raise NotRunning(f"nothing runs for {root}")
    if as_json:
        print_json({"ended": count})
    else:
        click.echo(f"{count} processes ended, none remain")


@click.command(epilog="Example: weavergen status --json")
@home_option
@json_option
def status(home_dir: str | None, as_json: bool) -> None:
    """Show the supervisor's state, readiness, policy, voters and the write-ahead log."""
    session = Session.open(home_dir)
    if not running(session.home):
        orphans = len(processes(session.home))
        what = f"the supervisor is gone and {orphans} processes are left" if orphans else "nothing runs"
        raise NotRunning(f"{what} for {session.home.root}; run `weavergen up`")
    supervised = read_status(session.home)
    told: dict[str, Any] = {
        "supervisor": {"phase": supervised.phase, "cause": supervised.cause, "restarts": supervised.restarts}
        if supervised
        else {"phase": "starting", "cause": "", "restarts": 0}
    }
    try:
        client = session.client("operator")
        told["gateway"] = client.get("/ops/status")
    except NotRunning as error:
        told["gateway"] = {"unreachable": str(error)}
    if as_json:
        print_json(told)
        return
    _print_status(Console(), told)


def _told(home: Home, config: Config) -> dict[str, str]:
    ports = Node(home, config).ports
    return {
        "api": f"{gateway_url(config)}/v1",
        "dashboard": f"http://{LOOPBACK}:{ports.dashboard}",
        "dashboard_token_file": str(home.ray_token),
        "client_key_file": str(home.keys / "client.key"),
        "operator_key_file": str(home.keys / "operator.key"),
        "trust_bundle": str(home.trust_file),
        "logs": str(home.logs),
        "configuration": f"{home.config_file} sha256 {config.sha256}",
    }


def _print_shown(console: Console, item: Shown) -> None:
    agreed = f"[green]agreed[/green]: {safe(item.agreed)}"
    verdict = agreed if item.agreed is not None else f"[yellow]{safe(item.outcome)}[/yellow]"
    console.print(f"\n[bold]{safe(item.question)}[/bold]")
    for voter, outcome, text in item.said:
        console.print(f"  {safe(voter):<22} {safe(outcome):<11} {safe(text)}", soft_wrap=True)
    console.print(f"  → {verdict}", soft_wrap=True)


def _plain(item: Shown) -> dict[str, Any]:
    said = [{"voter": voter, "outcome": outcome, "said": text} for voter, outcome, text in item.said]
    return {"question": item.question, "agreed": item.agreed, "outcome": item.outcome, "said": said}


def _print_status(console: Console, told: dict[str, Any]) -> None:
    supervisor, gateway = told["supervisor"], told["gateway"]
    cause = f" ({safe(supervisor['cause'])})" if supervisor["cause"] else ""
    console.print(f"supervisor: {supervisor['phase']}{cause}, restarts in a row: {supervisor['restarts']}")
    if "unreachable" in gateway:
        console.print(f"gateway: {safe(gateway['unreachable'])}")
        return
    readiness, policy = gateway.get("readiness", {}), gateway.get("policy", {})
    degraded = safe(", ".join(readiness.get("degraded", [])) or "nothing")
    console.print(f"ready: {readiness.get('ready')}  degraded: {degraded}")
    halt = policy.get("halt", {})
    console.print(
        f"policy: version {policy.get('version')}" + (f", HALTED: {safe(halt.get('reason'))}" if halt.get("on") else "")
    )
    table = Table("voter", "family", "lineage", "layers", "state")
    for voter in gateway.get("voters", []):
        who = (safe(voter[name]) for name in ("id", "family", "lineage"))
        table.add_row(*who, safe(", ".join(voter["layers"])), safe(voter["state"]))
    console.print(table)
    wal = gateway.get("wal", {})
    console.print(f"write-ahead log: {wal.get('emitted_spans')} spans emitted, {wal.get('queued_bytes')} bytes waiting")
