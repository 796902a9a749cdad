"""Real processes: killed in the middle of writing, and refused space by the kernel."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actors.spans.actor import SpanActor
from actors.spans.adapters.reader import WalReader
from actors.spans.adapters.table import SpanTable
from actors.spans.frames import FrameKind, decode_spans
from tests.unit.actors.spans.telemetry import SMALL, Authority, Incidents, at, decision, seqs, writer_id

ROOT = Path(__file__).parents[5]

PRELUDE = """
import asyncio, os, resource, sys
from pathlib import Path
from actors.base.errors import StorageUnavailable
from actors.spans.adapters.wal import WalWriter
from tests.unit.actors.spans.telemetry import SMALL, bulky, identity

root = Path(sys.argv[1])
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
"""

WRITES_FOR_EVER = """
async def client(wal, size):
    while True:
        rows = []
        await wal.append(2, lambda first: rows.extend(bulky(2, size)(first)) or rows)
        say(rows[0].decision_id, rows[1].decision_id)

async def main():
    wal = WalWriter(root, identity(), SMALL)
    await asyncio.gather(*(client(wal, size) for size in (0, 10, 300, 5000)))

asyncio.run(main())
"""

RUNS_OUT_OF_SPACE = """
async def outcome(wal):
    try:
        await wal.append(1, bulky(1, 9000))
    except StorageUnavailable as error:
        return str(error)
    return "durable"

async def main():
    wal = WalWriter(root, identity(), SMALL)
    say(await outcome(wal))
    while not wal.reserve_depth:
        await asyncio.sleep(0.001)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    for _ in range(8):
        say(await outcome(wal))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    while wal.unavailable_because:
        await asyncio.sleep(0.001)
    say(await outcome(wal))
    await asyncio.to_thread(wal.close)

asyncio.run(main())
"""


def child(program: str, wal: Path) -> subprocess.Popen[str]:
    """Start a writer in a process of its own."""
    return subprocess.Popen(  # noqa: S603 - this interpreter and a program written above
        [sys.executable, "-c", PRELUDE + program, str(wal)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("acknowledged", [1, 40, 160])
def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path, acknowledged: int) -> None:
    """A killed writer's acknowledged rows are all in its log and then in the table, once; its tail is clean or cut."""
    writer = child(WRITES_FOR_EVER, tmp_path / "wal")
    assert writer.stdout is not None
    lines = [writer.stdout.readline() for _ in range(acknowledged)]
    writer.send_signal(signal.SIGKILL)
    lines += [line for line in writer.communicate()[0].splitlines(keepends=True) if line.endswith("\n")]
    promised = {name for line in lines for name in line.split()}
    assert writer.returncode == -signal.SIGKILL
    assert len(promised) >= 2 * acknowledged

    reader = WalReader(tmp_path / "wal", 1 << 30)
    reads = [reader.read(ref) for ref in reader.segments(writer_id(1))]
    frames = [frame for read in reads if read is not None for frame in read.scan.frames]
    kept = {row.decision_id for frame in frames if frame.kind is FrameKind.SPANS for row in decode_spans(frame)}
    assert promised <= kept
    assert all(read is not None and read.free and not read.scan.damage for read in reads)
    assert not reads[-1].scan.ended  # type: ignore[union-attr]

    actor = SpanActor(tmp_path, writer_id(900), SMALL, incidents := Incidents(), Authority(), more=())
    report = actor.tick(at(), flush=True)
    table = SpanTable(tmp_path / "spans", 10).read(["writer_id", "writer_seq", "decision_id"]).to_pylist()
    rows = sorted((row["writer_seq"], row["decision_id"]) for row in table if row["writer_id"] == writer_id(1))
    assert rows == [(seq, decision(seq)) for seq in range(1, len(kept) + 1)]
    assert (report.rows_read, report.adopted, report.lost_rows) == (len(kept), 1, 0)
    assert incidents.opened == []
    assert list((tmp_path / "wal").iterdir()) == []


def test_a_disk_without_space_refuses_and_recovers(tmp_path: Path) -> None:
    """The kernel refuses to let files grow: appends are refused, nothing is lost, and all goes on when it relents."""
    writer = child(RUNS_OUT_OF_SPACE, tmp_path)
    said = writer.communicate(timeout=60)[0].splitlines()
    assert writer.returncode == 0
    assert (said[0], said[-1]) == ("durable", "durable")
    refused = [line for line in said if "File too large" in line]
    assert len(refused) >= 4
    assert len(refused) + said.count("durable") == len(said)

    reader = WalReader(tmp_path, 1 << 30)
    taken = [
        seq for ref in reader.segments(writer_id(1)) if (read := reader.read(ref)) for seq in seqs(read.scan.frames)
    ]
    assert sorted(set(taken)) == list(range(1, max(taken) + 1))
    assert max(taken) >= said.count("durable")
