"""``verify``: checks a decision's envelope step by step, and groups again what was retained; offline for a file."""

import asyncio
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click

from actors.base.certificates import TrustBundle, revoked_since
from actors.base.errors import ConfigurationError, HomeError, IntegrityError
from actors.base.ids import is_ulid
from actors.consensus.adapters.screener import all_rules
from actors.consensus.retention.adapters.repeating import run_again
from actors.consensus.retention.adapters.store import find_content
from actors.consensus.retention.content import Content, read_content
from actors.consensus.retention.regrouping import regroup
from actors.consensus.retention.rerunning import Rerun
from actors.consensus.sandbox.adapters.bubblewrap import BubblewrapSandbox
from actors.consensus.sandbox.config import SandboxConfig
from actors.consensus.screening import canaries
from actors.consensus.screening.findings import Screening
from actors.consensus.screening.screen import Screen
from actors.consensus.verification import Step, verify_envelope
from actors.health.adapters.capture import CONTENT
from actors.spans.log.checkpoint import witness_keys
from actors.spans.log.note import NoteKey, read_key
from actors.spans.record import DecisionRecord
from cluster.cli.context import Session, home_option, json_option, key_option, print_json, root_of, safe
from cluster.trust import load_trust

MAX_ENVELOPE_BYTES = 16 << 20
NOT_RETAINED = "not retained: grouping not repeated"
REPEATED = "repeated, as recorded"
PARTLY = "repeated in part: another version decided"


@dataclass(frozen=True, slots=True)
class _Grouping:
    """What grouping again came to."""

    words: str
    steps: tuple[Step, ...] = ()
    rerun: Rerun | None = None


