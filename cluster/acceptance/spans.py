"""10,000 requests through recorded voters: emitted spans are the table's rows, readable by other people's tools."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from actors.spans.adapters.table import SpanTable
from actors.spans.columns import pinned_schema
from cluster.acceptance.load import Load, stream, unverifiable, value_question
from cluster.acceptance.system import WORK, System, running, write_answers
from cluster.client import GatewayClient

PORT = 8171
REQUESTS = 10_000
CONNECTIONS = 16
CHECKED = 200
WAIT_S = 120.0


def stages(save: Callable[[str, dict[str, Any]], None], done: set[str]) -> None:
    """Run the one stage there is."""
    if "spans" in done:
        return
    right = "The capital of France is Paris."
    answers = write_answers(WORK / "answers.jsonl", {"m1": [right], "m2": ["Paris"], "m3": [right, "London", "Rome"]})
    with running("spans", PORT, ["--profile", "replay", "--answers", str(answers)]) as system:
        save("spans", asyncio.run(_stage(system)))


async def _stage(system: System) -> dict[str, Any]:
    load = Load()
    began = time.monotonic()
    await stream(system, lambda _: value_question(0), load, REQUESTS, CONNECTIONS, 60.0)
    seconds = time.monotonic() - began
    emitted = _emitted(system)
    table = SpanTable(system.home.root / "spans", 100)
    give_up = time.monotonic() + WAIT_S
    while (rows := _duckdb_rows(table)) < emitted and time.monotonic() < give_up:  # noqa: ASYNC110 - another process writes
        await asyncio.sleep(0.5)
    bad = await unverifiable(system, load.answered()[:: max(1, REQUESTS // CHECKED)])
    return {
        "requests": len(load.outcomes),
        "answered": len(load.answered()),
        "requests_per_s": round(len(load.outcomes) / seconds, 1),
        "emitted_spans": emitted,
        "rows_duckdb": rows,
        "rows_ray_data": _ray_rows(table),
        "files": len(table.current_files()),
        "sampled_records_not_verifiable": len(bad),
    }


def _emitted(system: System) -> int:
    status = GatewayClient(system.url, system.operator_key).get("/ops/status")
    return int(status["wal"]["emitted_spans"])


def _duckdb_rows(table: SpanTable) -> int:
    import duckdb

    files = [str(path) for path in table.current_files()]
    if not files:
        return 0
    found = duckdb.execute("select count(*), count(distinct (writer_id, writer_seq)) from read_parquet(?)", [files])
    rows, distinct = found.fetchone() or (0, 0)
    if rows != distinct:
        raise RuntimeError(f"{rows} rows, but {distinct} distinct (writer, sequence) pairs")
    return int(rows)


def _ray_rows(table: SpanTable) -> int:
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        files = [str(path) for path in table.current_files()]
        return int(ray.data.read_parquet(files, schema=pinned_schema()).count())
    finally:
        ray.shutdown()
