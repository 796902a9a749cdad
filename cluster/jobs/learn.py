"""The learning job: counts what the spans table says of voters, and leaves the weights that follow as a candidate.

``python -m cluster.jobs.learn --home DIR --weights SHA256 --since-ns N --report FILE``

Ray Data over the table's current file list, never its directory: paths are the rows, each file is read under the pinned
schema and becomes partial sums where it is read, and the driver merges a few sums. Ray's own Parquet reader is not used:
it drops a column that first appears after the sixteenth file, and it checks no page.

What was decided while policy froze learning teaches nothing, then or later: a decision's record names its policy by digest. Nor
does a row in quarantine: it is left out by an anti-join with what the table itself says of quarantined rows.

A candidate has no force: whoever submits the job signs a policy that names it, or does not.
"""

import argparse
import os
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from actors.base.canonical import MICRO, canonical_json, decode
from actors.base.errors import IntegrityError
from actors.consensus.adapters.registry import WeightsRegistry
from actors.consensus.weights import Weights, pair_micro, weight_micro
from actors.learning.counts import VOTED, Ballots, Counts, Ints, count, merge
from actors.learning.release import next_weights
from actors.policy.acceptance import PAYLOAD
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.adapters.loading import blamed
from actors.policy.snapshot import SignedSnapshot
from actors.spans.adapters.located import named
from actors.spans.adapters.parquet import FileGone
from actors.spans.adapters.quarantined import entries
from actors.spans.adapters.stores import SpanStores
from actors.spans.adapters.table import SpanTable
from actors.spans.place import AT_HOME, Location, Place
from actors.spans.quarantined import Quarantined, in_force
from actors.spans.record import policy_named
from cluster.home import Home, open_home
from cluster.jobs.submission import MARK, write_report
from cluster.profile_policy import publish_weights
from cluster.trust import load_trust

SCHEMA = "weavergen.learn/1"
TASKS_PER_PROCESSOR = 2
"""How finely files are spread: a task costs tens of milliseconds, more than most files."""
_NICENESS = 10
_WHOSE = ("writer_id", "writer_seq")
NONE_QUARANTINED = Quarantined()
_COLUMNS = ("decision_id", "answer_kind", "voter", "outcome", "latency_ms", "layer", "sender")


def count_file(
    path: Place, since_ns: int, frozen: Collection[str], quarantined: Quarantined = NONE_QUARANTINED
) -> Counts:
    """Count one file's ballots that began at ``since_ns`` or later; raise ``IntegrityError`` if a page does not check.

    A decision whose record names a policy among ``frozen`` (digests) is left out, and so is every row in quarantine.
    """
    began = pc.field("start_unix_nano") >= since_ns
    columns = (*_COLUMNS, *_WHOSE) if quarantined.in_table else _COLUMNS
    # more conditions on the reader would double its time
    read = SpanTable.read_file(path, columns, began, threads=True)
    rows = _voted(_trusted(read, quarantined) if quarantined.in_table else read)
    if frozen and len(rows):
        left_out = pa.array(_decided_under(path, began, frozen), pa.string())
        rows = rows.filter(pc.invert(pc.is_in(rows["decision_id"], left_out)))
    return count(_ballots(rows)) if len(rows) else merge([])


def _trusted(rows: pa.Table, quarantined: Quarantined) -> pa.Table:
    """Return the rows that are not in quarantine: the anti-join."""
    writer = rows["writer_id"].unify_dictionaries().combine_chunks()
    left_out = quarantined.mask(writer.dictionary.to_pylist(), _numbers(writer.indices), _numbers(rows["writer_seq"]))
    return rows.filter(pa.array(~left_out))


def _voted(rows: pa.Table) -> pa.Table:
    """Return the rows of our own that say who agreed or dissented in which decision: other services' say nothing of voters."""
    voted = pc.is_in(pc.cast(rows["outcome"], pa.string()), pa.array(VOTED))
    for name in ("voter", "decision_id", "answer_kind"):
        voted = pc.and_(voted, pc.is_valid(rows[name]))
    return rows.filter(pc.and_(voted, pc.is_null(rows["sender"])))


def _decided_under(path: Place, began: pc.Expression, policies: Collection[str]) -> list[str]:
    rows = SpanTable.read_file(path, ("decision_id", "record"), began & pc.field("record").is_valid())
    pairs = zip(rows["decision_id"].to_pylist(), rows["record"].to_pylist(), strict=True)
    try:
        return [decision_id for decision_id, record in pairs if policy_named(record) in policies]
    except IntegrityError as error:
        raise IntegrityError(f"span file {path.name} holds a record that cannot be read: {error}", str(path)) from error


def _ballots(rows: pa.Table) -> Ballots:
    kind, voter = (rows[name].unify_dictionaries().combine_chunks() for name in ("answer_kind", "voter"))
    outcome = pc.cast(rows["outcome"], pa.string()).combine_chunks()
    return Ballots(
        decision=_verdicts(rows),
        kind=_numbers(kind.indices),
        voter=_numbers(voter.indices),
        agreed=np.asarray(pc.equal(outcome, VOTED[0]).to_numpy(zero_copy_only=False)),
        latency_ms=_numbers(pc.fill_null(rows["latency_ms"], -1)),
        kinds=kind.dictionary.to_pylist(),
        voters=voter.dictionary.to_pylist(),
    )


