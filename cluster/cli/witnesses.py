"""``witnesses``: who watches the log, as root certifies them in ``trust.json``."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from actors.base.errors import ConfigurationError, IntegrityError
from actors.spans.log.note import NoteKey, read_key
from cluster.access import database
from cluster.cli.context import Session, home_option, json_option, print_json, root_of, safe
from cluster.home import open_home
from cluster.migrations import check
from cluster.trust import load_trust
from cluster.witness_register import WitnessRegister, registered

ELSEWHERE = "Nothing needs a restart. Verifiers elsewhere need the new"


@click.group(epilog="Example: weavergen witnesses add witness.example/1+1f2e3d4c+BOvN…")
def witnesses() -> None:
    """List, add and revoke the witnesses that `verify` counts. Adding and revoking need root.key."""


@witnesses.command(name="list", epilog="Example: weavergen witnesses list")
@home_option
@json_option
def list_witnesses(home_dir: str | None, as_json: bool) -> None:
    """List every witness that root ever certified."""
    found = registered(load_trust(open_home(root_of(home_dir)).trust_file), int(time.time()))
    if as_json:
        print_json([asdict(each) for each in found])
        return
    table = Table("name", "state", "until", "key")
    for each in found:
        until = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(each.until_s))
        table.add_row(safe(each.name), each.state, until, safe(each.key))
    Console().print(table)


@witnesses.command(epilog="Example: weavergen witnesses add witness.example/1+1f2e3d4c+BOvN…")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@home_option
@json_option
def add(keys: tuple[str, ...], home_dir: str | None, as_json: bool) -> None:
    """Have root certify witnesses, given their verifier keys as each prints its own."""
    wanted, session = [_key(text) for text in keys], Session.open(home_dir)
    with _register(session) as register:
        added = register.add(wanted)
    if as_json:
        print_json([{"name": key.name, "key": key.text} for key in added])
        return
    click.echo(f"certified: {', '.join(safe(key.name) for key in added) or 'none that was not before'}")
    click.echo(f"{ELSEWHERE} {session.home.trust_file}.")


@witnesses.command(epilog="Example: weavergen witnesses revoke witness.example/1 --reason 'its key was stolen'")
@click.argument("which", metavar="NAME|KEY")
@click.option("--reason", required=True, help="Why; it is signed, and stays in trust.json.")
@home_option
@json_option
def revoke(which: str, reason: str, home_dir: str | None, as_json: bool) -> None:
    """Revoke a witness for good: it counts no more, nor does what it signed before."""
    session = Session.open(home_dir)
    with _register(session) as register:
        gone = register.revoke(which, reason)
    if as_json:
        print_json([{"name": each.name, "key": each.key} for each in gone])
        return
    click.echo(f"revoked: {', '.join(safe(each.key) for each in gone)}")
    click.echo(f"{ELSEWHERE} {session.home.trust_file}.")


@contextmanager
def _register(session: Session) -> Iterator[WitnessRegister]:
    with database(session.home, session.config.store) as opened:
        check(opened)
        yield WitnessRegister(session.home, session.config, session.operators, opened)


def _key(text: str) -> NoteKey:
    try:
        return read_key(text)
    except IntegrityError as error:
        raise ConfigurationError(f"{text[:64]!r} is no verifier key of a witness: {error}") from error
