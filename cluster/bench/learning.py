"""Measures learning against DuckDB over the same files: ``python -m cluster.bench.learning``. Takes a few minutes.

Rules:
- Both count the same files in turns and must come to the same: each voter's sums on each kind, each pair's sums. If they do
  not, nothing is written.
- Ray Data's time is that of the job's counting on a node that is up, its first time apart: that one starts the workers.
- DuckDB has as many threads as Ray has processors. Run as a job, it measures on that job's node.
"""

import argparse
import importlib.metadata
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from actors.learning.counts import Counts
from cluster.bench import facts
from cluster.bench.page import write_section
from cluster.bench.spans import POLICIES, SPANS, write_spans
from cluster.jobs.learn import count_files
from cluster.node import REPOSITORY

T = TypeVar("T")
FROZEN = POLICIES[:1]
TITLE = "Learning"
_SEED = 1

_SEATS = """
create or replace temp table seats as
with spans as (select * from read_parquet({files}, union_by_name = true) where start_unix_nano >= {since}),
left_out as ({left_out}),
seats as (
  select decision_id, layer, answer_kind kind, voter, max(outcome = 'agreed') agreed,
    max(latency_ms) filter (latency_ms >= 0) latency
  from spans where decision_id not in (select decision_id from left_out)
    and voter is not null and answer_kind is not null and outcome in ('agreed', 'dissented') group by all)
select *, max(agreed) over (partition by decision_id, layer, kind) won from seats qualify won
"""
_LEFT_OUT = """
  select decision_id from spans where record is not null and json_extract_string(
    decode(from_base64(json_extract_string(decode(record), '$.payload'))), '$.policy.sha256') in {frozen}
"""
_VOTERS = """
select voter, kind, count(*), count(*) filter (agreed), count(latency), coalesce(sum(latency), 0) from seats
group by all order by all
"""
_PAIRS = """
select a.voter || '|' || b.voter pair, count(*), count(*) filter (not a.agreed and not b.agreed),
  count(*) filter (not a.agreed), count(*) filter (not b.agreed)
from seats a join seats b on a.decision_id = b.decision_id and a.layer is not distinct from b.layer and a.kind = b.kind
  and a.voter < b.voter
group by all order by all
"""

Found = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]
"""Rows (voter, kind, and its sums) and rows (pair, and its sums)."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One set of files, counted by both."""

    files: int
    frozen: int
    """Policies whose decisions are left out."""
    ray_first_s: float
    ray_s: float
    duckdb_s: float
    """Medians."""


def queried(paths: Sequence[Path], since_ns: int, frozen: Collection[str], threads: int = 2) -> Found:
    """Count with DuckDB what the job counts."""
    import duckdb

    with duckdb.connect(config={"threads": threads}) as connection:
        left_out = _LEFT_OUT.format(frozen=tuple(frozen)) if frozen else "select '' decision_id"
        files = [str(path) for path in paths]
        connection.execute(_SEATS.format(files=files, since=since_ns, left_out=left_out))
        return connection.execute(_VOTERS).fetchall(), connection.execute(_PAIRS).fetchall()


def as_found(counts: Counts) -> Found:
    """Return counts as the query returns them."""
    voters = [
        (voter, kind, sums.n, sums.agreed, sums.timed, sums.latency_ms)
        for voter, kinds in counts.voters.items()
        for kind, sums in kinds.items()
    ]
    pairs = [
        (pair, sums.n, sums.both_dissented, sums.a_dissented, sums.b_dissented) for pair, sums in counts.pairs.items()
    ]
    return voters, pairs


def section(spans: int, cells: Sequence[Cell], rounds: int, machine: dict[str, str]) -> str:
    """Return the page's section."""
    lines = [
        (
            f"`weavergen learn` counts with Ray Data, beside a DuckDB query over the same files: {spans} generated spans, of "
            "several files only the last twenty-fifth with the column `latency_ms`. Voters' sums and pairs' sums were equal "
            f"every time. Medians of {rounds} rounds in which the two take turns, on a Ray node that is up; the first time "
            "starts its workers."
        ),
        "",
        "| files | left out | Ray Data, first time | Ray Data | DuckDB | Ray Data / DuckDB |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for cell in cells:
        left_out = "decisions under a policy that froze learning, a quarter" if cell.frozen else "nothing"
        lines.append(
            f"| {cell.files} | {left_out} | {cell.ray_first_s:.2f} s | {cell.ray_s:.2f} s | {cell.duckdb_s:.2f} s | "
            f"{cell.ray_s / cell.duckdb_s:.1f} |"
        )
    told = ", ".join(f"{name} {value}" for name, value in machine.items())
    return "\n".join([*lines, "", f"Run with `python -m cluster.bench.learning`, part of `make bench`; {told}."])


def main() -> int:
    """Measure and write the section into the page of benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m cluster.bench.learning", description=__doc__)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, nargs="+", default=[1, 500])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "benchmarks.md")
    options = parser.parse_args()
    machine = {
        "load average before the run": facts.machine()["load average before the run (1 min)"],
        **{name: importlib.metadata.version(name) for name in ("ray", "duckdb", "pyarrow")},
    }
    cells = _measured(options.spans // SPANS, options.files, options.rounds)
    text = section(options.spans, cells, options.rounds, machine)
    write_section(options.out, TITLE, text, {"learning": {"spans": options.spans, "cells": list(map(asdict, cells))}})
    print(text)
    return 0


def _measured(decisions: int, spreads: Sequence[int], rounds: int) -> list[Cell]:
    import ray
    import ray.data

    processors = os.cpu_count() or 1
    own = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": processors, "include_dashboard": False}
    ray.init(**own, log_to_driver=False, logging_level="error")
    ray.data.DataContext.get_current().enable_progress_bars = False
    cells = []
    try:
        for files in spreads:
            with tempfile.TemporaryDirectory(prefix="weavergen-bench-") as name:
                paths = write_spans(Path(name), decisions, files, _SEED)
                for frozen in ((), FROZEN):
                    cells.append(_cell(paths, frozen, rounds, processors))
                    print(f"· {cells[-1]}", file=sys.stderr, flush=True)
    finally:
        ray.shutdown()
    return cells


def _cell(paths: Sequence[Path], frozen: Collection[str], rounds: int, threads: int) -> Cell:
    ours, theirs = [], []
    for _ in range(rounds + 1):
        counts, took_s = _timed(lambda: count_files(paths, 0, frozen))
        ours.append(took_s)
        found, took_s = _timed(lambda: queried(paths, 0, frozen, threads))
        theirs.append(took_s)
        if as_found(counts) != found:
            raise SystemExit(f"Ray Data and DuckDB differ over {len(paths)} files: {as_found(counts)} and {found}")
    return Cell(len(paths), len(frozen), ours[0], statistics.median(ours[1:]), statistics.median(theirs[1:]))


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started_s = time.monotonic()
    return work(), time.monotonic() - started_s


if __name__ == "__main__":
    sys.exit(main())