def _verdicts(rows: pa.Table) -> Ints:
    """Return numbers of the verdicts that ballots took part in: each layer's in each decision."""
    decisions = _numbers(pc.dictionary_encode(rows["decision_id"]).combine_chunks().indices)
    layer = rows["layer"].unify_dictionaries().combine_chunks()
    layers = _numbers(pc.fill_null(layer.indices, -1)) + 1
    if not len(layers) or layers.min() == layers.max():
        return decisions
    _, verdicts = np.unique(decisions * (len(layer.dictionary) + 1) + layers, return_inverse=True)
    return np.asarray(verdicts, dtype=np.int64)


def _numbers(column: pa.Array) -> Ints:
    return np.asarray(column).astype(np.int64)


def count_batch(
    batch: dict[str, Any], since_ns: int, frozen: Collection[str], quarantined: Quarantined = NONE_QUARANTINED,
    location: Location = AT_HOME,
) -> dict[str, list[bytes]]:  # fmt: skip
    """Count a batch of paths (column ``item``) into one row of encoded sums; of none, if one is gone, and why."""
    try:
        parts = merge(count_file(named(path, location), since_ns, frozen, quarantined) for path in batch["item"])
    except FileGone as error:
        return {"counts": [b""], "gone": [str(error).encode()]}
    return {"counts": [msgspec.msgpack.encode(parts)], "gone": [b""]}


def count_files(
    paths: Sequence[Place], since_ns: int, frozen: Collection[str], quarantined: Quarantined = NONE_QUARANTINED,
    location: Location = AT_HOME,
) -> Counts:  # fmt: skip
    """Count files with Ray Data, on the node that the process belongs to; raise ``FileGone`` if one went meanwhile."""
    import ray
    import ray.data

    if not paths:
        return merge([])
    if not ray.is_initialized():
        ray.init()
    tasks = TASKS_PER_PROCESSOR * max(1, int(ray.cluster_resources().get("CPU", 1)))
    rows = ray.data.from_items([str(path) for path in paths], override_num_blocks=min(len(paths), tasks))
    limits = {"since_ns": since_ns, "frozen": frozenset(frozen), "quarantined": quarantined, "location": location}
    counted = rows.map_batches(count_batch, batch_size=None, fn_kwargs=limits).take_all()
    for row in counted:
        if row["gone"]:
            raise FileGone(row["gone"].decode(), "spans")
    return merge(msgspec.msgpack.decode(row["counts"], type=Counts) for row in counted)


def frozen_policies(home: Home, max_snapshot_bytes: int) -> dict[str, int]:
    """Return digest → version of every policy of a home that froze learning; raise ``IntegrityError`` for a damaged file."""
    directory, found = SnapshotDirectory(home.policy, max_snapshot_bytes), dict[str, int]()
    for version in directory.versions():
        data = directory.read(version)
        with blamed(version, data):
            snapshot = decode(data, SignedSnapshot, PAYLOAD).read()
        if snapshot.learning_frozen:
            found[snapshot.sha256] = version
    return found


def learned(old: Weights, new: Weights, counts: Counts) -> Iterable[dict[str, Any]]:
    """Yield the table of what was learned: a row a voter and kind, weights in millionths."""
    for voter, kinds in counts.voters.items():
        for kind, sums in kinds.items():
            yield {
                "voter": voter, "kind": kind, "n": sums.n, "agreed": sums.agreed,
                "latency_ms": sums.latency_ms // sums.timed if sums.timed else None,
                "old_micro": weight_micro(old, voter, kind), "new_micro": weight_micro(new, voter, kind),
            }  # fmt: skip


def paired(old: Weights, new: Weights, counts: Counts) -> Iterable[dict[str, Any]]:
    """Yield a row a pair of voters that was counted: its sums, and its correlation before and after in millionths."""
    for name, sums in counts.pairs.items():
        yield {
            "pair": name, **msgspec.to_builtins(sums),
            "old_micro": pair_micro(old, name), "new_micro": pair_micro(new, name),
        }  # fmt: skip


def learn_home(home: Home, sha256: str, since_ns: int) -> dict[str, Any]:
    """Count a home's spans and keep the weights that follow the ones named; return the report."""
    config = home.read_config()
    old = WeightsRegistry(home.registry).weights(sha256)
    location = config.spans.location
    table = SpanStores(home.root, config.spans.table_checkpoint_commits, location=location)
    frozen = frozen_policies(home, config.policy.max_snapshot_bytes)
    quarantined = in_force(entries(table, load_trust(home.trust_file)))
    files, counts = table.with_files(
        lambda: (len(files := table.current_files()), count_files(files, since_ns, frozen, quarantined, location))
    )  # fmt: skip
    new = next_weights(old, counts, config.learning.shrink_n, round(config.learning.max_change * MICRO))
    return {
        "schema": SCHEMA, "ok": True, "files": files, "since_ns": since_ns, "old": sha256,
        "new": sha256 if new is old else publish_weights(home, canonical_json(new)),
        "rho": new.correlation.rho, "rows": list(learned(old, new, counts)),
        "pairs": list(paired(old, new, counts)),
        "frozen_versions": sorted(frozen.values()), "quarantined_rows": quarantined.count,
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
