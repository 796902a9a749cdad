"""``tenants``: erasing what opens a tenant's content."""

from dataclasses import asdict

import click

from cluster.access import database
from cluster.cli.context import Session, home_option, json_option, print_json, safe
from cluster.cli.transitions import author
from cluster.migrations import check
from cluster.tenants import erase_tenant


@click.group(epilog="Example: weavergen tenants erase acme --reason 'contract ended'")
def tenants() -> None:
    """Erase what opens the content of a tenant's requests."""


@tenants.command(epilog="Example: weavergen tenants erase acme --reason 'contract ended' --yes")
@click.argument("tenant", metavar="NAME")
@click.option("--reason", required=True, help="Why; it stands in the incident that tells of it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@home_option
@json_option
def erase(tenant: str, reason: str, yes: bool, home_dir: str | None, as_json: bool) -> int:
    """Destroy a tenant's salts, the content that was kept of it and its answers under idempotency keys.

    Nobody can open its commitments to prompts, notes and users any more, or test a guess; records and proofs stay whole. New
    requests get new salts and nothing needs a restart. Its API keys stay (`keys revoke`), and backups keep what they hold. So
    does the table of spans, of what its own services sent there in clear: it goes with `spans.retention_days`.
    """
    if not yes:
        click.confirm(f"Erase what opens the content of {safe(tenant)}? It cannot be had back", abort=True, err=True)
    session = Session.open(home_dir)
    with database(session.home, session.config.store) as opened:
        check(opened)
        erased = erase_tenant(session.home, session.config, opened, tenant, reason, author())
    if as_json:
        print_json(asdict(erased))
    else:
        click.echo(
            f"erased: salts of {safe(tenant)}, content of {erased.contents} decisions, {erased.answers} kept answers"
        )
        click.echo(
            "not erased: what spans of its own services hold in clear, which is their content only if the profile kept that "
            f"(content.tenants) or they call it by names of their own; {_how_long(session.config.spans.retention_days)}"
        )
    if erased.unread:
        click.echo(
            f"{erased.unread} files in {session.home.root}/content cannot be read, and nobody can tell whose they are: delete "
            f"them, or bring them back; incident {erased.incident} stays open",
            err=True,
        )
    return 1 if erased.unread else 0


def _how_long(days: int) -> str:
    """Say how long rows of the table are kept."""
    return (
        f"they go after {days} days (spans.retention_days)"
        if days
        else "they are kept for ever (spans.retention_days: 0)"
    )
