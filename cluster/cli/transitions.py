"""``halt``, ``resume``, ``isolate``, ``readmit``, ``policy``: signed changes of the policy in force.

Tightenings are signed by the gateway's policy key. Loosenings are signed here, with the operator's key, which no server
process can read.
"""

import getpass
import time
from collections.abc import Callable

import click

from actors.base.canonical import canonical_json, decode, to_builtins
from actors.base.errors import IntegrityError, NotFound
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.adapters.publisher import PolicyPublisher
from actors.policy.snapshot import PolicySnapshot, SignedSnapshot, sign_snapshot
from actors.policy.transitions import readmitted, resumed, successor
from actors.store.adapters.policy_history import PolicyHistory
from cluster.access import database
from cluster.cli.context import Session, home_option, json_option, print_json
from cluster.trust import load_trust, operator_key, policy_in_force

reason_option = click.option("--reason", required=True, help="Why; it is kept in the policy history.")


@click.command(epilog='Example: weavergen halt --reason "wrong answers reported"')
@reason_option
@home_option
@json_option
def halt(reason: str, home_dir: str | None, as_json: bool) -> None:
    """Stop every answer on every replica within a second. It stays so across restarts."""
    _posted(Session.open(home_dir), "halt", {"reason": reason}, as_json=as_json)


@click.command(epilog='Example: weavergen resume --reason "voter replaced"')
@reason_option
@home_option
@json_option
def resume(reason: str, home_dir: str | None, as_json: bool) -> None:
    """Let answers leave again; signed with the operator's key on this machine."""
    session = Session.open(home_dir)
    signed, version = _signed(session, lambda now, now_ms: resumed(now, reason, _author(), now_ms))
    body: dict[str, object] = {"reason": reason, "transition": signed, "if_version": version}
    _posted(session, "resume", body, as_json=as_json)


@click.command(epilog='Example: weavergen isolate gemma-3-270m --reason "babbles"')
@click.argument("voter")
@reason_option
@home_option
@json_option
def isolate(voter: str, reason: str, home_dir: str | None, as_json: bool) -> None:
    """Make a voter's ballots count for nothing, in every layer."""
    _posted(Session.open(home_dir), "isolate", {"reason": reason, "target": voter}, as_json=as_json)


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
    _posted(session, "readmit", body, as_json=as_json)


@click.group()
def policy() -> None:
    """Show the policy in force, or bring another version into force with the operator's key."""


@policy.command(name="show", epilog="Example: weavergen policy show")
@home_option
def show_policy(home_dir: str | None) -> None:
    """Print the policy in force, verified against this home's trust bundle."""
    current = _current(Session.open(home_dir))
    print_json({"sha256": current.sha256, **to_builtins(current)})


@policy.command(epilog='Example: weavergen policy pin --reason "new operator key"')
@reason_option
@home_option
@json_option
def pin(reason: str, home_dir: str | None, as_json: bool) -> None:
    """Sign the policy in force once more as operator: from here on it is believed without its predecessors."""
    session = Session.open(home_dir)
    current = _current(session)
    _published(session, current, successor(current, _now_ms()), "pin", reason, as_json=as_json)


@policy.command(epilog='Example: weavergen policy rollback 3 --reason "quorum was too low"')
@click.argument("version", type=click.IntRange(min=1))
@reason_option
@home_option
@json_option
def rollback(version: int, reason: str, home_dir: str | None, as_json: bool) -> None:
    """Bring an earlier version's content into force, as a new version signed by the operator."""
    session = Session.open(home_dir)
    current = _current(session)
    try:
        data = SnapshotDirectory(session.home.policy).read(version)
    except FileNotFoundError as error:
        raise NotFound(f"there is no policy version {version}; the one in force is {current.version}") from error
    old = decode(data, SignedSnapshot, "policy snapshot").read()
    if old.version != version:
        raise IntegrityError(f"the file of policy version {version} holds version {old.version}", "policy")
    content = {name: getattr(old, name) for name in _CONTENT}
    _published(session, current, successor(current, _now_ms(), **content), "rollback", reason, as_json=as_json)


_CONTENT = ("layers", "voter_state", "weights", "thresholds", "halt", "screening_version", "learning_frozen")
"""What a rollback brings back; invalidation epochs only rise."""


def _posted(session: Session, verb: str, body: dict[str, object], *, as_json: bool) -> None:
    _report(session.client("operator").post(f"/ops/{verb}", body), as_json=as_json)


def _signed(session: Session, change: Callable[[PolicySnapshot, int], PolicySnapshot]) -> tuple[str, int]:
    current = _current(session)
    signed = sign_snapshot(change(current, _now_ms()), operator_key(session.operators))
    return canonical_json(signed).decode(), current.version


def _published(
    session: Session, current: PolicySnapshot, new: PolicySnapshot, kind: str, reason: str, *, as_json: bool
) -> None:
    publisher = PolicyPublisher(SnapshotDirectory(session.home.policy), load_trust(session.home.trust_file))
    published = publisher.publish(current, sign_snapshot(new, operator_key(session.operators)))
    with database(session.home, session.config.store) as opened:
        PolicyHistory(opened).record(published, kind, str(new.version), reason, _author())
    _report({"sha256": published.sha256, **to_builtins(published)}, as_json=as_json)


def _current(session: Session) -> PolicySnapshot:
    trust = load_trust(session.home.trust_file)
    current = policy_in_force(session.home, trust, int(time.time()))
    if current is None:
        raise NotFound("this home has no policy yet; run `weavergen up`")
    return current


def _report(snapshot: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print_json(snapshot)
        return
    halted = snapshot.get("halt")
    on = isinstance(halted, dict) and halted.get("on")
    click.echo(f"policy version {snapshot.get('version')} is in force" + ("; generation is HALTED" if on else ""))


def _author() -> str:
    return f"operator {getpass.getuser()}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
