"""Takes one write-ahead log in and prints what that took: ``python -m cluster.bench.ingest_once HOME ROWS``.

A process of its own, on one processor, so that its time and memory are those of the span path alone: read, judge, commit,
seal. What makes the log runs elsewhere, and hands it over segment by segment.

Left out: what is made of the figures (``cluster.bench.ingest``).
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import msgspec
import pyarrow as pa

from actors.base.canonical import decode
from actors.base.certificates import TrustBundle
from actors.base.ids import new_ulid
from actors.base.signing import SigningKey
from actors.spans.actor import SpanActor
from actors.spans.adapters.progress import Instant
from actors.spans.config import LogConfig, SpansConfig

IDLE_S = 0.25


class Keys:
    """The authority of a home whose keys do not change."""

    def __init__(self, home: Path) -> None:
        self._trust = decode((home / "trust.json").read_bytes(), TrustBundle, "trust")
        self._key = SigningKey.load(home / "keys" / "log.key")

    def trust(self) -> TrustBundle:
        """Return who is believed."""
        return self._trust

    def key(self) -> SigningKey:
        """Return the log's key."""
        return self._key


class Complaints:
    """An incident sink that keeps what it is told: a run in which anything was wrong measures nothing."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def open(self, kind: str, level: str, evidence: Mapping[str, str], _dedup_key: str) -> None:
        """Keep it."""
        self.told.append(f"{kind} ({level}): {dict(evidence)}")


class Taken(msgspec.Struct, frozen=True):
    """What one run took."""

    rows: int
    cpu_s: float
    """Processor time of the process from the first tick on, libraries' threads included."""
    tenths: list[tuple[int, float]]
    """Rows and processor time after the ticks that complete a tenth; a tick takes in all that is there."""
    rss_mib: list[float]
    """Resident memory after the same ticks."""
    peak_mib: float
    commits: int
    log_size: int

    @property
    def per_s(self) -> float:
        """Return rows for each second of processor time."""
        return self.rows / self.cpu_s

    @property
    def us(self) -> tuple[float, float]:
        """Return what a row of the first of these parts took, and one of the last, in microseconds."""
        parts = list(pairwise([(0, 0.0), *self.tenths]))
        first, last = (
            1e6 * (end_s - begin_s) / (end - begin) for (begin, begin_s), (end, end_s) in (parts[0], parts[-1])
        )
        return first, last


def take_in(home: Path, rows: int) -> Taken:
    """Tick until that many rows are in the table and sealed."""
    complaints = Complaints()
    actor = SpanActor(home, new_ulid(), SpansConfig(), complaints, Keys(home), LogConfig())
    began_s, done, sizes, tenths = time.process_time(), 0, list[float](), list[tuple[int, float]]()
    while done < rows and not complaints.told:  # what is refused would be waited for
        report = actor.tick(Instant.now(), flush=True)
        done += report.rows_committed
        if report.rows_committed and len(tenths) < 10 * done // rows:
            sizes.append(_mib("VmRSS"))
            tenths.append((done, time.process_time() - began_s))
        if not report.rows_committed:
            time.sleep(IDLE_S)
    health = actor.health(Instant.now())
    cpu_s = time.process_time() - began_s
    if complaints.told or health["log_error"] or health["merge_delay_s"]:
        raise SystemExit(f"not clean: {complaints.told[:3]} {health}")
    return Taken(done, cpu_s, tenths, sizes, _mib("VmHWM"), actor.totals.commits, health["log_size"])


def _mib(name: str) -> float:
    """Return a line of proc(5)'s status: what ``getrusage`` calls the peak is no lower than that of who began this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


if __name__ == "__main__":
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    print(json.dumps(msgspec.to_builtins(take_in(Path(sys.argv[1]), int(sys.argv[2])))))
