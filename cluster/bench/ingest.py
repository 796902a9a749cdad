"""Measures the way of spans from the write-ahead log into sealed, checked Parquet: ``python -m cluster.bench.ingest``.

Rules:
- What is taken in are production's own spans and records (``cluster.bench.decisions``); signatures are checked, rows judged,
  files synced, batches sealed, by a process on one processor.
- The log is made by another process, a portion at a time: one writer's log, whole, which lies there at once when the one before
  was taken in. So no disk has to hold it all, and nobody waits for a writer but between two portions.
- Beside it, in the same run: pyarrow writing the same rows, once, to one file, with what it does by default.
- Bytes a span are those of the table's files before any are merged, beside that one file and the same spans as OTLP JSON.
- Figures are processor time, so that whoever else works on the machine changes little.

Left out: verifying (``cluster.bench.log_verify``); a machine with more processors than these.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from actors.base.canonical import canonical_json
from actors.base.signing import SigningKey
from actors.spans.adapters.check import check_log
from actors.spans.adapters.exporting import exported
from actors.spans.adapters.table import SpanTable
from actors.spans.otlp.export import json_line
from cluster.bench import facts
from cluster.bench.decisions import Decisions, certified_writer, fresh_keys, put_segment, segments, templates
from cluster.bench.ingest_once import Keys, Taken
from cluster.bench.page import write_section
from cluster.node import REPOSITORY

TITLE = "Spans: from the log on disk to sealed, checked Parquet"
WANTED_PER_S = 20_000
OTLP_ROWS = 20_000
"""Spans that are written as OTLP JSON to see how large one is."""
PEER_ROWS = 1_000_000
"""Beyond it the peer is not measured: it holds all rows in memory."""
PORTION_ROWS = 250_000
_SEGMENT_BYTES = 16 * 2**20
_LOOK_S = 0.02
_STEP_NS = 200_000
"""Between two decisions: 5,000 a second."""


@dataclass(frozen=True, slots=True)
class Found:
    """One size."""

    rows: int
    decisions: int
    taken: Taken
    table_bytes: int
    log_bytes: int
    plain_s: float | None
    """pyarrow writing the same rows."""
    plain_bytes: int | None
    otlp_bytes: float
    """Of one span, as OTLP JSON."""


def main() -> int:
    """Measure each size and write the section."""
    parser = argparse.ArgumentParser("cluster.bench.ingest", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "benchmarks.md")
    options = parser.parse_args()
    found = []
    for rows in options.rows:
        (cache := REPOSITORY / ".cache").mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="ingest-", dir=cache) as folder:
            found.append(measure(Path(folder), rows))
        print(json.dumps(_plain(found[-1])), flush=True)
    machine = facts.machine()
    write_section(
        options.out,
        TITLE,
        section(found, machine),
        {"ingest": {"machine": machine, "sizes": [_plain(x) for x in found]}},
    )
    print(section(found, machine))
    return 0


def measure(folder: Path, rows: int) -> Found:
    """Take that many rows in, and measure what lies there then."""
    home = folder / "home"
    decisions, taken = _take_in(home, rows)
    table, trust = SpanTable(home / "spans", 100), Keys(home).trust()
    _whole(check_log(home, trust, 100), decisions)
    held = [path.stat().st_size for path in table.current_files()]
    logged = [path.stat().st_size for path in (home / "log").rglob("*") if path.is_file()]
    plain_s, plain_bytes = _plainly(table, folder / "plain.parquet") if rows <= PEER_ROWS else (None, None)
    return Found(
        taken.rows, decisions, taken, sum(held), sum(logged), plain_s, plain_bytes, _as_otlp(table, OTLP_ROWS)
    )  # fmt: skip


def _as_otlp(table: SpanTable, rows: int) -> float:
    """Return how many bytes a span takes as OTLP JSON, by some of them."""
    spans = size = 0
    for parts in exported(table, 0):
        spans, size = spans + sum(len(part.spans) for part in parts), size + len(json_line(parts))
        if spans >= rows:
            break
    return size / spans


def _take_in(home: Path, rows: int) -> tuple[int, Taken]:
    """Write a log of so many rows, and have another process take it in; return decisions and figures."""
    began_ns = int(time.time()) * 1_000_000_000 - rows * _STEP_NS // 5
    keys = fresh_keys(began_ns // 1_000_000_000)
    (home / "keys").mkdir(parents=True)
    (home / "trust.json").write_bytes(canonical_json(keys.trust))
    keys.log.save(home / "keys" / "log.key")
    first = certified_writer(keys.issuer, began_ns // 1_000_000_000)
    made = Decisions(first, templates(), keys.log.public.key_id, began_ns, _STEP_NS)
    portions, wal = _portions(made, keys.issuer, rows, home.parent / "next"), home / "wal"
    wal.mkdir()
    _hand_over(next(portions), wal)
    command = [sys.executable, "-m", "cluster.bench.ingest_once", str(home), str(rows)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as taking:  # noqa: S603 - this program itself
        for portion in portions:
            while any(wal.iterdir()) and taking.poll() is None:
                time.sleep(_LOOK_S)
            _hand_over(portion, wal)
        out, _ = taking.communicate()
    if taking.returncode:
        raise SystemExit(f"{command} ended with {taking.returncode}")
    return made.count, msgspec.json.decode(out, type=Taken)


def _hand_over(portion: Path, wal: Path) -> None:
    portion.rename(wal / portion.name)


def _portions(made: Decisions, issuer: SigningKey, rows: int, folder: Path) -> Iterator[Path]:
    """Make the logs of one writer after the other, until together they hold so many rows, or a few more."""
    left = rows
    for number in count():
        if left <= 0:
            return
        writer = certified_writer(issuer, made.next_ns // 1_000_000_000, number)
        made.go_on_as(writer)
        for segment, data in enumerate(segments(made, writer, min(left, PORTION_ROWS), _SEGMENT_BYTES), 1):
            put_segment(folder, writer.id, segment, data)
        left -= made.next_seq - 1
        yield folder / writer.id


def _whole(checked: Any, decisions: int) -> None:  # noqa: ANN401 - what check_log returns
    if checked.damage or not checked.rows >= decisions:
        raise SystemExit(f"the log does not check: {checked.damage[:3]}")


def _spent_s(work: Callable[[], object]) -> float:
    """Return the processor time that something takes, on one processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    pa.set_cpu_count(1)
    began_s = time.process_time()
    work()
    spent_s = time.process_time() - began_s
    os.sched_setaffinity(0, before)
    return spent_s


