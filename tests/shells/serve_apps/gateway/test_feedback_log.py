"""Feedback on a real write-ahead log: durable before it is answered, one row a word, nothing where the disk fails."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from actors.base.canonical import canonical_json
from actors.base.errors import StorageUnavailable
from actors.consensus.config import ConsensusConfig
from actors.policy.config import PolicyConfig
from actors.spans.adapters.reader import WalReader
from actors.spans.adapters.wal import WalWriter
from actors.spans.config import SpansConfig
from actors.spans.record import seal
from actors.spans.span import Span
from actors.store.config import StoreConfig
from actors.store.tenants import derived_tenants
from serve_apps.gateway.decisions import Decisions
from serve_apps.gateway.feedback import FeedbackDesk
from serve_apps.gateway.settings import GatewaySettings
from tests.shells.actors.spans.adapters.disks import Faults, opened, rows
from tests.unit.actors.spans.telemetry import NOW_S, SMALL, span
from tests.unit.actors.spans.test_record import RECORD, WRITER
from tests.unit.serve_apps.gateway.test_decisions import holder

ENVELOPE = canonical_json(seal(RECORD, WRITER.key, WRITER.certificate))
SECRET = "the note's own words"


def desk(wal: WalWriter, root: Path, spans: SpansConfig) -> FeedbackDesk:
    """Return a desk that looks decisions up in the same log that it writes to."""
    domains = {"consensus": ConsensusConfig(), "policy": PolicyConfig(), "store": StoreConfig(), "spans": spans}
    settings = GatewaySettings(home=root, config_sha256="0" * 64, profile="t", **domains)

    def pseudonym(_: str) -> str:
        return RECORD.tenant

    found = Decisions(lambda _: None, WalReader(root, 1 << 30), bytes, pseudonym, 4)
    return FeedbackDesk(found.find, wal, derived_tenants(b"s" * 32), settings, lambda: int(NOW_S * 1e9))


async def tell(to: FeedbackDesk) -> Any:
    """Say one word on the decision."""
    body = json.dumps({"decision_id": RECORD.id, "outcome": "reverted", "note": SECRET}).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return await to.take(receive, holder("client", "acme"))


def everything(root: Path) -> bytes:
    """Return all that lies on disk."""
    return b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())


def decided(_: int) -> list[Span]:
    """Build the row of the decision that is spoken of."""
    return [span(1, ENVELOPE, decision_id=RECORD.id)]


async def test_a_word_is_durable_before_it_is_answered(tmp_path: Path) -> None:
    """The log's count of rows is what a reader finds, the decision's record is found as before, the note nowhere."""
    async with opened(tmp_path) as wal:
        await wal.append(1, decided)
        taken = [await tell(to) for to in [desk(wal, tmp_path, SMALL)] for _ in range(2)]
        assert (wal.counters.emitted_spans, wal.durable_seq) == (3, 3)
        _, *words = rows(tmp_path)
        assert [word.attributes["weavergen.feedback.id"] for word in words] == [each.feedback_id for each in taken]
        assert {(word.name, word.decision_id, word.outcome) for word in words} == {
            ("weavergen.feedback", RECORD.id, "reverted")
        }
        assert WalReader(tmp_path, 1 << 30).find(RECORD.id) == ENVELOPE
    assert SECRET.encode() not in everything(tmp_path)


async def test_a_disk_that_hangs_answers_nobody(tmp_path: Path) -> None:
    """The client is refused when the disk has had its time; the row that comes after all is counted like any other."""
    faults, config = Faults(), SMALL.model_copy(update={"stall_after_ms": 30})
    async with opened(tmp_path, faults, config) as wal:
        await wal.append(1, decided)
        faults.gate.clear()
        with pytest.raises(StorageUnavailable):
            await tell(desk(wal, tmp_path, config))
        faults.gate.set()
        async with asyncio.timeout(60):
            while wal.durable_seq < 2:  # noqa: ASYNC110 - a thread of the log writes
                await asyncio.sleep(0)
        assert (len(rows(tmp_path)), wal.counters.emitted_spans) == (2, 2)


async def test_a_full_disk_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused at once, as decisions are; no row, and none counted."""
    async with opened(tmp_path) as wal:
        await wal.append(1, decided)
        to = desk(wal, tmp_path, SMALL)
        with monkeypatch.context() as full:
            full.setattr(WalWriter, "unavailable_because", "no space left on device")
            with pytest.raises(StorageUnavailable, match="no space"):
                await tell(to)
        assert (len(rows(tmp_path)), wal.counters.emitted_spans, wal.counters.refused) == (1, 1, 1)
