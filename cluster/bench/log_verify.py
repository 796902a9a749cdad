"""Measures ``log verify`` beside hashing the same bytes: ``python -m cluster.bench.log_verify``. Takes some five minutes.

Rules:
- A home's table and log are made as SpanActor leaves them: sealed, and merged but for the newest commits. Rows are five spans a
  decision, one of them with a record as long as a real one, of which nothing compresses.
- The yardstick is SHA-256 over every byte that a check reads: the table's current files and the log's.
- Hashing and the light check take turns on the same files, in one process, and the median of their processor time counts; the
  deep one runs once. A check that finds damage, or fewer rows than were made, measures nothing: nothing is written.
"""

import argparse
import hashlib
import importlib.metadata
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from actors.base.certificates import Certificate, TrustBundle, certify
from actors.base.ids import ulid
from actors.base.ports import IncidentSink
from actors.base.signing import SigningKey
from actors.spans import conventions as names
from actors.spans.adapters.check import check_log
from actors.spans.adapters.compaction import Compactor
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.reporting import Reports
from actors.spans.adapters.sealer import Sealer
from actors.spans.adapters.table import SpanTable
from actors.spans.columns import Rows
from actors.spans.config import SpansConfig
from actors.spans.place import Place
from actors.spans.span import Span
from cluster.bench import facts
from cluster.bench.page import write_section
from cluster.node import REPOSITORY

TITLE = "Verifying the log"
ROUNDS = 5
BATCH_ROWS = 150
"""Rows of a batch: a replica at fifty rows a second, committed every three seconds."""
COMMIT_ROWS = 24_000
RECENT = 15
"""Newest commits, of one batch each, that are not merged yet."""
_BEGAN_S = 1_790_000_000
_RECORD_BYTES = 1200
DAY_S = 86_400


class _Keys:
    """A root and the log key that it certified."""

    def __init__(self) -> None:
        root, self._key = SigningKey.generate(), SigningKey.generate()
        log = Certificate("log", "log", self._key.public.hex, root.public.key_id, 0, 2 * _BEGAN_S)
        self._trust = TrustBundle("weavergen.trust/1", root.public.hex, [certify(root, log)], [])

    def trust(self) -> TrustBundle:
        """Return what a verifier needs."""
        return self._trust

    def key(self) -> SigningKey:
        """Return the log's key."""
        return self._key


class _Loud(IncidentSink):
    """Incidents have no place in a measurement."""

    def open(self, kind: str, level: str, evidence: Mapping[str, str], dedup_key: str) -> None:
        """Give up."""
        raise RuntimeError(f"{level} {kind} {dedup_key}: {dict(evidence)}")


@dataclass(frozen=True, slots=True)
class Verified:
    """What one size of a log took."""

    rows: int
    recent: int
    """Of those not merged yet."""
    batches: int
    files: int
    mib: float
    """Of the table's files and the log's."""
    hashing_s: float
    light_s: float
    deep_s: float | None
    """``None`` where it was not measured."""

    @property
    def light_ratio(self) -> float:
        """Return how much longer a light check takes than hashing."""
        return self.light_s / self.hashing_s


class _Table:
    """A home's table and log, filled and merged as SpanActor does."""

    def __init__(self, home: Path, keys: _Keys) -> None:
        config = SpansConfig(compact_step_ms=60_000)
        files = LogFiles(home / "log")
        self._table = SpanTable(home / "spans", config.table_checkpoint_commits)
        self._sealer = Sealer(files, self._table, keys, 100_000, COMMIT_ROWS)
        self._sealer.begin(1000 * _BEGAN_S)
        self._compactor = Compactor(self._table, files, self._sealer, keys, config, Reports(_Loud()))
        self._steady_s, self._own, self._own_seq = 0.0, ulid(1, bytes(10)), 0

    def commit(self, rows: list[Rows]) -> None:
        """Commit and seal rows, and with them a merge that is ready."""
        reached = {part.writer_id: len(part.spans) for part in rows}
        if reached.get(self._own):
            reached[self._own] = self._own_seq
        batches = self._table.append(rows, reached, 1000 * _BEGAN_S, swap=self._compactor.ready)
        self._sealer.seal(batches, 1000 * _BEGAN_S)
        self._compactor.committed()

    def merge(self) -> None:
        """Merge until nothing is left to be merged."""
        while (entry := self._work()) is not None:
            self._own_seq += 1
            self.commit([Rows(self._own, self._own_seq, names.SPAN_SCHEMA_VERSION, [_entry(self._own_seq, *entry)])])

    def _work(self) -> tuple[str, dict[str, str]] | None:
        self._steady_s += 100
        return self._compactor.work(_BEGAN_S + 2 * DAY_S, self._steady_s)

    def fill(self, rows: int) -> None:
        """Add rows, and merge all of them."""
        for first in range(0, rows, COMMIT_ROWS):
            self.commit([_batch(at) for at in range(first, min(rows, first + COMMIT_ROWS), BATCH_ROWS)])
        self.merge()

    def go_on(self, first: int) -> None:
        """Add commits from row ``first`` on that are not merged yet."""
        for number in range(RECENT):
            self.commit([_batch(first + number * BATCH_ROWS)])


