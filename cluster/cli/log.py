"""``log verify``: recomputes the transparency log from what lies on disk, and asks who remembers it what it was."""

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from actors.base.certificates import TrustBundle
from actors.base.errors import ConfigurationError
from actors.spans.adapters.check import Checked, check_log
from actors.spans.config import LogConfig
from actors.spans.log.checkpoint import SignedCheckpoint, read_checkpoint
from cluster.cli.context import Progressing, home_option, json_option, print_json, root_of, safe
from cluster.hearing import Hearing, hear, watchers
from cluster.home import Home, open_home
from cluster.jobs.audit import audit
from cluster.local_witnesses import lying_in, with_local, witness_dir
from cluster.records import read_records
from cluster.trust import load_trust

MAX_SHOWN = 20
DAMAGED, LATE, FAILED, AWAY, ANSWERED = "DAMAGED", "LATE", "FAILED", "AWAY", "ANSWERED"
_RED = (DAMAGED, LATE, FAILED)
_UNLIKE = frozenset({"fork", "leaves", "more"})
"""Kinds of damage beside which nobody knows whether the log goes on from what others saw: ``more`` may be any."""
UNTOLD = "nobody tells whether log and table were set back together"
WHAT_TO_DO = (
    "Bring the system up, which runs this machine's; revoke one that is gone for good (`weavergen witnesses revoke`); or say "
    "with --require-witnesses how many are enough"
)


@click.group(epilog="Example: weavergen log verify")
def log() -> None:
    """Look into the transparency log: what was recorded, and that nobody changed it since."""


@log.command("verify", epilog="Example: weavergen log verify --deep")
@click.option(
    "--deep",
    is_flag=True,
    help="Hash every row anew, also of files that were checked when they were merged, and verify every decision record, "
    "whenever it was made, like an audit.",
)
@click.option(
    "--seen", "files", multiple=True, type=click.Path(path_type=Path),
    help="A checkpoint that somebody kept: this log must go on from it. May be given several times.",
)  # fmt: skip
@click.option(
    "--require-witnesses", "least", type=click.IntRange(0), metavar="N",
    help="Exit 1 unless N witnesses were heard (default: all that count). 0 for a system that is down.",
)  # fmt: skip
@click.option(
    "--trust", "trust_file", type=click.Path(path_type=Path),
    help="A trust bundle that was kept elsewhere: who owns the home may strike witnesses from its trust.json.",
)  # fmt: skip
@home_option
@json_option
def verify(
    deep: bool, files: tuple[Path, ...], least: int | None, trust_file: Path | None, home_dir: str | None, as_json: bool
) -> int:  # fmt: skip
    """Recompute the log from its batches and those from the table's rows; name what does not fit, exit 1.

    Files that were merged are held by their bytes' digest, which an entry names that the log's key signed when every row in them
    had been hashed; all others row by row. That finds every byte that was changed since. --deep takes no entry's word.

    Exit 1 as well if rows have waited to be sealed for longer than their records promised, if a witness or whoever kept a
    checkpoint has seen another log, or if a witness was not heard that root certified or that lies on this machine: without
    them a home that was set back whole looks whole. They stop with the system. A batch that an operator answered for
    (`weavergen quarantine seal`) is said, and is no failure.
    """
    home = open_home(root_of(home_dir))
    config, now_s = home.read_config(), time.time()
    trust = load_trust(trust_file or home.trust_file)
    with Progressing(quiet=as_json) as progressing:

        def tell(done: int, total: int) -> None:
            progressing.progress("log", f"{done} of {total} files checked", done, total)

        hearing = heard_from(home, config.log, trust, int(now_s))
        seen = kept_in(files, trust) | hearing.seen
        checked = check_log(
            home.root, trust, config.spans.table_checkpoint_commits, tell, seen, deep=deep, location=config.spans.location
        )  # fmt: skip
        audited = _audited(home, checked, trust, now_s, progressing) if deep else None
    late = checked.waited_s(now_s) > config.log.merge_promise_s
    missing = hearing.missing(least)
    ok = not (checked.damage or late or missing) and (audited is None or audited["ok"] is True)
    if as_json:
        waits = {"waited_s": round(checked.waited_s(now_s), 3), "late": late}
        others = {
            "seen": {who: signed.head.size for who, signed in seen.items()}, "witnesses_away": hearing.away,
            "witnesses_heard": hearing.heard, "witnesses_missing": missing,
        }  # fmt: skip
        print_json(checked.report() | waits | others | {"ok": ok} | ({} if audited is None else {"records": audited}))
    else:
        lines = told(checked, now_s, config.log.merge_promise_s) + told_seen(seen, hearing, least, checked)
        lines += [] if audited is None else told_records(audited)
        for line in lines:
            click.secho(safe(line), fg="red" if line.startswith(_RED) else None)
    return 0 if ok else 1


