"""One mutant's copy of a home, and the tools of who tampers with it: every checksum, digest and entry is written to fit.

Rules:
- A copy is hard links: what is written takes the place of a link, so the home that it was made of stays as it is.
- A place is drawn from the random source that is handed in, and from nothing else.
"""

import hashlib
import json
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from actors.base.canonical import canonical_json
from actors.spans.adapters.delta_log import ACTIONS
from actors.spans.adapters.parquet import ROW_GROUP_ROWS
from actors.spans.adapters.table import SpanTable
from actors.spans.batch import manifest_of
from actors.spans.columns import pinned_schema
from actors.spans.committed import BATCHES, read_said, say
from actors.spans.frames import Frame, FrameKind, decode_spans, encode_spans, frame_header, read_header, scan
from actors.spans.log.checkpoint import read_checkpoint
from actors.spans.merkle import leaf_hash
from actors.spans.place import below
from actors.spans.span import Span
from cluster.acceptance.tamper.people import DAY_S, NOW_S
from cluster.acceptance.tamper.site import Site
from cluster.acceptance.tamper.threats import Stage

Change = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
"""Rows of a file → the rows that are to be there instead."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """What was done, and what an alarm has to name for it to be located: one of the batches, or one of the words."""

    what: str
    batches: frozenset[int] = frozenset()
    words: frozenset[str] = frozenset()
    decisions: frozenset[str] = frozenset()
    """Decisions whose rows were struck: their clients ask."""
    late_s: int = 0
    """How much later than the others' the defender's clock is."""
    unwatched: bool = False
    """The home never had witnesses."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table as it was."""

    writer: str
    seq: int
    batch: int
    decision: str
    """Empty unless the row carries its record."""
    file: str
    """Path below ``spans``."""


@dataclass(slots=True)
class Segment:
    """A segment as it was, and which of its frames nobody has taken in."""

    path: Path
    writer: str
    number: int
    data: bytes
    frames: list[Frame]
    unread: list[Frame]
    is_last: bool
    """Of those of its writer that anything was written to."""
    ended: bool

    @property
    def seed(self) -> int:
        """Return what checksums begin with."""
        return read_header(self.data).seed

    @property
    def frames_at(self) -> int:
        """Return where frames begin."""
        return read_header(self.data).frames_at

    def written(self, frames: Sequence[tuple[FrameKind, int, int, bytes]]) -> bytes:
        """Return a segment of these frames, each a commit of its own, checksums and preallocated zeros and all."""
        out = self.data[: self.frames_at]
        for kind, first_seq, count, payload in frames:
            out += frame_header(kind, first_seq, count, payload, len(out), self.seed) + payload
        return out + bytes(max(0, len(self.data) - len(out)))


def parts(frames: Sequence[Frame]) -> list[tuple[FrameKind, int, int, bytes]]:
    """Return frames as ``Segment.written`` takes them."""
    return [(frame.kind, frame.first_seq, frame.count, frame.payload) for frame in frames]


def decisions_in(frames: Sequence[Frame]) -> frozenset[str]:
    """Return the decisions whose records frames carry."""
    return frozenset(
        span.decision_id
        for frame in frames
        if frame.kind is FrameKind.SPANS
        for span in decode_spans(frame)
        if span.record
    )


@dataclass
class Layout:
    """What lies where in a copy of a moment, read once for all of its mutants."""

    site: Site
    moment: str
    rows: list[Row] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    size: int = 0
    """Batches that are sealed."""
    witnessed: int = 0
    """Batches that witnesses remember."""

    def __post_init__(self) -> None:
        root = self.site.copy(self.moment)
        table = SpanTable(root / "spans", 1000)
        for path in table.current_files():
            columns = ["writer_id", "writer_seq", "log_index", "decision_id", "record"]
            name = below(table.path, path)
            for row in table.read_file(path, columns).to_pylist():
                decision = row["decision_id"] if row["record"] else ""
                self.rows.append(Row(row["writer_id"], row["writer_seq"], row["log_index"], decision, name))
        self.rows.sort(key=lambda row: (row.batch, row.seq))
        self.size = read_checkpoint((root / "log" / "checkpoint").read_bytes()).head.size
        self.witnessed = min(seen.head.size for seen in self.site.memory.values())
        reached = {row.writer: row.seq for row in sorted(self.rows, key=lambda row: row.seq)}
        for folder in sorted((root / "wal").iterdir()):
            found = [_segment(path, root, reached.get(folder.name, 0)) for path in sorted(folder.glob("*.wal"))]
            used = [segment for segment in found if segment is not None]
            for segment in used[-1:]:
                segment.is_last = True
            self.segments += used

    @cached_property
    def batches(self) -> dict[int, list[Row]]:
        """Return the rows of every batch, in order."""
        found: dict[int, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.batch, []).append(row)
        return found

    @cached_property
    def files(self) -> dict[str, set[int]]:
        """Return the batches that each file holds rows of."""
        found: dict[str, set[int]] = {}
        for row in self.rows:
            found.setdefault(row.file, set()).add(row.batch)
        return found

    def of(self, stage: Stage) -> range:
        """Return the batches of a stage."""
        bounds = {
            Stage.WITNESSED: (0, self.witnessed), Stage.SEALED: (self.witnessed, self.size),
            Stage.TABLE: (self.size, len(self.batches)), Stage.WAL: (0, 0),
        }  # fmt: skip
        return range(*bounds[stage])


