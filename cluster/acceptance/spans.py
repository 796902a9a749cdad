"""10,000 requests through recorded voters: emitted spans are the table's rows, readable by other people's tools.

When the system is down, the record of every answer that was received is looked for on its disk and verified there.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actors.spans.adapters.table import SpanTable
from actors.spans.columns import pinned_schema
from cluster.acceptance.accounts import checked
from cluster.acceptance.disk import records_of
from cluster.acceptance.load import Load, stream, value_question
from cluster.acceptance.system import WORK, System, running, write_answers
from cluster.client import gateway_client

PORT = 8171
REQUESTS = 10_000
CONNECTIONS = 16
WAIT_S = 120.0


def stages(save: Callable[[str, dict[str, Any]], None], done: set[str]) -> None:
    """Run the one stage there is."""
    if "spans" in done:
        return
    right = "The capital of France is Paris."
    answers = write_answers(WORK / "answers.jsonl", {"m1": [right], "m2": ["Paris"], "m3": [right, "London", "Rome"]})
    with running("spans", PORT, ["--profile", "replay", "--answers", str(answers)]) as system:
        load, figures = asyncio.run(_stage(system))
    save("spans", figures | checked(load.answered(), records_of(system), system.trust, int(time.time())))


async def _stage(system: System) -> tuple[Load, dict[str, Any]]:
    load = Load()
    began = time.monotonic()
    await stream(system, lambda _: value_question(0), load, REQUESTS, CONNECTIONS, 60.0)
    seconds = time.monotonic() - began
    sent = emitted(system)
    table = SpanTable(system.home.root / "spans", 100)
    give_up = time.monotonic() + WAIT_S
    while (rows := rows_of(table, sent.writer_id)) < sent.spans and time.monotonic() < give_up:  # noqa: ASYNC110 - another process writes
        await asyncio.sleep(0.5)
    return load, {
        "requests": len(load.outcomes),
        "answered": len(load.answered()),
        "requests_per_s": round(len(load.outcomes) / seconds, 1),
        "emitted_spans": sent.spans,
        "rows_duckdb": rows,
        "rows_ray_data": _ray_rows(table),
        "files": len(table.current_files()),
    }


@dataclass(frozen=True, slots=True)
class Emitted:
    """What the one replica of a system wrote into its log."""

    writer_id: str
    spans: int


def emitted(system: System) -> Emitted:
    """Ask the replica; its system must have no other."""
    client = gateway_client(system.home, system.home.read_config(), system.home.keys / "operator.key")
    status = client.get("/ops/status")
    return Emitted(str(status["replica"]), int(status["wal"]["emitted_spans"]))


def rows_of(table: SpanTable, writer_id: str) -> int:
    """Count a writer's rows with DuckDB; raise ``RuntimeError`` if one is there twice."""
    import duckdb

    files = [str(path) for path in table.current_files()]
    if not files:
        return 0
    query = "select count(*), count(distinct writer_seq) from read_parquet(?) where writer_id = ?"
    rows, distinct = duckdb.execute(query, [files, writer_id]).fetchone() or (0, 0)
    if rows != distinct:
        raise RuntimeError(f"{rows} rows, but {distinct} distinct sequence numbers")
    return int(rows)


def _ray_rows(table: SpanTable) -> int:
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        files = [str(path) for path in table.current_files()]
        return int(ray.data.read_parquet(files, schema=pinned_schema()).count())
    finally:
        ray.shutdown()
