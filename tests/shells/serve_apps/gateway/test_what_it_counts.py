"""What a live replica writes holds against what it counts; and a storm that it hears of freezes learning."""

import asyncio
import time
from pathlib import Path

import pytest

from actors.spans import conventions as names
from actors.spans.adapters.reader import WalReader
from actors.spans.checkers.cross_reference import CrossReferenceValidator
from actors.spans.checkers.finding import Arrivals
from actors.spans.columns import Rows
from actors.spans.counters import counted
from actors.spans.frames import FrameKind, decode_spans
from serve_apps.gateway import replica
from tests.shells.serve_apps.gateway.live import live


def written(home: Path) -> list[Rows]:
    """Return the frames in a home's logs."""
    reader = WalReader(home / "wal", 2**26)
    found = []
    for writer_id in reader.writers():
        for ref in reader.segments(writer_id):
            read = reader.read(ref)
            assert read is not None
            found += [
                Rows(writer_id, frame.first_seq, read.header.schema_version, decode_spans(frame))
                for frame in read.scan.frames
                if frame.kind is FrameKind.SPANS
            ]
    return found


async def test_a_replica_s_rows_hold_against_each_other_and_against_its_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last row says how many decisions and voter spans it wrote, those that ended in refusals among them."""
    async with live(tmp_path, monkeypatch, says={"a": "Paris", "b": "Paris", "c": "Rome"}) as system:
        for _ in range(3):
            assert (await system.ask()).status == 200
        assert (await system.ask("a")).status == 200
        home = system.home.root
    rows = written(home)
    assert CrossReferenceValidator().check(Arrivals(rows, time.time())) == []
    *others, last = rows
    assert last.spans[-1].name == names.GATEWAY_COUNTERS
    said = counted(last.spans[-1])
    spans = [span for part in others for span in part.spans]
    assert said.rows == len(spans)
    assert said.decisions == 4
    assert said.voter_spans == sum(bool(span.voter) for span in spans)
    taken_out = [others[0], *others[2:], last]
    assert CrossReferenceValidator().check(Arrivals(taken_out, time.time())) != []


async def test_a_storm_that_a_replica_hears_of_freezes_learning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed by itself, with the policy key; nobody has to ask, and answers go on."""
    monkeypatch.setattr(replica, "STORM_LOOK_S", 0.01)
    async with live(tmp_path, monkeypatch) as system:
        gateway = system.replicas[0]
        assert not gateway.policy().learning_frozen
        gateway._spans.storm, gateway._spans.storm_at_s = "90 of 100 rows were set aside", time.time() + 1
        async with asyncio.timeout(20):
            while not gateway.policy().learning_frozen:
                assert (await system.ask()).status == 200
        assert gateway.status()["policy"]["learning_frozen"]
        assert "90 of 100" in gateway.status()["storm"]
