"""``halt``, ``resume``, ``isolate``, ``readmit``: signed changes of the policy in force.

Tightenings are signed by the gateway with the policy key. Where the gateway does not answer in time, fails, is overloaded,
does not know the API key or shows no result, and where somebody else listens in its place or the configuration that tells
where it is cannot be read, the command line does the same itself with the home's policy key: an operator can always halt,
the system up or not.
Loosenings are signed here, with the operator's key. Server processes do not use that key; whether they could read it is
``operator: co-located`` in ``/readyz``.
"""

import getpass
import time
from collections.abc import Callable
from typing import Any

import click

from actors.base.canonical import canonical_json, to_builtins
from actors.base.errors import HomeError, NotFound, StorageUnavailable
from actors.policy.snapshot import PolicySnapshot, sign_snapshot
from actors.policy.transitions import readmitted, resumed
from cluster.access import database
from cluster.cli.context import Session, home_option, json_option, print_json, root_of, safe
from cluster.client import NotRunning, Refused, gateway_client
from cluster.direct import DirectDesk
from cluster.home import Home, open_home
from cluster.succession import Succession, policy_in_force
from cluster.trust import load_trust, operator_key
from serve_apps.gateway.desk import PolicyDesk

PATIENCE_S = 3.0
"""How long the gateway may take to tighten before that is done without it."""

reason_option = click.option("--reason", required=True, help="Why; it is kept in the policy history.")


@click.command(epilog='Example: weavergen halt --reason "wrong answers reported"')
@reason_option
@home_option
@json_option
def halt(reason: str, home_dir: str | None, as_json: bool) -> None:
    """Stop every answer on every replica within a second. It stays so across restarts.

    Works without the gateway, too: when it is overloaded or nothing runs, the halt is signed and published here.
    """
    _tightened(
        open_home(root_of(home_dir)), "halt", {"reason": reason}, lambda desk: desk.halt(reason, author(), None),
        as_json=as_json,
    )  # fmt: skip


@click.command(epilog='Example: weavergen resume --reason "voter replaced"')
@reason_option
@home_option
@json_option
def resume(reason: str, home_dir: str | None, as_json: bool) -> None:
    """Let answers leave again; signed with the operator's key on this machine."""
    session = Session.open(home_dir)
    signed, version = _signed(session, lambda now, now_ms: resumed(now, reason, author(), now_ms))
    body: dict[str, object] = {"reason": reason, "transition": signed, "if_version": version}
    report(session.client("operator").post("/ops/resume", body), as_json=as_json)


@click.command(epilog='Example: weavergen isolate gemma-3-270m --reason "babbles"')
@click.argument("voter")
@reason_option
@home_option
@json_option
def isolate(voter: str, reason: str, home_dir: str | None, as_json: bool) -> None:
    """Make a voter's ballots count for nothing, in every layer. Works without the gateway, too."""
    _tightened(
        open_home(root_of(home_dir)), "isolate", {"reason": reason, "target": voter},
        lambda desk: desk.isolate(voter, None), as_json=as_json,
    )  # fmt: skip


@click.command(epilog="Example: weavergen readmit gemma-3-270m")
@click.argument("voter")
@click.option("--reason", default="readmitted", show_default=True)
@home_option
@json_option
def readmit(voter: str, reason: str, home_dir: str | None, as_json: bool) -> None:
    """Let an isolated voter's ballots count again; signed with the operator's key on this machine."""
    session = Session.open(home_dir)
    signed, version = _signed(session, lambda now, now_ms: readmitted(now, voter, now_ms))
    body: dict[str, object] = {"reason": reason, "target": voter, "transition": signed, "if_version": version}
    report(session.client("operator").post("/ops/readmit", body), as_json=as_json)


def in_force(session: Session) -> PolicySnapshot:
    """Return the policy in force, checked against the history too unless the database is away."""
    trust = load_trust(session.home.trust_file)
    try:
        with database(session.home, session.config.store) as opened:
            return Succession(session.home, session.config.policy, lambda: trust, opened).in_force()
    except StorageUnavailable as error:
        click.echo(f"not compared with the policy history: {safe(error)}", err=True)
    current = policy_in_force(session.home, trust, int(time.time()), config=session.config.policy)
    if current is None:
        raise NotFound("this home has no policy yet; run `weavergen up`")
    return current


def report(snapshot: dict[str, object], *, as_json: bool, via: str = "") -> None:
    """Print a snapshot, or in one line that it is in force."""
    if as_json:
        print_json(snapshot)
        return
    halted = snapshot.get("halt")
    on = isinstance(halted, dict) and halted.get("on")
    line = f"policy version {snapshot.get('version')} is in force" + ("; generation is HALTED" if on else "")
    click.echo(line + (f" ({via})" if via else ""))


def author() -> str:
    """Return who is named as the author of a transition signed here."""
    return f"operator {getpass.getuser()}"


def shows(snapshot: dict[str, Any], verb: str, target: str) -> bool:
    """Tell whether what a gateway answered is a policy that halts, or isolates ``target``. Pure."""
    halted, states = snapshot.get("halt"), snapshot.get("voter_state")
    if verb == "halt":
        return isinstance(halted, dict) and halted.get("on") is True
    return isinstance(states, dict) and states.get(target) == "isolated"


def _tightened(
    home: Home,
    verb: str,
    body: dict[str, str],
    directly: Callable[[PolicyDesk], PolicySnapshot],
    *,
    as_json: bool,
) -> None:
    try:
        answer = _through_gateway(home, verb, body)
    except (NotRunning, Refused, HomeError) as error:
        if isinstance(error, Refused) and error.is_on_the_merits:
            raise
        with DirectDesk(home, home.salvage()) as direct:
            applied = direct.apply(directly, verb, body.get("target", ""), body["reason"], author())
        answer = {"sha256": applied.snapshot.sha256, **to_builtins(applied.snapshot)}
        told = answer | {"via": "home", "how": applied.how, "gateway": str(error)}
        report(told, as_json=as_json, via=f"{applied.how}, without the gateway: {safe(error)}")
        return
    report(answer | {"via": "gateway"}, as_json=as_json, via="through the gateway")


def _through_gateway(home: Home, verb: str, body: dict[str, str]) -> dict[str, Any]:
    client = gateway_client(home, home.read_config(), home.keys / "operator.key")
    answer = client.post(f"/ops/{verb}", body, PATIENCE_S)
    if not shows(answer, verb, body.get("target", "")):
        raise NotRunning(f"the gateway's answer does not show that it did {verb}")
    return answer


def _signed(session: Session, change: Callable[[PolicySnapshot, int], PolicySnapshot]) -> tuple[str, int]:
    current = in_force(session)
    signed = sign_snapshot(change(current, time.time_ns() // 1_000_000), operator_key(session.operators))
    return canonical_json(signed).decode(), current.version
