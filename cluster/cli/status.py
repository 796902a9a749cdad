"""``status``: the supervisor's state, and whatever else can be learned; it is asked when little can be.

Exit code 0 means ready, 3 that nothing runs, 1 everything between. ``--json`` prints JSON in every case. Watching goes on
whatever is seen, and ends with 0 when it is interrupted.
"""

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from actors.base.errors import WeaverGenError
from cluster.cli.context import home_option, json_option, print_json, print_json_line, root_of, safe
from cluster.cli.watching import Told, in_place, watch
from cluster.client import NotRunning, gateway_client
from cluster.home import Home, is_home, open_home
from cluster.probes import parsed
from cluster.status import processes, read_status, supervisor

INTERVAL_S = 2.0
HEALTH_OLD_S = 60.0
_READY = re.compile(r'^weavergen_ready\{[^}]*replica="([^"]+)"[^}]*\} ([0-9.]+)', re.MULTILINE)


@click.command(epilog="Example: weavergen status --watch")
@click.option("--watch", "watched", is_flag=True, help="Look again until Ctrl-C; with --json one object a line.")
@click.option("--interval-s", type=click.FloatRange(0.1, 3600), help=f"Pause of --watch (default {INTERVAL_S:g}).")
@home_option
@json_option
def status(watched: bool, interval_s: float | None, home_dir: str | None, as_json: bool) -> int:
    """Show the supervisor's state, replicas, layers, voters, versions, the write-ahead log and open incidents."""
    root = root_of(home_dir)
    if watched:
        watch_status(root, interval_s or INTERVAL_S, as_json=as_json)
        return 0
    if interval_s is not None:
        raise click.UsageError("--interval-s is the pause of --watch: give both, or neither")
    told = look(root)
    if as_json:
        print_json(told)
    if not told["running"]:
        raise NotRunning(absence(root, told))
    if not as_json:
        show(Console(), told)
    return 0 if told["ready"] else 1


def watch_status(root: Path, interval_s: float, *, as_json: bool) -> None:
    """Show a home's state again and again; whatever cannot be learned is shown as that."""

    def seen() -> Told:
        return {"at": datetime.now(UTC).isoformat(timespec="seconds"), **look_again(root)}

    def shown(console: Console, told: Told) -> None:
        console.print(f"{told['at']}, every {interval_s:g} s; Ctrl-C ends it", highlight=False)
        if told["running"]:
            show(console, told)
        else:
            console.print(safe(told.get("cause") or absence(root, told)), soft_wrap=True)

    tell: AbstractContextManager[Callable[[Told], None]]
    tell = nullcontext(print_json_line) if as_json else in_place(Console(), shown)
    watch(seen, tell, lambda: pause(interval_s))


def pause(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)


def look(root: Path) -> Told:
    """Return everything that can be learned of what runs for a home, or that nothing does."""
    home = open_home(root) if is_home(root) else None
    if home is None or supervisor(home) is None:
        return {"running": False, "ready": False, "processes_left": len(processes(home)) if home else 0}
    return collect(home)


def look_again(root: Path) -> Told:
    """Look at a home that may go away, or be half there, at any moment: why it cannot be looked at is what is seen."""
    try:
        return look(root)
    except (WeaverGenError, OSError) as error:
        return {"running": False, "ready": False, "processes_left": 0, "cause": str(error)}


def absence(root: Path, told: Told) -> str:
    """Say that a home's system does not run, and what to do. Pure."""
    left = told["processes_left"]
    what = f"the supervisor is gone and {left} processes are left" if left else "nothing runs"
    return f"{what} for {root}; run `weavergen up`"


def collect(home: Home) -> dict[str, Any]:
    """Return everything that can be learned of a running home; what cannot be says why."""
    told: dict[str, Any] = {"running": True, "ready": False, "supervisor": supervised(home)}
    try:
        config = home.read_config()
        told["configuration"] = {"profile": config.profile, "sha256": config.sha256}
        client = gateway_client(home, config, home.keys / "operator.key")
    except WeaverGenError as error:
        return told | {"gateway": {"unreachable": str(error)}, "incidents": None, "replicas": None, "health": None}
    told["gateway"] = learned(lambda: client.get("/ops/status"))
    told["replicas"] = learned(lambda: replicas(client.get_bytes("/metrics")))
    told["incidents"] = learned(lambda: open_incidents(client.get_bytes("/ops/incidents")))
    told["health"] = learned(lambda: client.get("/ops/predictions"))
    readiness = told["gateway"].get("readiness") or {}
    told["ready"] = told["supervisor"]["phase"] == "ready" and readiness.get("ready") is True
    return told


