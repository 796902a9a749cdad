"""``policy``: shows the policy in force, or brings another version into force with the operator's key.

Nothing is signed that was not proven first (``cluster.succession``), and what a signature changes is shown before it.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from actors.base.canonical import to_builtins
from actors.policy.changes import Change, changes
from actors.policy.snapshot import PolicySnapshot
from actors.policy.transitions import frozen, successor, unfrozen
from actors.spans.adapters.storm import put_away
from cluster.access import database
from cluster.cli.context import Session, home_option, json_option, print_json, safe
from cluster.cli.transitions import author, in_force, reason_option, report
from cluster.succession import Note, Succession
from cluster.trust import load_trust, operator_key

yes_option = click.option("--yes", is_flag=True, help="Sign without asking.")
_CONTENT = ("layers", "weights", "thresholds", "calibration", "screening_version", "learning_frozen")
"""What a rollback brings back: neither halt nor voters unless asked for, and epochs only rise."""


@click.group(epilog='Example: weavergen policy rollback 3 --reason "quorum was too low"')
def policy() -> None:
    """Show the policy in force, or bring another version into force with the operator's key."""


@policy.command(epilog="Example: weavergen policy show")
@home_option
@json_option
def show(home_dir: str | None, as_json: bool) -> None:
    """Print the policy in force, verified against this home's trust bundle."""
    current = in_force(Session.open(home_dir))
    if as_json:
        print_json({"sha256": current.sha256, **to_builtins(current)})
        return
    for line in described(current):
        click.echo(safe(line))


@policy.command(epilog='Example: weavergen policy pin --reason "new operator key"')
@reason_option
@home_option
@json_option
def pin(reason: str, home_dir: str | None, as_json: bool) -> None:
    """Sign the policy in force once more as operator: from here on it is believed without its predecessors."""
    _follow(home_dir, "pin", successor, reason, as_json=as_json)


@policy.command(epilog='Example: weavergen policy freeze --reason "odd answers in the table"')
@reason_option
@home_option
@json_option
def freeze(reason: str, home_dir: str | None, as_json: bool) -> None:
    """Freeze learning: what is decided from here on teaches nothing, then or later."""
    _follow(home_dir, "freeze", frozen, reason, as_json=as_json)


@policy.command(epilog='Example: weavergen policy unfreeze --reason "rows were looked at"')
@reason_option
@home_option
@json_option
def unfreeze(reason: str, home_dir: str | None, as_json: bool) -> None:
    """Let learning go on, and put the pin of a span data corruption storm away if there is one.

    What was decided while learning was frozen is left out for good. What came before the freeze is not: look at the
    storm's rows first (`weavergen quarantine list`).
    """
    session = Session.open(home_dir)
    with _succession(session) as chain:
        current = chain.in_force()
        operator_key(session.operators)  # found to be missing before anything is put away
        if (aside := put_away(session.home.root)) is not None:
            click.echo(f"put away: {safe(str(aside))}", err=True)
            if not current.learning_frozen:
                report({"sha256": current.sha256, **to_builtins(current)}, as_json=as_json)
                return
        _published(session, chain, current, unfrozen(current, chain.now_ms()), "unfreeze", reason, as_json=as_json)


@policy.command(epilog='Example: weavergen policy rollback 3 --reason "quorum was too low"')
@click.argument("version", type=click.IntRange(min=1))
@reason_option
@click.option("--restore-halt", is_flag=True, help="Bring back that version's halt, or its absence, too.")
@click.option("--restore-voters", is_flag=True, help="Bring back who was active and who isolated, too.")
@yes_option
@home_option
@json_option
def rollback(
    version: int, reason: str, restore_halt: bool, restore_voters: bool, yes: bool, home_dir: str | None, as_json: bool
) -> None:
    """Bring an earlier version's content into force, as a new version signed by the operator.

    A halt and isolations in force stay unless asked otherwise.
    """
    session = Session.open(home_dir)
    with _succession(session) as chain:
        current = chain.in_force()
        new = rolled_back(
            current, chain.earlier(current, version), chain.now_ms(), halt=restore_halt, voters=restore_voters
        )
        _confirm(changes(current, new), yes=yes)
        _published(session, chain, current, new, "rollback", reason, target=str(version), as_json=as_json)


