"""``keys``: API keys of this home, and the keys that sign."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, get_args

import click
from rich.console import Console
from rich.table import Table

from actors.policy.snapshot import PolicyName
from actors.store.adapters.api_keys import ApiKey, NewKey
from actors.store.auth import Role
from cluster.access import access, database
from cluster.cli.context import Session, home_option, json_option, print_json, safe, store_of
from cluster.cli.transitions import author
from cluster.migrations import check
from cluster.rotation import Replaced, Rotated, Rotation


@click.group(epilog="Example: weavergen keys create --role client --tenant acme")
def keys() -> None:
    """Make, list, revoke and rotate API keys, and rotate signing keys. Secrets are shown once and stored hashed."""


@keys.command(epilog="Example: weavergen keys create --role client --tenant acme --policies strict,direct")
@click.option("--role", type=click.Choice(get_args(Role)), required=True)
@click.option("--tenant", default="default", show_default=True)
@click.option("--owner", default="", help="Who holds it.")
@click.option("--contact", default="", metavar="URL", help="Where its holder is reached.")
@click.option("--tier", type=click.IntRange(0, 9), default=0, show_default=True)
@click.option("--policies", default="strict", show_default=True, help="Comma-separated: strict, evidence, direct.")
@home_option
@json_option
def create(
    role: Role, tenant: str, owner: str, contact: str, tier: int, policies: str, home_dir: str | None, as_json: bool
) -> None:
    """Make a key and print it, once."""
    new = NewKey(role, tenant, _policies(policies), tier, owner, contact)
    with access(*store_of(home_dir)) as mine:
        made, text = mine.create(new)
    _print_new(made, text, as_json=as_json)


@keys.command(name="list", epilog="Example: weavergen keys list")
@home_option
@json_option
def list_keys(home_dir: str | None, as_json: bool) -> None:
    """List every key ever made, without its secret."""
    with access(*store_of(home_dir)) as mine:
        found = mine.keys.list()
    if as_json:
        print_json([asdict(item) for item in found])
        return
    table = Table("id", "role", "tenant", "policies", "owner", "state")
    for item in found:
        state = "valid" if item.revoked_at_ms is None else "revoked"
        table.add_row(item.id, item.role, item.tenant, ",".join(item.policies), safe(item.owner), state)
    Console().print(table)


@keys.command(epilog="Example: weavergen keys revoke 01JD0000000000000000000000")
@click.argument("key_id")
@home_option
@json_option
def revoke(key_id: str, home_dir: str | None, as_json: bool) -> None:
    """Revoke a key; every replica refuses it within 2 s."""
    with access(*store_of(home_dir)) as mine:
        revoked = mine.revoke(key_id)
    if as_json:
        print_json(asdict(revoked))
    else:
        click.echo(f"revoked {revoked.id}")


@keys.command(epilog="Example: weavergen keys rotate --role policy")
@click.argument("key_id", required=False)
@click.option(
    "--role", "roles", multiple=True, type=click.Choice(get_args(Rotated)),
    help="Which signing key, without KEY_ID; may be given several times (default: issuer and policy).",
)  # fmt: skip
@click.option("--at-once", is_flag=True, help="Revoke the issuer before its running writers have new certificates.")
@home_option
@json_option
def rotate(key_id: str | None, roles: tuple[Rotated, ...], at_once: bool, home_dir: str | None, as_json: bool) -> None:
    """Replace signing keys, or the API key KEY_ID, and revoke the old ones.

    Signing keys are certified by root.key in the operator's directory. Nothing needs a restart, and records signed
    before stay verifiable. An API key's replacement holds the same rights; where home/keys held the old one's text, it
    holds the new one's.
    """
    if key_id is None:
        _rotate_signing(Session.open(home_dir), roles or ("issuer", "policy"), at_once=at_once, as_json=as_json)
        return
    if roles or at_once:
        raise click.UsageError("--role and --at-once are for signing keys: leave KEY_ID out")
    with access(*store_of(home_dir)) as mine:
        made, text = mine.rotate(key_id)
        file, stale = mine.file_of(made.id), mine.file_of(key_id)
    _print_new(made, text, as_json=as_json)
    if file is not None:
        click.echo(f"It is in {file} as well.", err=True)
    if stale is not None:
        click.echo(f"{stale} could not be written and still holds the revoked key: put the new one there.", err=True)


def _rotate_signing(session: Session, roles: Sequence[Rotated], *, at_once: bool, as_json: bool) -> None:
    console, done = Console(stderr=True, quiet=as_json), list[Replaced]()
    with database(session.home, session.config.store) as opened, console.status("running writers get new certificates"):
        check(opened)
        rotation = Rotation(session.home, session.config, session.operators, opened)
        try:
            rotation.rotate(roles, author(), at_once=at_once, told=done.append if as_json else _print_replaced)
        finally:
            if done:
                print_json([asdict(item) for item in done])  # also when the next one fails: these are replaced
    if as_json:
        return
    click.echo(f"Nothing needs a restart. Verifiers elsewhere need the new {session.home.trust_file}.")


def _print_replaced(item: Replaced) -> None:
    click.echo(f"{item.role}: key {item.key_id} in {item.file}; revoked: {', '.join(item.revoked)}")


def _policies(text: str) -> tuple[PolicyName, ...]:
    names: Sequence[Any] = [name.strip() for name in text.split(",") if name.strip()]
    known = get_args(PolicyName)
    if not names or not set(names) <= set(known):
        raise click.UsageError(f"--policies takes some of {', '.join(known)}")
    return tuple(names)


def _print_new(made: ApiKey, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(made) | {"key": text})
        return
    click.echo(f"id     {made.id}\nrole   {made.role}\ntenant {made.tenant}")
    click.echo(f"key    {text}\nIt is shown once; keep it now.")
