"""The learning job: counts what the spans table says of voters, and leaves the weights that follow as a candidate.

``python -m cluster.jobs.learn --home DIR --weights SHA256 --since-ns N --report FILE``

Ray Data over the table's current file list, never its directory: paths are the rows, each file is read under the pinned
schema and becomes partial sums where it is read, and the driver merges a few sums. Ray's own Parquet reader is not used:
it drops a column that first appears after the sixteenth file, and it checks no page.

A candidate has no force: whoever submits the job signs a policy that names it, or does not.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.compute as pc

from actors.base.canonical import MICRO, canonical_json
from actors.consensus.adapters.registry import WeightsRegistry
from actors.consensus.weights import Weights, weight_micro
from actors.learning.counts import Ballot, Counts, count, merge
from actors.learning.release import next_weights
from actors.spans.adapters.table import SpanTable
from cluster.home import Home, open_home
from cluster.jobs.submission import MARK, write_report
from cluster.profile_policy import publish_weights

SCHEMA = "weavergen.learn/1"
MAX_BLOCKS = 64
"""Tasks that the files are spread over."""
_NICENESS = 10
_COLUMNS = ("decision_id", "answer_kind", "voter", "outcome", "latency_ms")


def count_file(path: Path, since_ns: int) -> Counts:
    """Count one file's ballots that began at ``since_ns`` or later; raise ``IntegrityError`` if a page does not check."""
    wanted = (
        pc.field("voter").is_valid() & pc.field("decision_id").is_valid() & pc.field("answer_kind").is_valid()
        & pc.field("latency_ms").is_valid() & (pc.field("start_unix_nano") >= since_ns)
    )  # fmt: skip
    rows = SpanTable.read_file(path, _COLUMNS, wanted)
    columns = (rows[name].to_pylist() for name in _COLUMNS)
    return count(Ballot(*values) for values in zip(*columns, strict=True))


def count_batch(batch: dict[str, Any], since_ns: int) -> dict[str, list[bytes]]:
    """Count a batch of paths (column ``item``) into one row of encoded sums."""
    parts = merge(count_file(Path(path), since_ns) for path in batch["item"])
    return {"counts": [msgspec.msgpack.encode(parts)]}


def count_files(paths: Sequence[Path], since_ns: int) -> Counts:
    """Count files with Ray Data; a Ray node is connected to or started by whoever calls."""
    import ray.data

    if not paths:
        return merge([])
    rows = ray.data.from_items([str(path) for path in paths], override_num_blocks=min(len(paths), MAX_BLOCKS))
    counted = rows.map_batches(count_batch, batch_size=None, fn_kwargs={"since_ns": since_ns})
    return merge(msgspec.msgpack.decode(row["counts"], type=Counts) for row in counted.take_all())


def learned(old: Weights, new: Weights, counts: Counts) -> Iterable[dict[str, Any]]:
    """Yield the table of what was learned: a row a voter and kind, weights in millionths."""
    for voter, kinds in counts.voters.items():
        for kind, sums in kinds.items():
            yield {
                "voter": voter, "kind": kind, "n": sums.n, "agreed": sums.agreed,
                "latency_ms": sums.latency_ms // sums.n,
                "old_micro": weight_micro(old, voter, kind), "new_micro": weight_micro(new, voter, kind),
            }  # fmt: skip


def learn_home(home: Home, sha256: str, since_ns: int) -> dict[str, Any]:
    """Count a home's spans and keep the weights that follow the ones named; return the report."""
    config = home.read_config()
    old = WeightsRegistry(home.registry).weights(sha256)
    files = SpanTable(home.root / "spans", config.spans.table_checkpoint_commits).current_files()
    counts = count_files(files, since_ns)
    new = next_weights(old, counts, config.learning.shrink_n, round(config.learning.max_change * MICRO))
    return {
        "schema": SCHEMA, "ok": True, "files": len(files), "since_ns": since_ns, "old": sha256,
        "new": sha256 if new is old else publish_weights(home, canonical_json(new)),
        "rho": new.correlation.rho, "rows": list(learned(old, new, counts)),
        "pairs": msgspec.to_builtins(counts.pairs),
    }  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run the job that the command line describes."""
    parser = argparse.ArgumentParser(prog="python -m cluster.jobs.learn", description=__doc__)
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--since-ns", required=True, type=int)
    parser.add_argument("--report", required=True, type=Path)
    given = parser.parse_args(argv)
    os.nice(_NICENESS)
    started_s = time.monotonic()
    report = learn_home(open_home(given.home), given.weights, given.since_ns)
    write_report(given.report, report | {"took_s": round(time.monotonic() - started_s, 3)})
    print(f"{MARK}{report['files']} files counted", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
