"""Spans of decisions that nobody made, in files like those of the table: as many as wanted, in any number of files.

Rules:
- The same seed gives the same rows, however many files they are spread over. A decision is five spans in one file: root with
  its record, layer, and three voters of six; now and then one is cut off, and sometimes nobody wins.
- Of several files only the last know the column ``latency_ms``: one in twenty-five, at least one.
- A record is as long as a real one and says which of ``POLICIES`` it was made under; it is signed by nobody.
"""

import base64
import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from actors.spans.adapters.parquet import ROW_GROUP_ROWS
from actors.spans.columns import pinned_schema
from actors.spans.conventions import SCHEMA_URL

POLICIES = tuple(hashlib.sha256(f"policy {number}".encode()).hexdigest() for number in range(4))
"""Digests of the policies that decisions were made under, a quarter each."""
SEATS = 3
SPANS = SEATS + 2
_BEGAN_NS = 1_790_000_000_000_000_000
_KINDS = ("value", "json", "code:python", "text")
_VOTERS = tuple(f"voter-{letter}" for letter in "fadbec")
_LATE_SHARE = 25
_DIGESTS = 12
"""Random digests in a record: they are what does not compress."""

Ints = NDArray[np.int64]


def write_spans(folder: Path, decisions: int, files: int, seed: int) -> list[Path]:
    """Write decisions into files in ``folder`` and return those, in order."""
    bounds = np.linspace(0, decisions, files + 1).astype(int).tolist()
    paths = []
    for number, (first, last) in enumerate(pairwise(bounds)):
        table = _table(np.arange(first, last), seed)
        if files > 1 and number < files - max(1, files // _LATE_SHARE):
            table = table.drop_columns(["latency_ms"])
        paths.append(folder / f"part-{number:04d}.parquet")
        pq.write_table(
            table, paths[-1], compression="zstd", row_group_size=ROW_GROUP_ROWS, write_page_checksum=True
        )  # fmt: skip
    return paths


def _drawn(decisions: Ints, seed: int, what: int, below: int) -> Ints:
    """Draw a number for each decision from its own number alone (multiply and mix, as SplitMix64 does)."""
    mixed = decisions.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed * 1009 + what)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return ((mixed ^ (mixed >> np.uint64(31))) % np.uint64(below)).astype(np.int64)


def _table(decisions: Ints, seed: int) -> pa.Table:
    rows, n = len(decisions) * SPANS, len(decisions)
    seat = np.tile(np.arange(SPANS) - 2, n)  # -2 the root, -1 the layer
    of = np.repeat(np.arange(n), SPANS)
    chat, root = seat >= 0, seat == -2
    first = _drawn(decisions, seed, 1, len(_VOTERS))[of]
    said = np.stack([_drawn(decisions, seed, 10 + place, 100) for place in range(SEATS)])[np.maximum(seat, 0), of]
    outcome = np.where(said < 60 + 5 * (first + seat) % 30, 0, np.where(said < 97, 1, 2))
    took = _drawn(decisions, seed, 20, 5000)[of] + 37 * (seat + 2)
    began = _BEGAN_NS + decisions[of] * 1_000_000
    names = [f"{number:026d}" for number in decisions.tolist()]
    columns: dict[str, pa.Array] = {
        "trace_id": _ids(np.repeat(decisions, SPANS), 16),
        "span_id": _ids(decisions[of] * SPANS + seat + 2, 8),
        "name": _words(np.where(root, 0, np.where(chat, 2, 1)), ("invoke_workflow", "weavergen.layer", "chat")),
        "kind": _words(np.where(root, 0, np.where(chat, 2, 1)), ("server", "internal", "client")),
        "start_unix_nano": pa.array(began),
        "end_unix_nano": pa.array(began + took * 1_000_000),
        "status": _words(np.zeros(rows, np.int64), ("ok",)),
        "writer_id": _words(np.zeros(rows, np.int64), ("0" * 26,)),
        "writer_seq": pa.array(decisions[of] * SPANS + seat + 2),
        "decision_id": pa.array(names).take(pa.array(of)),
        "voter": _words((first + np.maximum(seat, 0)) % len(_VOTERS), _VOTERS, ~chat),
        "outcome": _words(np.where(chat, outcome, 3), ("agreed", "dissented", "cancelled", "answered")),
        "latency_ms": pa.array(took),
        "answer_kind": _words(_drawn(decisions, seed, 2, len(_KINDS))[of], _KINDS),
        "tenant": _words(np.zeros(rows, np.int64), ("t-1",)),
        "record": _records(decisions, seed).take(pa.array(np.where(root, of, 0), mask=~root)),
        "schema_url": _words(np.zeros(rows, np.int64), (SCHEMA_URL,)),
    }
    schema = pinned_schema()
    return pa.table(
        [columns[field.name] if field.name in columns else pa.nulls(rows, field.type) for field in schema], schema
    )  # fmt: skip


def _words(codes: Ints, words: tuple[str, ...], missing: NDArray[np.bool_] | None = None) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=missing), pa.array(words))


def _ids(numbers: Ints, size: int) -> pa.Array:
    data = np.zeros((len(numbers), size), np.uint8)
    data[:, -8:] = numbers.astype(">i8").view(np.uint8).reshape(-1, 8)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), len(numbers), [None, pa.py_buffer(data.tobytes())])


def _records(decisions: Ints, seed: int) -> pa.Array:
    policies = _drawn(decisions, seed, 3, len(POLICIES)).tolist()
    return pa.array(
        [_record(number, POLICIES[policy]) for number, policy in zip(decisions.tolist(), policies, strict=True)],
        pa.binary(),
    )


def _record(number: int, policy: str) -> bytes:
    digests = [hashlib.sha256(f"{number}/{place}".encode()).hexdigest() for place in range(_DIGESTS)]
    payload: dict[str, Any] = {
        "ballots": digests, "id": f"{number:026d}", "policy": {"name": "strict", "sha256": policy, "version": 1},
    }  # fmt: skip
    return json.dumps({"payload": base64.b64encode(json.dumps(payload).encode()).decode()}).encode()