def _plainly(table: SpanTable, path: Path) -> tuple[float, int]:
    """Return what writing the same rows takes pyarrow by itself, and how large that file is."""
    rows = table.read()
    spent_s = _spent_s(lambda: pq.write_table(rows, path))
    return spent_s, path.stat().st_size


def _plain(found: Found) -> dict[str, Any]:
    return asdict(found) | {"taken": msgspec.to_builtins(found.taken)}


def section(found: Sequence[Found], machine: Mapping[str, str]) -> str:
    """Return the page's section."""
    return "\n".join(
        [_INTRODUCTION, "", *_TAKEN, *map(_taken_line, found), "", *_HELD, *map(_held_line, found), "", _on(machine)]
    )


_INTRODUCTION = (
    "Decisions of simulated storms as the coordinator records them, about seven spans each, one of which carries the signed "
    "record. SpanActor on one processor: read, check checksums and signatures, judge, write and sync Parquet with page checks, "
    "commit, seal under a signed checkpoint. Beside it pyarrow alone, writing the same rows that it finds in memory, to one "
    "file, as it does by default: no checks, no record, no log. Processor time."
)
_TAKEN = (
    (
        f"| spans | spans/s on one core (wanted {WANTED_PER_S:,}) | µs a span | first tenth → last | plain pyarrow write, "
        "µs a span | share of it | resident, first tenth → last | peak |"
    ),
    "|---:|---:|---:|---:|---:|---:|---:|---:|",
)
_HELD = (
    "| spans | bytes a span: table | log | plain Parquet | OTLP JSON |",
    "|---:|---:|---:|---:|---:|",
)


def _taken_line(size: Found) -> str:
    us = 1e6 * size.taken.cpu_s / size.rows
    plain = (
        "– | –"
        if size.plain_s is None
        else f"{1e6 * size.plain_s / size.rows:.1f} | {size.plain_s / size.taken.cpu_s:.0%}"
    )
    memory = f"{size.taken.rss_mib[0]:.0f} → {size.taken.rss_mib[-1]:.0f} MiB | {size.taken.peak_mib:.0f} MiB"
    first, last = size.taken.us
    return f"| {size.rows:,} | {size.taken.per_s:,.0f} | {us:.1f} | {first:.1f} → {last:.1f} | {plain} | {memory} |"


def _held_line(size: Found) -> str:
    plain = "–" if size.plain_bytes is None else f"{size.plain_bytes / size.rows:.0f}"
    held = f"{size.table_bytes / size.rows:.0f} | {size.log_bytes / size.rows:.1f}"
    return f"| {size.rows:,} | {held} | {plain} | {size.otlp_bytes:.0f} |"


def _on(machine: Mapping[str, str]) -> str:
    return "; ".join(f"{what}: {value}" for what, value in machine.items())


if __name__ == "__main__":
    raise SystemExit(main())
