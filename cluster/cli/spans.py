"""``spans export``: what the spans table holds, as OTLP."""

import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import click

from actors.base.errors import ConfigurationError
from actors.spans.adapters.exporting import Origin, exported
from actors.spans.adapters.reading import TableReader
from actors.spans.adapters.stores import SpanStores
from actors.spans.otlp.export import json_line
from cluster.cli.context import Session, home_option, json_option, print_json

_AGO = re.compile(r"([0-9]{1,9})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@click.group(epilog="Example: weavergen spans export --since 1h --out spans.jsonl")
def spans() -> None:
    """Take spans out of the table."""


@spans.command("export", epilog="Example: weavergen spans export --since 1h --origin external --out spans.jsonl")
@click.option("--format", "form", type=click.Choice(["otlp-json"]), default="otlp-json", show_default=True,
              help="OTLP JSON file: a TracesData a line, as the Collector's otlpjsonfile receiver reads it.")  # fmt: skip
@click.option(
    "--since", default="1h", show_default=True, metavar="AGO", help="Spans that began since: 90s, 15m, 1h, 7d."
)
@click.option("--origin", type=click.Choice(["all", "own", "external"]), default="all", show_default=True,
              help="Spans of this system, of other services, or both.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False),
              help="File to write, once all of it was read (default: standard output).")  # fmt: skip
@home_option
@json_option
def export(
    form: str,  # noqa: ARG001 - one so far
    since: str,
    origin: Origin,
    out: Path | None,
    home_dir: str | None,
    as_json: bool,
) -> int:
    """Write spans as OTLP, read and checked as the log's verification reads them. Rows that wait in the log are not there yet."""
    if as_json and out is None:
        raise click.UsageError("--json tells what was written to a file: give --out FILE as well")
    session = Session.open(home_dir)
    since_ns = time.time_ns() - ago_s(since) * 10**9
    table = SpanStores(
        session.home.root, session.config.spans.table_checkpoint_commits, location=session.config.spans.location
    )  # fmt: skip
    if out is None:
        _write(table, since_ns, origin, sys.stdout.buffer)
        return 0
    count = _put(out, lambda file: _write(table, since_ns, origin, file))
    if as_json:
        print_json({"spans": count, "out": str(out)})
    else:
        click.echo(f"{count} spans in {out}", err=True)
    return 0


def _put(out: Path, write: Callable[[IO[bytes]], int]) -> int:
    """Write a file beside its place, and put it there once it is whole: what was there stays if it never is."""
    if out.exists() and not out.is_file():  # a pipe, or a device
        with out.open("wb") as open_one:
            return write(open_one)
    with tempfile.NamedTemporaryFile(dir=out.parent, prefix=f".{out.name}.", delete=False) as file:
        beside = Path(file.name)
        try:
            count = write(file)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    beside.replace(out)
    return count


def _write(table: TableReader, since_ns: int, origin: Origin, file: IO[bytes]) -> int:
    count = 0
    for rows in exported(table, since_ns, origin):
        file.write(json_line(rows))
        count += sum(len(part.spans) for part in rows)
    return count


def ago_s(text: str) -> int:
    """Read how long ago in seconds. Pure."""
    found = _AGO.fullmatch(text)
    if found is None:
        raise ConfigurationError(f"--since {text!r}: write a number and s, m, h or d, like 15m")
    return int(found[1]) * _SECONDS[found[2]]
