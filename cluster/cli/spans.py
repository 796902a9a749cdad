"""``spans export``: what the spans table holds, as OTLP."""

import re
import sys
import time
from pathlib import Path
from typing import BinaryIO

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
@click.option("--out", type=click.Path(path_type=Path), help="File to write (default: standard output).")
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
    session = Session.open(home_dir)
    since_ns = time.time_ns() - ago_s(since) * 10**9
    table = SpanStores(
        session.home.root, session.config.spans.table_checkpoint_commits, location=session.config.spans.location
    )  # fmt: skip
    if out is None:
        _write(table, since_ns, origin, sys.stdout.buffer)
        return 0
    with out.open("wb") as file:
        count = _write(table, since_ns, origin, file)
    if as_json:
        print_json({"spans": count, "out": str(out)})
    else:
        click.echo(f"{count} spans in {out}", err=True)
    return 0


def _write(table: TableReader, since_ns: int, origin: Origin, file: BinaryIO) -> int:
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