def _batch(first: int) -> Rows:
    """Return the rows of one writer's batch."""
    return Rows(
        ulid(first + 2, bytes(10)), 1, names.SPAN_SCHEMA_VERSION, [_span(first + at) for at in range(BATCH_ROWS)]
    )


def _span(number: int) -> Span:
    decision, place = divmod(number, 5)
    seed = hashlib.sha256(str(number).encode()).digest()
    began_ns = _BEGAN_S * 10**9 + number * 10**6
    record = hashlib.shake_128(seed).digest(_RECORD_BYTES) if place == 0 else b""
    return Span(
        seed[:16], seed[16:24], b"" if place == 0 else seed[24:32], names.INVOKE_WORKFLOW if place == 0 else "chat",
        "server" if place == 0 else "client", began_ns, began_ns + 850_000_000, "ok", ulid(_BEGAN_S * 1000 + decision, bytes(10)),
        "t-1", {"gen_ai.request.model": "consensus", "gen_ai.usage.output_tokens": str(number % 300)},
        voter=f"voter-{place}", outcome="agreed", latency_ms=number % 4000, record=record,
    )  # fmt: skip


def _entry(seq: int, name: str, attributes: dict[str, str]) -> Span:
    ids, at_ns = (seq.to_bytes(16, "big"), seq.to_bytes(8, "big"), b""), _BEGAN_S * 10**9
    return Span(*ids, name, "internal", at_ns, at_ns, "ok", "", "", attributes)


def verified(home: Path, keys: _Keys, rows: int, recent: int, rounds: int = ROUNDS) -> Verified:
    """Check a home's log in turns with hashing what is read."""
    paths = [
        *SpanTable(home / "spans", 100).current_files(),
        *(path for path in (home / "log").rglob("*") if path.is_file()),
    ]
    hashing, light = list[float](), list[float]()
    for _ in range(rounds):
        hashing.append(_timed(lambda: _hash(paths)))
        light.append(_timed(lambda: _check(home, keys, rows, deep=False)))
    deep_s = _timed(lambda: _check(home, keys, rows, deep=True)) if not recent else None
    size = sum(path.stat().st_size for path in paths)
    checked = check_log(home, keys.trust(), 100, deep=False)
    return Verified(
        rows, recent, checked.size, len(paths), size / 2**20, statistics.median(hashing), statistics.median(light), deep_s
    )  # fmt: skip


def _check(home: Path, keys: _Keys, rows: int, *, deep: bool) -> None:
    checked = check_log(home, keys.trust(), 100, deep=deep)
    if checked.damage or checked.rows < rows:
        raise RuntimeError(f"{checked.rows} of {rows} rows are whole: {checked.damage[:3]}")


def _hash(paths: Iterable[Place]) -> None:
    for path in paths:
        hashlib.sha256(path.read_bytes()).digest()


def _timed(work: Callable[[], None]) -> float:
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def section(cells: list[Verified], machine: Mapping[str, str]) -> str:
    """Return the page's section. Pure."""
    lines = [
        (
            f"`weavergen log verify` on a table and log as SpanActor leaves them (batches of {BATCH_ROWS} rows, all merged, and "
            f"with {RECENT} commits since), beside SHA-256 over the same bytes: the table's files and the log's. Light holds a "
            "merged file by its bytes' digest, which a signed entry names; `--deep` hashes every row. Wanted: light within twice "
            "the hashing. Processor time of the process, medians of "
            f"{ROUNDS} rounds."
        ),
        "",
        "| rows | not merged | batches | MiB | hashing, s | light, s | light / hashing | deep, s | deep, rows/s |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for cell in cells:
        times = f"{cell.hashing_s:.3f} | {cell.light_s:.3f} | **{cell.light_ratio:.2f}**"
        deep = "– | –" if cell.deep_s is None else f"{cell.deep_s:.2f} | {cell.rows / cell.deep_s:,.0f}"
        lines.append(f"| {cell.rows:,} | {cell.recent:,} | {cell.batches:,} | {cell.mib:.0f} | {times} | {deep} |")
    told = ", ".join(f"{name} {value}" for name, value in machine.items())
    return "\n".join([*lines, "", f"Run with `python -m cluster.bench.log_verify`, part of `make bench`; {told}."])


def main() -> int:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(prog="python -m cluster.bench.log_verify", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "benchmarks.md")
    options = parser.parse_args()
    cells = []
    for rows in options.rows:
        with tempfile.TemporaryDirectory(prefix="log-verify-") as folder:
            keys = _Keys()
            table = _Table(Path(folder), keys)
            table.fill(rows)
            for recent in (0, RECENT * BATCH_ROWS):
                table.go_on(rows) if recent else None
                cells.append(verified(Path(folder), keys, rows + recent, recent))
                print(f"· {cells[-1]}", file=sys.stderr, flush=True)
    text = section(
        cells, {name: importlib.metadata.version(name) for name in ("pyarrow", "deltalake")} | facts.machine()
    )
    write_section(options.out, TITLE, text, {"cells": [asdict(cell) for cell in cells]})
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
