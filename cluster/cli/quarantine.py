"""``quarantine``: what was set aside or set apart, why, and letting it go.

What is listed is the table's own word, so it can be read whether anything runs or not. Setting apart and letting go are signed
here with the operator's key and carried out by the span actor, in one commit with the entry that says so; where nothing runs they
wait for it.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from actors.base.errors import ConfigurationError, IntegrityError, NotFound
from actors.base.ids import is_ulid, new_ulid
from actors.spans.adapters.quarantine import QuarantinedRows, file_name
from actors.spans.adapters.quarantined import entries
from actors.spans.adapters.requests import put_request, refused, why_refused
from actors.spans.adapters.stores import SpanStores
from actors.spans.adapters.vouched import Waiting, waiting
from actors.spans.quarantined import listed
from actors.spans.request import MAX_REASON, NO_BATCH, Action, QuarantineRequest, sign_request
from cluster.cli.context import Session, home_option, json_option, print_json, root_of, safe
from cluster.cli.transitions import author
from cluster.home import Home, open_home
from cluster.trust import load_trust, operator_key

MAX_SHOWN = 1000
ID_BYTES = 16
"""Longest bytes that are shown: a record is told by its size."""
WAIT_S = 20.0
POLL_S = 0.2


@click.group(epilog="Example: weavergen quarantine list")
def quarantine() -> None:
    """Spans that nothing may learn from: see them, set rows apart, let rows go, answer for a batch that is not as committed."""


@quarantine.command("list", epilog="Example: weavergen quarantine list --json")
@home_option
@json_option
def list_(home_dir: str | None, as_json: bool) -> None:
    """List what is or was quarantined, newest first."""
    home = open_home(root_of(home_dir))
    found = listed(entries(_table(home), load_trust(home.trust_file)), MAX_SHOWN)
    if as_json:
        print_json(found)
        return
    for line in lines(found):
        click.echo(safe(line))


@quarantine.command("show", epilog="Example: weavergen quarantine show 01JD4X0E6Z3M8YQ5R2T7V9B1CD 17")
@click.argument("writer")
@click.argument("seq", type=click.IntRange(1))
@home_option
@json_option
def show(writer: str, seq: int, home_dir: str | None, as_json: bool) -> None:
    """Show a row that is or was quarantined: every word on it, what was found, the row, and what lay around it."""
    found = shown(open_home(root_of(home_dir)), _writer(writer), seq)
    if as_json:
        print_json(found)
        return
    for line in described(found):
        click.echo(safe(line))


_REASON = click.option("--reason", required=True, help="Why; it is kept in the log.")
_WAIT = click.option(
    "--wait-s", type=click.FloatRange(0, 600), default=WAIT_S, show_default=True,
    help="How long to wait until it is done.",
)  # fmt: skip


def _asking(name: str, action: Action, help_: str, example: str) -> click.Command:
    """Make the command that asks the span actor to do something with rows."""

    @click.command(
        name, help=help_, epilog=f"Example: weavergen quarantine {name} 01JD4X0E6Z3M8YQ5R2T7V9B1CD {example}"
    )
    @click.argument("writer")
    @click.argument("first", type=click.IntRange(1))
    @click.argument("last", type=click.IntRange(1), required=False)
    @_REASON
    @_WAIT
    @home_option
    @json_option
    def command(
        writer: str, first: int, last: int | None, reason: str, wait_s: float, home_dir: str | None, as_json: bool
    ) -> int:
        return _ask(action, writer, (first, last or first), reason, wait_s, home_dir, as_json=as_json)

    return command


quarantine.add_command(
    _asking(
        "release", "release",
        "Let rows go: FIRST, or FIRST to LAST. Those of the table teach again, those set aside come into the table now.",
        '17 --reason "clock"',
    )
)  # fmt: skip
quarantine.add_command(
    _asking(
        "set", "quarantine",
        "Set rows of the table apart, FIRST or FIRST to LAST: they stay sealed and nothing learns from them.",
        '17 40 --reason "key stolen"',
    )
)  # fmt: skip


@quarantine.command("seal", epilog='Example: weavergen quarantine seal 7 --reason "the disk was restored"')
@click.argument("batch", type=click.IntRange(0))
@_REASON
@_WAIT
@home_option
@json_option
def seal(batch: int, reason: str, wait_s: float, home_dir: str | None, as_json: bool) -> int:
    """Answer for BATCH, which is not what its commit said and holds up sealing: have it sealed as it lies now.

    Bring its file back from a backup if there is one: then nobody has to answer. What is sealed so teaches nothing, and `log
    verify` says from then on who answered for it, what its commit said and what was found.
    """
    session = Session.open(home_dir)
    waits = waiting(_table(session.home), batch, load_trust(session.home.trust_file))
    if waits.said == waits.found:
        raise ConfigurationError(f"batch {batch} is what its commit said: nobody has to answer for it")
    if not as_json:
        for line in told(waits):
            click.echo(safe(line))
    named = _Named(waits.writer_id, waits.first_seq, waits.last_seq, waits.index, waits.found)
    return _lay_down(session, "seal", named, reason, wait_s, as_json=as_json)


def told(waits: Waiting) -> list[str]:
    """Return what an operator answers for, as lines. Pure."""
    rows = f"rows {waits.first_seq} to {waits.last_seq} of {waits.writer_id}"
    said = f"its commit said   {waits.said}" if waits.said else "no commit that the log's key signed tells of it"
    return [f"batch {waits.index} holds {rows}", said, f"what lies there is {waits.found}"]


def lines(found: dict[str, Any]) -> list[str]:
    """Return the list as lines. Pure."""
    told = [f"{found['total']} entries; {found['rows_in_table']} rows of the table are quarantined now"]
    for entry in found["entries"]:
        at = _date(entry["at_unix_ms"])
        numbers = (
            str(entry["first_seq"])
            if entry["first_seq"] == entry["last_seq"]
            else f"{entry['first_seq']} to {entry['last_seq']}"
        )
        by = f" by {entry['by']}" if entry["by"] else ""
        told.append(f"{at}  {entry['state']}  {entry['writer_id']} {numbers} ({entry['place']}){by}: {entry['reason']}")
    if (left := found["total"] - len(found["entries"])) > 0:
        told.append(f"and {left} older entries")
    return told


def described(found: dict[str, Any]) -> list[str]:
    """Return what is known of one row as lines. Pure."""
    told = []
    for entry in found["entries"]:
        by = f" by {entry['by']}" if entry["by"] else ""
        told.append(f"{_date(entry['at_unix_ms'])}  {entry['name']} ({entry['place']}){by}: {entry['reason']}")
    if (row := found["row"]) is not None:
        told.append(f"score {row['score']:.3f}")
        told += [
            f"  {one['severity']} {one['checker']} {one['kind']}: "
            + ", ".join(f"{k} {v}" for k, v in one["evidence"].items())
            for one in row["findings"]
        ]
        told += [f"  {name}: {value}" for name, value in row["span"].items() if value not in ("", {}, -1, -1.0)]
    if (record := found["investigation"]) is not None:
        told.append(f"{record['around_total']} rows around it; --json shows them")
    return told


def shown(home: Home, writer: str, seq: int) -> dict[str, Any]:
    """Return everything that is known of one row; raise ``NotFound`` if it was never quarantined."""
    words = [
        msgspec.to_builtins(entry)
        for entry in entries(_table(home), load_trust(home.trust_file))
        if entry.writer_id == writer and entry.first_seq <= seq <= entry.last_seq
    ]
    folder = home.root / "quarantine"
    kept = QuarantinedRows(folder / "rows").find(writer, seq)
    if not words and kept is None:
        raise NotFound(f"row {seq} of {writer} was never quarantined; `weavergen quarantine list` lists what was")
    found: dict[str, Any] = {"entries": words, "row": None, "investigation": None}
    if kept is not None:
        row = msgspec.to_builtins(kept)
        found["row"] = row | {"span": _readable(msgspec.structs.asdict(kept.rows().spans[0]))}
    return found | {"investigation": _investigation(folder / "investigations", writer, seq)}


def _investigation(folder: Path, writer: str, seq: int) -> dict[str, Any] | None:
    """Return the record of the frame that the row was in: the last that begins at or before it; ``None`` if there is none."""
    names = sorted(path.name for path in folder.glob(f"{writer}-*.json")) if folder.is_dir() else []
    before = [name for name in names if name <= file_name(writer, seq)]
    if not before:
        return None
    try:
        found = msgspec.json.decode((folder / before[-1]).read_bytes(), type=dict[str, Any])
        return found if seq in found["rows"] else None
    except FileNotFoundError:  # moved away since it was listed
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"{folder / before[-1]} cannot be read ({error}): it is a help only, move it away"
        ) from error


def _readable(value: object) -> object:
    if isinstance(value, dict):
        return {name: _readable(item) for name, item in value.items()}
    return (
        value.hex()
        if isinstance(value, bytes) and len(value) <= ID_BYTES
        else f"{len(value)} bytes"
        if isinstance(value, bytes)
        else value
    )


def _ask(
    action: Action, writer: str, rows: tuple[int, int], reason: str, wait_s: float,
    home_dir: str | None, *, as_json: bool,
) -> int:  # fmt: skip
    if rows[1] < rows[0]:
        raise ConfigurationError(f"LAST {rows[1]} comes before FIRST {rows[0]}")
    return _lay_down(Session.open(home_dir), action, _Named(_writer(writer), *rows), reason, wait_s, as_json=as_json)


class _Named(NamedTuple):
    """What a request is about."""

    writer_id: str
    first_seq: int
    last_seq: int
    batch: int = NO_BATCH
    found: str = ""


def _lay_down(session: Session, action: Action, named: _Named, reason: str, wait_s: float, *, as_json: bool) -> int:
    """Sign a request, lay it down and say what became of it."""
    if len(reason) > MAX_REASON:
        raise ConfigurationError(f"--reason takes at most {MAX_REASON} characters")
    request = QuarantineRequest(
        "weavergen.quarantine-request/1", new_ulid(), action, named.writer_id, named.first_seq, named.last_seq, reason,
        author(), time.time_ns() // 1_000_000, named.batch, named.found,
    )  # fmt: skip
    path = put_request(session.home.root, request.id, sign_request(request, operator_key(session.operators)))
    state = waited(path, wait_s, time.monotonic, time.sleep)
    cause = why_refused(path) if state == "refused" else ""
    if as_json:
        print_json({"request": request.id, "state": state, "cause": cause})
    else:
        click.echo(f"request {request.id}: {TOLD[state]}{safe(cause)}")
    return 1 if state == "refused" else 0


TOLD = {
    "done": "done, and in the log",
    "refused": "refused: ",
    "waits": "it lies there and is carried out when the span actor runs",
}


def waited(path: Path, wait_s: float, clock: Callable[[], float], pause: Callable[[float], None]) -> str:
    """Wait until a request was carried out or refused; return what became of it."""
    end_s = clock() + wait_s
    while path.exists() and clock() < end_s:
        pause(POLL_S)
    if path.exists():
        return "waits"
    return "refused" if refused(path).exists() else "done"


def _date(at_unix_ms: int) -> str:
    return datetime.fromtimestamp(at_unix_ms / 1000, UTC).isoformat(timespec="seconds")


def _writer(text: str) -> str:
    if not is_ulid(text):
        raise ConfigurationError(f"{text!r} is no writer's id; `weavergen quarantine list` shows them")
    return text


def _table(home: Home) -> SpanStores:
    spans = home.read_config().spans
    return SpanStores(home.root, spans.table_checkpoint_commits, location=spans.location)
