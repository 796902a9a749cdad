"""``log verify``: recomputes the transparency log from what lies on disk."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from actors.base.certificates import TrustBundle
from actors.base.errors import ConfigurationError, IntegrityError, StorageUnavailable
from actors.spans.adapters.check import Checked, check_log
from actors.spans.adapters.witnesses import seen_by
from actors.spans.config import LogConfig
from actors.spans.log.checkpoint import SignedCheckpoint, read_checkpoint
from cluster.cli.context import Progressing, home_option, json_option, print_json, root_of, safe
from cluster.home import Home, open_home
from cluster.jobs.audit import audit
from cluster.local_witnesses import with_local
from cluster.records import read_records
from cluster.trust import load_trust

MAX_SHOWN = 20
DAMAGED, LATE, FAILED, AWAY, ANSWERED = "DAMAGED", "LATE", "FAILED", "AWAY", "ANSWERED"
_RED = (DAMAGED, LATE, FAILED)


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
@home_option
@json_option
def verify(deep: bool, files: tuple[Path, ...], home_dir: str | None, as_json: bool) -> int:
    """Recompute the log from its batches and those from the table's rows; name what does not fit, exit 1.

    Files that were merged are held by their bytes' digest, which an entry names that the log's key signed when every row in them
    had been hashed; all others row by row. That finds every byte that was changed since. --deep takes no entry's word.

    Exit 1 as well if rows have waited to be sealed for longer than their records promised, or if a witness of the profile or
    whoever kept a checkpoint has seen another log. A witness that does not answer is said, and is no failure; so is a batch that
    an operator answered for (`weavergen quarantine seal`).
    """
    home = open_home(root_of(home_dir))
    config, now_s = home.read_config(), time.time()
    with Progressing(quiet=as_json) as progressing:

        def tell(done: int, total: int) -> None:
            progressing.progress("log", f"{done} of {total} files checked", done, total)

        trust = load_trust(home.trust_file)
        seen, away = seen_by_others(with_local(home, config.log), files, trust)
        checked = check_log(
            home.root, trust, config.spans.table_checkpoint_commits, tell, seen, deep=deep, location=config.spans.location
        )  # fmt: skip
        audited = _audited(home, checked, now_s, progressing) if deep else None
    late = checked.waited_s(now_s) > config.log.merge_promise_s
    ok = not checked.damage and not late and (audited is None or audited["ok"] is True)
    if as_json:
        waits = {"waited_s": round(checked.waited_s(now_s), 3), "late": late}
        others = {"seen": {who: signed.head.size for who, signed in seen.items()}, "witnesses_away": away}
        print_json(checked.report() | waits | others | {"ok": ok} | ({} if audited is None else {"records": audited}))
    else:
        lines = told(checked, now_s, config.log.merge_promise_s) + told_seen(seen, away, checked)
        lines += [] if audited is None else told_records(audited)
        for line in lines:
            click.secho(safe(line), fg="red" if line.startswith(_RED) else None)
    return 0 if ok else 1


def _audited(home: Home, checked: Checked, now_s: float, progressing: Progressing) -> dict[str, Any]:
    """Verify every record there is, in this process."""
    rows = read_records(home.root, home.read_config().spans)

    def tell(line: str) -> None:
        progressing.progress("records", line, 0, 0)

    found = audit(rows, load_trust(home.trust_file), checked, int(now_s), tell)
    ok = not found["findings_total"] and not found["unread_total"]
    return {name: value for name, value in found.items() if name not in {"schema", "log"}} | {"ok": ok}


def seen_by_others(
    config: LogConfig, files: Iterable[Path], trust: TrustBundle
) -> tuple[dict[str, SignedCheckpoint], list[str]]:
    """Return who has seen which checkpoint that this log signed, and why witnesses showed none.

    Raises ``ConfigurationError`` for a file that cannot be read, ``IntegrityError`` for one that holds none.
    """
    seen, away = dict[str, SignedCheckpoint](), list[str]()
    for file in files:
        try:
            seen[str(file)] = read_checkpoint(file.read_bytes())
        except OSError as error:
            raise ConfigurationError(f"--seen {file}: it cannot be read: {error.strerror}") from error
        seen[str(file)].verify(trust)
    for witness in config.witnesses:
        try:
            signed = seen_by(witness.url, config.witness_timeout_s)
            if signed is not None:
                signed.verify(trust)
                seen[f"witness {witness.note_key.name}"] = signed
        except (StorageUnavailable, IntegrityError) as error:
            away.append(f"witness {witness.note_key.name}: {error}")
    return seen, away


def told_seen(seen: Mapping[str, SignedCheckpoint], away: Iterable[str], checked: Checked) -> list[str]:
    """Return what others have seen as lines. Pure."""
    forked = any(item.kind == "fork" for item in checked.damage)
    goes_on = "" if forked or not checked.size else ", and the log goes on from there"
    return [f"{who} has seen {signed.head.size} batches{goes_on}" for who, signed in seen.items()] + [
        f"{AWAY}  {why}" for why in away
    ]


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
