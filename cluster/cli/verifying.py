"""``verify``: checks a decision's envelope step by step; offline for a file."""

import time
from pathlib import Path

import click

from actors.base.certificates import TrustBundle
from actors.base.errors import ConfigurationError, IntegrityError
from actors.base.ids import is_ulid
from actors.consensus.verification import verify_envelope
from cluster.cli.context import Session, home_option, json_option, key_option, print_json, root_of
from cluster.trust import load_trust

MAX_ENVELOPE_BYTES = 16 << 20


@click.command(epilog="Example: weavergen verify decision.json --trust trust.json")
@click.argument("target", metavar="FILE|DECISION_ID")
@click.option(
    "--trust", "trust_file", type=click.Path(path_type=Path), help="Trust bundle (default: the home's trust.json)."
)
@click.option("--require-inclusion", is_flag=True, help="Exit 1 unless the record is included in a log.")
@click.option("--save", type=click.Path(path_type=Path), help="Keep the fetched envelope in this file.")
@home_option
@key_option
@json_option
def verify(
    target: str, trust_file: Path | None, require_inclusion: bool, save: Path | None, home_dir: str | None,
    key_file: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Verify signature chain, ballots, tally, choice and inclusion; print each step, exit 1 at the first that fails."""
    data = _envelope(target, home_dir, key_file)
    if save is not None:
        save.write_bytes(data)
    trust = _trust(trust_file, home_dir)
    try:
        verified = verify_envelope(data, trust, int(time.time()))
    except IntegrityError as error:
        if as_json:
            print_json({"verified": False, "failed_step": error.param, "error": str(error)})
        else:
            click.echo(f"FAILED  {error}")
        return 1
    if as_json:
        steps = [{"name": step.name, "detail": step.detail} for step in verified.steps]
        print_json({"verified": True, "steps": steps, "inclusion": verified.inclusion, "decision": verified.record.id})
    else:
        for step in verified.steps[:-1]:
            click.echo(f"ok      {step.name:<12} {step.detail}")
        click.echo(f"inclusion: {verified.inclusion}")
    return 1 if require_inclusion and verified.inclusion != "included" else 0


def _envelope(target: str, home_dir: str | None, key_file: Path | None) -> bytes:
    path = Path(target)
    if path.is_file():
        if path.stat().st_size > MAX_ENVELOPE_BYTES:
            raise ConfigurationError(f"{path} is larger than {MAX_ENVELOPE_BYTES >> 20} MiB; that is no envelope")
        return path.read_bytes()
    if is_ulid(target):
        return Session.open(home_dir).client("client", key_file).get_bytes(f"/v1/decisions/{target}")
    raise ConfigurationError(f"{target!r} is neither a file nor a decision id")


def _trust(trust_file: Path | None, home_dir: str | None) -> TrustBundle:
    return load_trust(trust_file or root_of(home_dir) / "trust.json")
