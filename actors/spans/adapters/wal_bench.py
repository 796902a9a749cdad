"""Measures the log beside its yardstick: the same bytes written with a bare ``pwrite`` and ``fdatasync``.

Left out: running it among other benchmarks and printing tables (``cluster``).
"""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

from actors.base.certificates import Certificate, certify
from actors.base.ids import new_ulid
from actors.base.signing import SigningKey
from actors.spans.adapters.wal import WalWriter, WriterIdentity
from actors.spans.config import SpansConfig
from actors.spans.conventions import INVOKE_WORKFLOW, chat_span_name
from actors.spans.span import Span


@dataclass(frozen=True, slots=True)
class WalFigures:
    """One measurement; times in microseconds."""

    concurrency: int
    appends_per_s: float
    p50_us: float
    p99_us: float
    cpu_us_per_append: float
    """Processor time of the whole process, the disk's wait not counted."""
    fsyncs: int


def sample_spans(count: int = 5, record_bytes: int = 2500) -> list[Span]:
    """Spans like one consensus of three: a root with its record, a layer, three calls."""
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "vllm", "gen_ai.request.model": "voter-1"}
    root = Span(
        bytes(16), bytes(8), b"", INVOKE_WORKFLOW, "server", 1, 2, "ok", new_ulid(), "tenant", attributes,
        record=os.urandom(record_bytes),
    )  # fmt: skip
    call = Span(
        bytes(16), bytes(8), bytes(8), chat_span_name("voter-1"), "client", 1, 2, "ok", root.decision_id, "tenant",
        attributes, voter="voter-1", family="llama", layer="primary", outcome="agreed", latency_ms=12,
    )  # fmt: skip
    return [root, *[call] * (count - 1)]


def throwaway_identity() -> WriterIdentity:
    """Make a writer identity that nobody trusts."""
    issuer, key, writer_id = SigningKey.generate(), SigningKey.generate(), new_ulid()
    certificate = Certificate("writer", writer_id, key.public.hex, issuer.public.key_id, 0, 3600)
    return WriterIdentity(writer_id, key, certify(issuer, certificate))


async def measure_appends(root: Path, config: SpansConfig, appends: int, concurrency: int) -> WalFigures:
    """Append ``appends`` frames of five spans in a closed loop of ``concurrency`` tasks."""
    wal = WalWriter(root, throwaway_identity(), config)
    spans = sample_spans()
    latencies: list[float] = []

    async def client(count: int) -> None:
        for _ in range(count):
            began = time.perf_counter()
            await wal.append(len(spans), lambda _: spans)
            latencies.append(time.perf_counter() - began)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(client(appends // concurrency) for _ in range(concurrency)))
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    await asyncio.to_thread(wal.close)
    return _figures(latencies, concurrency, took, cpu, wal.counters.fsyncs)


def measure_bare_sync(path: Path, writes: int, size: int) -> WalFigures:
    """Write ``size`` bytes at a time into a preallocated file, one ``fdatasync`` each: what the disk can do."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    latencies: list[float] = []
    data = os.urandom(size)
    try:
        os.posix_fallocate(fd, 0, writes * size)
        os.fsync(fd)
        began, cpu = time.perf_counter(), time.process_time()
        for index in range(writes):
            start = time.perf_counter()
            os.pwrite(fd, data, index * size)
            os.fdatasync(fd)
            latencies.append(time.perf_counter() - start)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
    finally:
        os.close(fd)
        path.unlink()
    return _figures(latencies, 1, took, cpu, writes)


def _figures(latencies: list[float], concurrency: int, took: float, cpu: float, fsyncs: int) -> WalFigures:
    ordered, count = sorted(latencies), len(latencies)
    return WalFigures(
        concurrency=concurrency,
        appends_per_s=count / took,
        p50_us=ordered[count // 2] * 1e6,
        p99_us=ordered[int(count * 0.99)] * 1e6,
        cpu_us_per_append=cpu / count * 1e6,
        fsyncs=fsyncs,
    )