def _audited(
    home: Home, checked: Checked, trust: TrustBundle, now_s: float, progressing: Progressing
) -> dict[str, Any]:  # fmt: skip
    """Verify every record there is, in this process."""
    rows = read_records(home.root, home.read_config().spans)

    def tell(line: str) -> None:
        progressing.progress("records", line, 0, 0)

    found = audit(rows, trust, checked, int(now_s), tell)
    ok = not found["findings_total"] and not found["unread_total"]
    return {name: value for name, value in found.items() if name not in {"schema", "log"}} | {"ok": ok}


def heard_from(home: Home, config: LogConfig, trust: TrustBundle, now_s: int) -> Hearing:
    """Ask the log's witnesses what they have seen."""
    here = lying_in(witness_dir(os.environ, home.root), trust)
    asked = watchers(with_local(home, config), here, trust, now_s)
    return hear(asked, trust, config.witness_timeout_s, config.witness_skew_s)


def kept_in(files: Iterable[Path], trust: TrustBundle) -> dict[str, SignedCheckpoint]:
    """Return the checkpoints in files that somebody kept, each of which this log signed.

    Raises ``ConfigurationError`` for a file that cannot be read, ``IntegrityError`` for one that holds none.
    """
    kept = dict[str, SignedCheckpoint]()
    for file in files:
        try:
            kept[str(file)] = read_checkpoint(file.read_bytes())
        except OSError as error:
            raise ConfigurationError(f"--seen {file}: it cannot be read: {error.strerror}") from error
        kept[str(file)].verify(trust)
    return kept


def told_seen(seen: Mapping[str, SignedCheckpoint], hearing: Hearing, least: int | None, checked: Checked) -> list[str]:
    """Return what others have seen as lines, and who was not heard. Pure."""
    unlike = not checked.size or any(item.kind in _UNLIKE for item in checked.damage)
    goes_on = "" if unlike else ", and the log goes on from there"
    lines = [f"{who} has seen {signed.head.size} batches{goes_on}" for who, signed in seen.items()]
    lines += [f"{AWAY}  {why}" for why in hearing.away]
    count = (
        f"{len(hearing.heard)} of {hearing.wanted} witnesses were heard" if hearing.wanted else "no witness watches it"
    )
    if hearing.missing(least):
        lines.append(
            f"{FAILED}  {count}{'' if least is None else f', and {least} are required'}: {UNTOLD}. {WHAT_TO_DO}"
        )
    elif not hearing.heard:
        lines.append(f"{count}: {UNTOLD}")
    return lines


def told(checked: Checked, now_s: float, promise_s: float) -> list[str]:
    """Return what was found as lines. Pure."""
    lines = [f"log of {checked.size} batches, root {checked.root}"]
    lines.append(f"{len(checked.whole)} batches of {checked.rows} rows are what was sealed")
    if checked.expired:
        lines.append(f"{checked.expired} batches have expired, as signed entries say; their leaves are in the log")
    if checked.trusted_files:
        held = f"{checked.trusted_files} merged files were held by their bytes' digests"
        lines.append(f"{held}, which signed entries name; --deep hashes their rows as well")
    if checked.waiting:
        waited_s = checked.waited_s(now_s)
        late = f"{LATE}  " if waited_s > promise_s else ""
        within = f", and {promise_s:.0f} s were promised" if late else ""
        since = "nobody can tell since when" if checked.waiting_since_ms is None else f"for {waited_s:.0f} s{within}"
        lines.append(f"{late}{checked.waiting} batches wait to be sealed, {since}")
    lines += [f"{ANSWERED}  {item}" for item in checked.answered[:MAX_SHOWN]]
    if (left := len(checked.answered) - MAX_SHOWN) > 0:
        lines.append(f"{ANSWERED}  and {left} more; --json shows all")
    lines += [f"{DAMAGED}  {item}" for item in checked.damage[:MAX_SHOWN]]
    if (left := len(checked.damage) - MAX_SHOWN) > 0:
        lines.append(f"{DAMAGED}  and {left} more; --json shows all")
    return lines


def told_records(found: dict[str, Any]) -> list[str]:
    """Return what was found in the records as lines. Pure."""
    lines = [f"{found['records']} records of {found['decisions']} decisions were verified"]
    lines += [
        f"{FAILED}  decision {item['decision_id']}, {item['writer_id']} row {item['seq']}: {item['why']}"
        for item in found["findings"][:MAX_SHOWN]
    ]
    lines += [f"{FAILED}  {item['place']} cannot be read: {item['why']}" for item in found["unread"][:MAX_SHOWN]]
    left = found["findings_total"] + found["unread_total"] - len(lines) + 1
    return [*lines, f"{FAILED}  and {left} more; --json shows more"] if left > 0 else lines