@click.command(epilog="Example: weavergen verify decision.json --trust trust.json --content 01JD….json.gz --run")
@click.argument("target", metavar="FILE|DECISION_ID")
@click.option(
    "--trust", "trust_file", type=click.Path(path_type=Path), help="Trust bundle (default: the home's trust.json)."
)
@click.option("--require-inclusion", is_flag=True, help="Exit 1 unless the record is included in a log.")
@click.option(
    "--witness", "named", multiple=True, metavar="KEY",
    help="Verifier key of a witness of the log (default: those that root certifies). May be given several times.",
)  # fmt: skip
@click.option("--require-witnesses", type=click.IntRange(0), default=0, help="Exit 1 unless so many of them signed.")
@click.option("--save", type=click.Path(path_type=Path), help="Keep the fetched envelope in this file.")
@click.option(
    "--content",
    "content_place",
    type=click.Path(path_type=Path),
    metavar="FILE|DIRECTORY",
    help="Retained content, to group the answers again (default: the home's, where it holds the decision).",
)
@click.option("--run", "run_code", is_flag=True, help="Also run retained code again in the sandbox.")
@home_option
@key_option
@json_option
def verify(
    target: str, trust_file: Path | None, require_inclusion: bool, named: tuple[str, ...], require_witnesses: int,
    save: Path | None, content_place: Path | None, run_code: bool, home_dir: str | None, key_file: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Verify signatures, ballots, tally, choice, inclusion, and with retained content the grouping; exit 1 at what fails."""
    data = _envelope(target, home_dir, key_file)
    if save is not None:
        save.write_bytes(data)
    trust, now_s = _trust(trust_file, home_dir), int(time.time())
    witnesses = _witnesses(named, trust, now_s)
    try:
        verified = verify_envelope(data, trust, now_s, witnesses)
        grouping = _grouping(verified.record, content_place, home_dir, run_code=run_code)
    except IntegrityError as error:
        if as_json:
            print_json({"verified": False, "failed_step": error.param, "error": str(error)})
        else:
            click.echo(f"FAILED  {safe(error)}")
        return 1
    if as_json:
        steps = [{"name": step.name, "detail": step.detail} for step in (*verified.steps, *grouping.steps)]
        told = {"verified": True, "steps": steps, "inclusion": verified.inclusion, "decision": verified.record.id}
        print_json(told | _told(grouping) | {"witnesses": list(verified.witnesses)})
    else:
        for step in (*verified.steps[:-1], *grouping.steps):
            click.echo(f"ok      {step.name:<12} {safe(step.detail)}")
        if grouping.rerun is not None:
            click.echo(f"run again: {grouping.rerun.ending}: {safe(grouping.rerun.detail)}")
        click.echo(f"grouping: {grouping.words}")
        if witnesses or require_witnesses:
            by = ", ".join(map(safe, verified.witnesses)) or "none"
            click.echo(f"witnesses: {by} ({len(verified.witnesses)} of {len(witnesses)})")
        click.echo(f"inclusion: {verified.inclusion}")
    not_run = grouping.rerun is not None and grouping.rerun.ending == "could not run"
    too_little = require_inclusion and verified.inclusion != "included"
    return 1 if not_run or too_little or len(verified.witnesses) < require_witnesses else 0


def _told(grouping: _Grouping) -> dict[str, Any]:
    rerun = grouping.rerun
    return {
        "grouping": grouping.words,
        "run_again": None if rerun is None else {"ending": rerun.ending, "detail": rerun.detail},
    }


def _grouping(record: DecisionRecord, place: Path | None, home_dir: str | None, *, run_code: bool) -> _Grouping:
    """Group again from retained content; raise ``IntegrityError`` if that comes to something else."""
    home = root_of(home_dir)
    looked_in = place or home / CONTENT
    data = find_content(looked_in, record.id) if place is not None or _is_open(looked_in) else None
    if data is None:
        if place is not None or run_code:
            raise ConfigurationError(
                f"no content of decision {record.id} in {looked_in}; give --content the file that holds it"
            )
        return _Grouping(NOT_RETAINED)
    content = read_content(data)
    again = regroup(record, content, _screens)
    rerun = asyncio.run(_run_again(record, content, home)) if run_code else None
    if rerun is not None and rerun.ending == "differs":
        raise IntegrityError(f"run again: not as recorded: {rerun.detail}", "run again")
    return _Grouping(REPEATED if again.complete else PARTLY, again.steps, rerun)


def _is_open(folder: Path) -> bool:
    """Tell whether a home's content is there, and ours to read."""
    return os.access(folder, os.R_OK | os.X_OK) and folder.is_dir()


@cache
def _rules() -> Screen:
    """Return the rules of screening, once it is proven that they see: blind ones would contradict every record."""
    rules = all_rules()
    if missed := canaries.check(rules):
        raise ConfigurationError(f"screening is blind here, {len(missed)} canaries missed; install the locked packages")
    return rules


def _screens(code: str, language: str) -> Screening:
    return _rules()(code, language)


async def _run_again(record: DecisionRecord, content: Content, home: Path) -> Rerun:
    sandbox = BubblewrapSandbox(_bounds(home))
    try:
        await sandbox.start()
        return await run_again(record, content, sandbox)
    finally:
        await sandbox.close()


def _bounds(home: Path) -> SandboxConfig:
    """Return the bounds of this home's sandbox; the usual ones where there is no home, as on an auditor's machine."""
    try:
        return Session.open(str(home)).config.sandbox
    except HomeError:
        return SandboxConfig()


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


def _witnesses(named: Iterable[str], trust: TrustBundle, now_s: int) -> list[NoteKey]:
    """Return the keys that were given, else those that root certifies; one that root revoked is refused."""
    try:
        keys = [read_key(text) for text in named]
    except IntegrityError as error:
        raise ConfigurationError(f"--witness: {error}") from error
    revoked = revoked_since(trust)
    for key in keys:
        if key.public.key_id in revoked:
            raise ConfigurationError(f"--witness: root revoked the key of {key.name}: it counts no more")
    return keys or witness_keys(trust, now_s)
