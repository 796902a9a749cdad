"""What SpanActor's process has freed it does not keep: Arrow's allocator would keep it, for each of its threads."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[5]
KEPT_MIB = 2.0
"""Many times what a thread's few last pages are; a tenth of what was kept before anything was given back."""
MERGING = """
import sys
from pathlib import Path
from tests.shells.actors.spans.adapters.test_memory import kept_after_merges

kept_after_merges(Path(sys.argv[1]))
"""
READING = """
import os, sys
from pathlib import Path
from actors.spans.adapters.parquet import row_groups

running = len(os.listdir("/proc/self/task"))
for path in Path(sys.argv[1]).glob("spans/date=*/*.parquet"):
    assert sum(group.num_rows for group in row_groups(path))
print(len(os.listdir("/proc/self/task")) - running)
"""


def kept_after_merges(path: Path) -> None:
    """Have rows taken in and merged again and again; print how many MiB were still kept for nobody, and the merges."""
    import pyarrow as pa

    from actors.spans.config import SpansConfig
    from actors.spans.frames import FrameKind, encode_spans
    from tests.unit.actors.spans.checkers.decisions import WRITER, agreed, frame
    from tests.unit.actors.spans.telemetry import SMALL, Home, SegmentBytes, at

    home, decisions, seq = Home(path), agreed(), 1
    actor = home.actor(SpansConfig(**SMALL.model_dump() | {"table_roll_age_s": 0, "compact_min_files": 4}))
    for number in range(1, 26):
        segment = SegmentBytes(number, WRITER)
        for each in range(20):
            rows = frame(decisions, 20 * number + each, seq)
            segment.raw(seq, len(rows.spans), encode_spans(list(rows.spans)))
            seq += len(rows.spans)
        segment.end(FrameKind.CLOSED, seq).save(home.wal)
        actor.tick(at(3 * number))
    held = _resident_mib()
    pa.default_memory_pool().release_unused()
    sys.stdout.write(f"{held - _resident_mib()} {actor.health(at(100))['merges']}\n")


def _resident_mib() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def _run(program: str, path: Path) -> list[str]:
    done = subprocess.run(  # noqa: S603 - this interpreter and a program written above
        [sys.executable, "-c", program, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()


def test_nothing_is_kept_for_nobody_and_no_thread_is_left(tmp_path: Path) -> None:
    """After a tick: what rows and merges took is the system's again. Files are read without threads that keep a part of it."""
    kept, merges = _run(MERGING, tmp_path)
    assert int(merges) > 3
    assert float(kept) < KEPT_MIB
    (threads,) = _run(READING, tmp_path)
    assert int(threads) == 0