def _segment(path: Path, root: Path, reached: int) -> Segment | None:
    """Read a segment; ``None`` if it is a reserve that nothing was written to."""
    data = path.read_bytes()
    start = read_header(data)
    found = scan(data[start.frames_at :], start, start.frames_at)
    if not found.frames:
        return None
    unread = [frame for frame in found.frames if frame.kind is FrameKind.SPANS and frame.first_seq > reached]
    return Segment(
        path.relative_to(root), path.parent.name, start.header.number, data, list(found.frames), unread, False, found.ended
    )  # fmt: skip


class Work:
    """A copy that one mutation is made in."""

    def __init__(self, layout: Layout, stage: Stage, root: Path, rng: random.Random) -> None:
        self.layout, self.site, self.stage, self.root, self.rng = layout, layout.site, stage, root, rng
        self.written = ""
        """Digest of the file that was rewritten last."""
        link(layout.site.copy(layout.moment), root)

    # Files.

    def write(self, path: Path, data: bytes) -> None:
        """Put bytes in a file's place."""
        target = self.root / path
        target.unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def read(self, path: Path) -> bytes:
        """Return a file's bytes."""
        return (self.root / path).read_bytes()

    def flip(self, path: Path, first: int = 0, end: int | None = None) -> int:
        """Flip one bit of the bytes from ``first`` on; return the offset."""
        data = bytearray(self.read(path))
        at = self.rng.randrange(first, len(data) if end is None else end)
        data[at] ^= 1 << self.rng.randrange(8)
        self.write(path, bytes(data))
        return at

    # Batches of the stage.

    def batch(self, fits: Callable[[list[Row]], bool] = bool) -> list[Row]:
        """Draw a batch of the stage that fits."""
        found = [self.layout.batches[index] for index in self.layout.of(self.stage)]
        return self.rng.choice([rows for rows in found if fits(rows)])

    def row(self, decides: bool, fits: Callable[[Row], bool] = bool) -> Row:
        """Draw a row of the stage that carries a record, or none."""
        found = [row for index in self.layout.of(self.stage) for row in self.layout.batches[index]]
        return self.rng.choice([row for row in found if bool(row.decision) == decides and fits(row)])

    def entry_of(self, name: str) -> Path:
        """Return the entry of Delta's log that adds a file."""
        folder = self.root / "spans" / "_delta_log"
        return next(path.relative_to(self.root) for path in sorted(folder.glob("*.json")) if name in path.read_text())

    def files_of(self, stage: Stage) -> list[str]:
        """Return the files that hold rows of a stage's batches."""
        wanted = set(self.layout.of(stage))
        return sorted(name for name, batches in self.layout.files.items() if batches & wanted)

    # The table, as whoever hides it writes it.

    def rewrite(self, name: str, change: Change) -> None:
        """Write a file with other rows under the name that its bytes then have, and Delta's entry to fit."""
        path = Path("spans") / name
        rows = pq.read_table(self.root / path, schema=pinned_schema(), partitioning=None)
        table = pa.Table.from_pylist(change(rows.to_pylist()), schema=pinned_schema())
        data = parquet(table)
        ulid = path.name.split("-")[1]
        self.written = hashlib.sha256(data).hexdigest()
        fresh = path.with_name(f"part-{ulid}-{self.written}.parquet")
        entry = self.entry_of(name)
        (self.root / path).unlink()
        self.write(fresh, data)
        self.amend(entry, lambda action: _described(action, name, str(fresh.relative_to("spans")), len(data), table))

    def remove_file(self, name: str) -> None:
        """Take a file away, and Delta's word of it."""
        entry = self.entry_of(name)
        (self.root / "spans" / name).unlink()
        self.amend(entry, lambda action: None if action.get("add", {}).get("path") == name else action)

    def amend(self, entry: Path, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
        """Write an entry of Delta's log with other actions; its checkpoints, which say the same, go."""
        folder = self.root / "spans" / "_delta_log"
        for path in (*folder.glob("*.checkpoint.parquet"), *folder.glob("_last_checkpoint")):
            path.unlink()
        actions = [change(json.loads(line)) for line in self.read(entry).decode().splitlines() if line]
        self.write(entry, "\n".join(json.dumps(action) for action in actions if action is not None).encode())

    # What commits say of their batches.

    def said(self) -> dict[Path, set[int]]:
        """Return each entry of Delta's log that says something of batches, and of which."""
        folder = self.root / "spans" / "_delta_log"
        entries = (path.relative_to(self.root) for path in sorted(folder.glob("*.json")))
        trust = self.site.authority.trust()
        found = {entry: set(read_said(self.said_by(entry).splitlines(), trust)) for entry in entries}
        return {entry: batches for entry, batches in found.items() if batches}

    def said_by(self, entry: Path) -> str:
        """Return what an entry says."""
        actions = (json.loads(line) for line in self.read(entry).decode().splitlines() if line)
        return next((str(action["commitInfo"].get(BATCHES, "")) for action in actions if "commitInfo" in action), "")

    def say(self, entry: Path, words: str) -> None:
        """Let an entry say something else; nothing at all where there are no words."""

        def put(action: dict[str, Any]) -> dict[str, Any]:
            if "commitInfo" in action:
                action["commitInfo"].pop(BATCHES, None)
                action["commitInfo"] |= {BATCHES: words} if words else {}
            return action

        self.amend(entry, put)

    def say_again(self) -> None:
        """Say of all batches that wait what they are now, with the log's key, in the newest commit."""
        waiting, authority = self.layout.of(Stage.TABLE), self.site.authority
        batches = SpanTable(self.root / "spans", 1000).batches(waiting.start, waiting.stop - 1)
        hashes = [leaf_hash(canonical_json(manifest_of(batch))) for batch in batches]
        self.say(max(self.said()), say(authority.key(), authority.trust(), waiting.start, hashes, NOW_S + DAY_S // 2))

    def set_reached(self, app_id: str, version: int) -> None:
        """Let Delta's log say another number of an application id, wherever it says more."""
        for path in sorted((self.root / "spans" / "_delta_log").glob("*.json")):

            def lower(action: dict[str, Any]) -> dict[str, Any]:
                said = action.get("txn", {})
                if said.get("appId") == app_id and said["version"] > version:
                    said["version"] = version
                return action

            if f'"{app_id}"' in path.read_text():
                self.amend(path.relative_to(self.root), lower)

    def commit_reached(self, app_id: str, version: int) -> None:
        """Add a commit to Delta's log that says a number of an application id, and nothing else."""
        folder = self.root / "spans" / "_delta_log"
        number = max(int(path.stem) for path in folder.glob("*.json")) + 1
        info = {"timestamp": 0, "operation": "WRITE", ACTIONS: "1"}
        actions = [{"commitInfo": info}, {"txn": {"appId": app_id, "version": version}}]
        self.write(Path("spans/_delta_log") / f"{number:020d}.json", "\n".join(map(json.dumps, actions)).encode())

    def raise_reached(self, app_id: str, version: int) -> None:
        """Let the newest entry that tells of an application id say another number."""
        folder = self.root / "spans" / "_delta_log"
        newest = [path for path in sorted(folder.glob("*.json")) if f'"{app_id}"' in path.read_text()][-1]

        def put(action: dict[str, Any]) -> dict[str, Any]:
            if action.get("txn", {}).get("appId") == app_id:
                action["txn"]["version"] = version
            return action

        self.amend(newest.relative_to(self.root), put)


def link(source: Path, target: Path) -> None:
    """Make a copy of hard links."""
    for folder, _, names in os.walk(source):
        there = target / os.path.relpath(folder, source)
        there.mkdir(parents=True, exist_ok=True)
        for name in names:
            os.link(os.path.join(folder, name), there / name)  # noqa: PTH118 - ten thousand times a hundred files


def parquet(table: pa.Table) -> bytes:
    """Return a file as the table writes it."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table, sink, compression="zstd", row_group_size=ROW_GROUP_ROWS, write_page_checksum=True, write_statistics=True
    )  # fmt: skip
    data: bytes = sink.getvalue().to_pybytes()
    return data


_STATISTICS = ("writer_id", "writer_seq", "log_index", "decision_id", "start_unix_nano", "end_unix_nano")


def _described(action: dict[str, Any], old: str, new: str, size: int, table: pa.Table) -> dict[str, Any]:
    """Return the action that adds a file with the new one's name, size and statistics."""
    add = action.get("add", {})
    if add.get("path") != old:
        return action
    values = {name: [item for item in table[name].to_pylist() if item is not None] for name in _STATISTICS}
    statistics = {
        "numRecords": table.num_rows,
        "minValues": {name: min(found) for name, found in values.items() if found},
        "maxValues": {name: max(found) for name, found in values.items() if found},
        "nullCount": {name: table[name].null_count for name in _STATISTICS},
    }
    return action | {"add": add | {"path": new, "size": size, "stats": json.dumps(statistics)}}


def respan(frame: Frame, change: Callable[[list[Span]], list[Span]]) -> bytes:
    """Return a frame's payload with other spans."""
    return encode_spans(change(decode_spans(frame)))
