"""Spans of other services into a live replica, with a key of their own: what they may not do to decisions."""

import asyncio
import gzip
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from actors.spans.adapters.reader import WalReader
from actors.spans.frames import FrameKind, decode_spans
from actors.spans.span import Span
from actors.store.adapters.api_keys import NewKey
from actors.store.config import StoreConfig
from cluster.access import access
from cluster.home import Home
from tests.shells.serve_apps.gateway.live import Live, live
from tests.unit.actors.spans.otlp.sent import pair, request, sent
from tests.unit.serve_apps.gateway.taking import Told, post

FLOOD_S = 3.0
SPANS = 400


def writer_keys(home: Home, count: int) -> list[str]:
    """Make keys of the role writer, as ``weavergen keys create`` does."""
    with access(home, StoreConfig()) as mine:
        return [mine.create(NewKey(role="writer", tenant=f"t{number}"))[1] for number in range(count)]


def spans_of_now(count: int, **fields: Any) -> ExportTraceServiceRequest:
    """Return a request of spans that began a second ago."""
    began = time.time_ns() - 10**9
    made = {"start_time_unix_nano": began, "end_time_unix_nano": began + 10**6, "attributes": [pair("k", "v" * 200)]}
    return request(*(sent(number=n + 1, **(made | fields)) for n in range(count)))


def recorded(home: Home) -> dict[bool, list[Span]]:
    """Return what the replicas' logs hold: rows of others and rows of ours."""
    reader = WalReader(home.root / "wal", 1 << 30)
    found: dict[bool, list[Span]] = {True: [], False: []}
    for writer in reader.writers():
        for ref in reader.segments(writer):
            read = reader.read(ref)
            frames = read.scan.frames if read is not None else ()
            for frame in frames:
                for span in decode_spans(frame) if frame.kind is FrameKind.SPANS else ():
                    found[bool(span.sender)].append(span)
    return found


async def until_known(system: Live, key: str) -> None:
    """Wait until the replica knows a key that was just made."""
    async with asyncio.timeout(20):
        while (await post(system.replicas[0].traces, b"", key=key)).status == 401:  # noqa: ASYNC110 - keys are polled for
            await asyncio.sleep(0)


async def test_a_flood_of_spans_holds_up_no_decision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight senders as fast as they can: decisions are all answered, what is not taken is refused, and every span is counted."""
    otlp = {"spans_per_second": 1e6, "burst_spans": 1_000_000, "replica_spans_per_second": 1e6, "min_free_bytes": 0}
    async with live(tmp_path, monkeypatch, otlp=otlp) as system:
        gateway = system.replicas[0]
        keys = writer_keys(system.home, 4)
        await until_known(system, keys[-1])
        body = gzip.compress(spans_of_now(SPANS).SerializeToString())
        until_s = time.monotonic() + FLOOD_S
        answers: Counter[int] = Counter()

        async def flood(key: str) -> None:
            while time.monotonic() < until_s:
                told = await post(gateway.traces, body, key=key, content_encoding="gzip")
                answers[told.status] += 1
                await asyncio.sleep(0)

        async def ask() -> list[tuple[int, float]]:
            found = []
            while time.monotonic() < until_s:
                began_s = time.monotonic()
                found.append(((await system.ask(deadline_ms=10_000)).status, time.monotonic() - began_s))
            return found

        *_, asked = await asyncio.gather(*(flood(key) for key in keys * 2), ask())
        shown = gateway.status()["traces"]
        decisions = len(asked)
        assert decisions >= 5
        assert {status for status, _ in asked} == {200}
        assert max(took_s for _, took_s in asked) < 2.0
        assert answers[429] > 0
        assert answers[200] > 0
        assert shown["received"] == shown["accepted"] + shown["rejected"] + shown["refused"]
        assert shown["accepted"] == SPANS * answers[200]
        await system.meter().until("otlp_spans_accepted", float(shown["accepted"]))
    rows = recorded(system.home)
    assert len(rows[True]) == shown["accepted"]
    assert sum(bool(span.record) for span in rows[False]) == decisions


async def test_every_row_of_others_is_marked_and_none_is_in_the_log_of_decisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bound to key and tenant; the decision's rows are another writer's, and what claims to be ours is not taken."""
    async with live(tmp_path, monkeypatch) as system:
        gateway = system.replicas[0]
        (key,) = writer_keys(system.home, 1)
        await until_known(system, key)
        assert (await system.ask()).status == 200
        message = spans_of_now(2)
        message.resource_spans[0].scope_spans[0].spans.add().CopyFrom(
            spans_of_now(1, name="weavergen.row.quarantined").resource_spans[0].scope_spans[0].spans[0]
        )
        told: Told = await post(gateway.traces, message.SerializeToString(), key=key)
        partial = ExportTraceServiceResponse.FromString(told.body).partial_success
        assert (told.status, partial.rejected_spans) == (200, 1)
        assert "'weavergen.row.quarantined'" in partial.error_message
        principal = gateway.access.require([(b"authorization", f"Bearer {key}".encode())], "writer")
        pseudonym: Callable[[str], str] = gateway._coordinator.tenant_pseudonym
        shown = gateway.status()["traces"]
        assert shown["writer"] != gateway.status()["replica"]
    rows = recorded(system.home)
    assert [(span.sender, span.tenant) for span in rows[True]] == [(principal.key_id, pseudonym("t0"))] * 2
    assert {path.name for path in (system.home.root / "wal").iterdir()} == {
        shown["writer"],
        gateway.status()["replica"],
    }