@policy.command(epilog='Example: weavergen policy recover --reason "disk lost the newest versions"')
@reason_option
@home_option
@json_option
def recover(reason: str, home_dir: str | None, as_json: bool) -> None:
    """Go on above versions that were lost or damaged: the newest whole one's content, HALTED.

    Restoring home/policy from a backup is better: it brings back what the lost versions said.
    """
    session = Session.open(home_dir)
    with _succession(session) as chain:
        made, lost = chain.recover(reason, author(), operator_key(session.operators))
    for change in lost:
        click.echo(
            f"lost: version {change.version}, {change.kind} {safe(change.target)}: {safe(change.reason)}", err=True
        )
    report({"sha256": made.sha256, **to_builtins(made)}, as_json=as_json)


def described(snapshot: PolicySnapshot) -> list[str]:
    """Return what a snapshot says, in lines for people."""
    halt, state = snapshot.halt, snapshot.voter_state
    return [
        f"policy version {snapshot.version} is in force, sha256 {snapshot.sha256}",
        f"generation is HALTED by {halt.by}: {halt.reason}" if halt.on else "generation is not halted",
        "learning is FROZEN" if snapshot.learning_frozen else "learning is not frozen",
        *(
            f"layer {rule.name}: quorum {rule.quorum}, min_lineages {rule.min_lineages}, min_n_eff {rule.min_n_eff}, "
            f"time_share {rule.time_share}; {', '.join(rule.members)}"
            for rule in snapshot.layers
        ),
        *(f"voter {voter}: {state[voter]}" for voter in sorted(state)),
        *(f"threshold {name}: {value}" for name, value in sorted(snapshot.thresholds.items())),
        *(() if snapshot.calibration else ("no policy states an error that it is calibrated for",)),
        *(
            f"{policy} is calibrated for an error of {stated.error}: {stated.source}"
            for policy, stated in sorted(snapshot.calibration.items())
        ),
    ]


def rolled_back(
    current: PolicySnapshot, old: PolicySnapshot, now_ms: int, *, halt: bool, voters: bool
) -> PolicySnapshot:
    """Return the successor of ``current`` with the content of ``old``."""
    content = {name: getattr(old, name) for name in _CONTENT}
    # A voter that only the old version knows comes with its state of then; everybody else keeps today's.
    content["voter_state"] = current.voter_state | old.voter_state if voters else old.voter_state | current.voter_state
    content["halt"] = old.halt if halt else current.halt
    return successor(current, now_ms, **content)


@contextmanager
def _succession(session: Session) -> Iterator[Succession]:
    with database(session.home, session.config.store) as opened:
        yield Succession(session.home, session.config.policy, lambda: load_trust(session.home.trust_file), opened)


def _follow(
    home_dir: str | None, kind: str, new: Callable[[PolicySnapshot, int], PolicySnapshot], reason: str, *, as_json: bool
) -> None:
    """Bring into force what ``new`` makes of the policy in force and the time."""
    session = Session.open(home_dir)
    with _succession(session) as chain:
        current = chain.in_force()
        _published(session, chain, current, new(current, chain.now_ms()), kind, reason, as_json=as_json)


def _confirm(found: list[Change], *, yes: bool) -> None:
    for change in found:
        click.echo(f"  {safe(change)}", err=True)
    if not found:
        click.echo("  nothing changes", err=True)
    if not yes and sys.stdin.isatty():
        click.confirm("Sign this with the operator's key?", abort=True, err=True)


def _published(
    session: Session, chain: Succession, current: PolicySnapshot, new: PolicySnapshot, kind: str, reason: str,
    *, target: str = "", as_json: bool,
) -> None:  # fmt: skip
    note = Note(kind, target, reason, author())
    published = chain.publish(current, new, note, operator_key(session.operators))
    report({"sha256": published.sha256, **to_builtins(published)}, as_json=as_json)