def supervised(home: Home) -> dict[str, Any]:
    """Return what the supervisor last said of itself."""
    said = read_status(home)
    if said is None:
        return {"phase": "starting", "cause": "", "restarts": 0, "blocked": False, "alerted": False, "since": None}
    since = datetime.fromtimestamp(said.since_unix_s, UTC).isoformat(timespec="seconds")
    return {
        "phase": said.phase, "cause": said.cause, "restarts": said.restarts, "blocked": said.blocked,
        "alerted": said.alerted, "since": since,
    }  # fmt: skip


def learned(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what was asked for, or why it cannot be had."""
    try:
        return ask()
    except WeaverGenError as error:
        return {"unreachable": str(error)}


def replicas(page: bytes) -> dict[str, Any]:
    """Read replica → readiness off the union of metrics, which lags by up to ten seconds. Pure."""
    return {replica: float(value) > 0 for replica, value in _READY.findall(page.decode("utf-8", "replace"))}


def open_incidents(body: bytes) -> dict[str, Any]:
    """Return how many of the newest incidents are open, and the newest of those. Pure."""
    listed = parsed(b'{"all":' + body + b"}").get("all")
    found = [item for item in listed or [] if isinstance(item, dict) and item.get("acked_at_ms") is None]
    return {"open": len(found), "newest": found[0] if found else None}


def show(console: Console, told: dict[str, Any]) -> None:
    """Print it for people."""
    said, gateway = told["supervisor"], told["gateway"]
    cause = f" ({safe(said['cause'])})" if said["cause"] else ""
    marks = "".join(f", {word}" for word in ("blocked", "alerted") if said[word])
    console.print(
        f"supervisor: {said['phase']}{cause} since {said['since']}, restarts in a row: {said['restarts']}{marks}",
        soft_wrap=True,
    )
    if found := told.get("configuration"):
        console.print(f"configuration: profile {safe(found['profile'])}, sha256 {found['sha256']}", soft_wrap=True)
    if "unreachable" in gateway:
        console.print(f"gateway: {safe(gateway['unreachable'])}", soft_wrap=True)
    else:
        _show_gateway(console, gateway)
    _show_rest(console, told)


def _show_gateway(console: Console, gateway: dict[str, Any]) -> None:
    readiness, policy = gateway.get("readiness") or {}, gateway.get("policy") or {}
    console.print(f"ready: {'yes' if readiness.get('ready') else 'no'}")
    for name in ("reasons", "degraded"):
        for item in readiness.get(name) or []:
            console.print(f"  {name}: {safe(item)}", soft_wrap=True)
    halt = policy.get("halt") or {}
    halted = f", HALTED: {safe(halt.get('reason'))}" if halt.get("on") else ""
    frozen = ", learning FROZEN" if policy.get("learning_frozen") else ""
    console.print(
        f"policy: version {policy.get('version')}, sha256 {policy.get('sha256')}{halted}{frozen}", soft_wrap=True
    )
    if gateway.get("storm"):
        console.print(f"span data corruption storm: {safe(gateway['storm'])}", soft_wrap=True)
    for layer in gateway.get("layers") or []:
        rules = ", ".join(
            f"{name} {safe(layer.get(name))}"
            for name in ("quorum", "min_lineages", "min_n_eff", "time_share", "independence", "egress")
        )
        members = safe(", ".join(layer.get("members") or {}))
        console.print(f"layer {safe(layer.get('name'))}: {rules}; {members}", soft_wrap=True)
    table = Table("voter", "family", "lineage", "layers", "state")
    for voter in gateway.get("voters") or []:
        who = (safe(voter[name]) for name in ("id", "family", "lineage"))
        table.add_row(*who, safe(", ".join(voter["layers"])), safe(voter["state"]))
    console.print(table)
    console.print(f"breakers: {safe(_breakers(gateway.get('breakers') or []))}", soft_wrap=True)
    if admission := gateway.get("admission"):
        console.print(f"admission: {safe(_admission(admission))}", soft_wrap=True)
    wal = gateway.get("wal") or {}
    console.print(
        f"write-ahead log: {wal.get('emitted_spans')} spans emitted, {wal.get('queued_bytes')} bytes waiting, "
        f"{wal.get('refused')} refused, {wal.get('reserve_depth')} segments in reserve", soft_wrap=True,
    )  # fmt: skip
    log = gateway.get("log")
    waited = (
        f"{log['batches']} batches, the oldest row not sealed has waited {log['merge_delay_s']:.1f} s" if log else ""
    )
    console.print(f"transparency log: {waited or 'not heard of'}", soft_wrap=True)
    if spans := gateway.get("spans"):
        console.print(
            f"spans: {spans['rows_read']} read, {spans['rows_accepted']} accepted, {spans['rows_quarantined']} set aside",
            soft_wrap=True,
        )


def _breakers(shown: list[dict[str, Any]]) -> str:
    """Return the breakers that are not closed, in one line."""
    lines = [
        f"{item['voter']} {item['state']} ({item['cause']}"
        + (f", {item['open_left_s']:.0f} s left)" if item["open_left_s"] else ")")
        for item in shown
        if item["state"] != "closed"
    ]
    return ", ".join(lines) or (f"all {len(shown)} closed" if shown else "none")


def _admission(shown: dict[str, Any]) -> str:
    """Return who is let in, in one line."""
    saved = f", saves {', '.join(shown['cuts'])}" if shown["cuts"] else ""
    return (
        f"{shown['under_way']} of {shown['limit']} under way, {shown['waiting']} wait, {shown['admitted']} let in, "
        f"{shown['shed']} shed, {shown['rate_limited']} rate limited{saved or _savable(shown['can_cut'])}"
    )


def _savable(cuts: list[str] | None) -> str:
    """Return what a brown-out could save here."""
    if cuts is None:
        return ""
    return f", could save {', '.join(cuts)}" if cuts else ", nothing to save under pressure"


def _show_rest(console: Console, told: dict[str, Any]) -> None:
    _show_health(console, told.get("health") or {})
    known, incidents = told.get("replicas") or {}, told.get("incidents") or {}
    if known and "unreachable" not in known:
        listed = ", ".join(f"{safe(name)} {'ready' if ready else 'not ready'}" for name, ready in known.items())
        console.print(f"replicas: {len(known)} ({listed})", soft_wrap=True)
    if "open" in incidents:
        newest = incidents["newest"] or {}
        last = f", newest: {safe(newest.get('kind'))} ({safe(newest.get('level'))})" if newest else ""
        console.print(f"open incidents: {incidents['open']}{last}", soft_wrap=True)


def _show_health(console: Console, health: dict[str, Any]) -> None:
    """Print score and forecasts; nothing where they could not be asked for."""
    if not health or "unreachable" in health:
        return
    if health.get("score") is None:
        console.print("health: no tick yet")
        return
    age_s = health["age_s"]
    silent = f", of {age_s:.0f} s ago: no tick was kept since" if age_s > HEALTH_OLD_S else ""
    console.print(f"health: score {health['score']:.2f}{silent}", soft_wrap=True)
    for check in health["checks"]:
        if check["score"] < 1:
            console.print(f"  {safe(check['name'])}: {check['score']:.2f}, {safe(check['detail'])}", soft_wrap=True)
    for forecast in health["predictions"]:
        told = (
            ", ".join(f"{int(h) // 60} min {p:.0%}" for h, p in forecast["probabilities"].items()) or "too little seen"
        )
        levels = f"{forecast['level']:.0%} of at most {forecast['limit']:.0%}"
        console.print(f"  {safe(forecast['signal'])}: {levels}; breach within {told}", soft_wrap=True)
    for alarm in health["alarms"]:
        console.print(f"  alarm: {safe(alarm)}", soft_wrap=True)
