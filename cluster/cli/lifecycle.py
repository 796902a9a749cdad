"""``up``, ``down``."""

import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from actors.base.endings import endings
from cluster.application import direct_only, lineages
from cluster.bringup import Wanted, bring_down, bring_up
from cluster.cli.context import Progressing, home_option, json_option, print_json, root_of, safe
from cluster.client import NotRunning, gateway_client
from cluster.config import Config, RayConfig
from cluster.demo import Shown, show
from cluster.home import Home, is_home, open_home
from cluster.node import LOOPBACK, Node
from cluster.observability import files as observability
from cluster.status import gateway_url
from cluster.trust import load_trust
from models.catalog import load_catalog


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
    client_key = home.keys / "client.key"  # somebody may keep it elsewhere: then only who asks for the demo needs it
    if (config.demo and client_key.exists()) if demo is None else demo:
        client = gateway_client(home, config, client_key)
        console.print("\n[bold]What real models say, and what they agree on[/bold]")
        shown = show(client, lambda item: _print_shown(console, item))
        agreed = sum(item.agreed is not None for item in shown)
        console.print(
            f"\n{agreed} of {len(shown)} questions were agreed on; the others are honestly without consensus."
        )
    told, warnings = _told(home, config), _warnings(home, config)
    if as_json:
        print_json(told | {"warnings": warnings, "was_running": was_running, "demo": [_plain(item) for item in shown]})
        return
    console.print(f"\n[bold green]ready[/bold green] (profile {config.profile})")
    for line in warnings:
        console.print(f"  [yellow]{safe(line)}[/yellow]", soft_wrap=True)
    for name, value in told.items():
        console.print(f"  {name.replace('_', ' '):<22} {safe(value)}", soft_wrap=True)


@click.command(epilog="Example: weavergen down")
@home_option
@json_option
def down(home_dir: str | None, as_json: bool) -> None:
    """End what `up` started for this home, and nothing else."""
    root = root_of(home_dir)
    count = 0
    if is_home(root):
        with Progressing(quiet=as_json) as progress:
            count = bring_down(open_home(root), progress)
    if count == 0:
        raise NotRunning(f"nothing runs for {root}")
    if as_json:
        print_json({"ended": count})
    else:
        click.echo(f"{count} processes ended, none remain")


def _told(home: Home, config: Config) -> dict[str, str]:
    ports = Node(home, config).ports
    several = {"ray_ports": _ray_ports(config.ray)} if config.ray.bind == "network" else {}
    return {
        "api": f"{gateway_url(config)}/v1",
        "dashboard": f"http://{LOOPBACK}:{ports.dashboard}",
        "dashboard_token_file": str(home.ray_token),
        "client_key_file": str(home.keys / "client.key"),
        "operator_key_file": str(home.keys / "operator.key"),
        "trust_bundle": str(home.trust_file),
        "logs": str(home.logs),
        "prometheus_config": str(observability.folder(home) / observability.PROMETHEUS),
        "grafana_config": str(observability.folder(home) / "grafana" / "grafana.ini"),
        "configuration": f"{home.config_file} sha256 {config.sha256}",
    } | several


def _warnings(home: Home, config: Config) -> list[str]:
    """Return what somebody should know of a system that is well."""
    ending = endings(load_trust(home.trust_file), int(time.time()))
    return [*direct_only(config, lineages(config, load_catalog())), *ending]


def _ray_ports(ray: RayConfig) -> str:
    apart = f"{ray.gcs_port} and " if ray.gcs_port and ray.gcs_port not in ray.port_range else ""
    return f"{apart}{ray.port_range[0]}-{ray.port_range[-1]}, for the cluster's nodes and nobody else"


def _print_shown(console: Console, item: Shown) -> None:
    agreed = f"[green]agreed[/green]: {safe(item.agreed)}"
    verdict = agreed if item.agreed is not None else f"[yellow]{safe(item.outcome)}[/yellow]"
    console.print(f"\n[bold]{safe(item.question)}[/bold]")
    for voter, outcome, text in item.said:
        console.print(f"  {safe(voter):<22} {safe(outcome):<11} {safe(text)}", soft_wrap=True)
    why = f": {safe(item.why)}" if item.why and not item.said else ""  # what voters said tells why
    console.print(f"  → {verdict}{why}", soft_wrap=True)


def _plain(item: Shown) -> dict[str, Any]:
    said = [{"voter": voter, "outcome": outcome, "said": text} for voter, outcome, text in item.said]
    return {"question": item.question, "agreed": item.agreed, "outcome": item.outcome, "said": said, "why": item.why}
