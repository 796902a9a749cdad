"""``keys``: API keys of this home."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, get_args

import click
from rich.console import Console
from rich.table import Table

from actors.policy.snapshot import PolicyName
from actors.store.adapters.api_keys import ApiKey, NewKey
from actors.store.auth import Role
from cluster.access import access
from cluster.cli.context import Session, home_option, json_option, print_json, safe


@click.group(epilog="Example: weavergen keys create --role client --tenant acme")
def keys() -> None:
    """Make, list, revoke and rotate API keys. Secrets are shown once and stored hashed."""


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
    session = Session.open(home_dir)
    new = NewKey(role, tenant, _policies(policies), tier, owner, contact)
    with access(session.home, session.config.store) as mine:
        made, text = mine.create(new)
    _print_new(made, text, as_json=as_json)


@keys.command(name="list", epilog="Example: weavergen keys list")
@home_option
@json_option
def list_keys(home_dir: str | None, as_json: bool) -> None:
    """List every key ever made, without its secret."""
    session = Session.open(home_dir)
    with access(session.home, session.config.store) as mine:
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
    session = Session.open(home_dir)
    with access(session.home, session.config.store) as mine:
        revoked = mine.revoke(key_id)
    if as_json:
        print_json(asdict(revoked))
    else:
        click.echo(f"revoked {revoked.id}")


@keys.command(epilog="Example: weavergen keys rotate 01JD0000000000000000000000")
@click.argument("key_id")
@home_option
@json_option
def rotate(key_id: str, home_dir: str | None, as_json: bool) -> None:
    """Replace a key by a new one with the same rights and revoke the old one."""
    session = Session.open(home_dir)
    with access(session.home, session.config.store) as mine:
        made, text = mine.rotate(key_id)
    _print_new(made, text, as_json=as_json)


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
