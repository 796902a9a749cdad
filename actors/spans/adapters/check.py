"""Recomputes the transparency log from the table: what was sealed, and whether the rows still are what was sealed.

Rules:
- Checkpoint, tiles and leaves are held against one another first; then every batch's rows against its leaf. What does not
  fit is named by batch and kind; a batch that fits is whole, to the bit.
- A file of the table is held against the digest in its name: a byte that no row came from counts as well.
- Nothing of the running system is asked, and nothing is written. Batches that are sealed while this runs are left for the
  next time.
- A file that cannot be read is no row that is silently not there: the batches whose rows it held are damaged.
- A row without a batch is from before there was a log: none lies in or after a run of its writer's that was sealed, and none
  carries a promise. A row of a batch that was never numbered is nobody's.
- A checkpoint of fewer batches than the table says were sealed was set back. No two batches hold the same row.
- Whoever has a checkpoint that this log's key signed has evidence: one of more batches, or of another root, is a fork.
- Where all of that is whole, what Delta's log says of files and writers is held against them (``described``).
- Batches that wait to be sealed are counted, and since when the oldest of their rows waits is told.
- What is held in memory is one file, its unfinished batches and a byte a batch, however large the log is: files are read in
  the order of their batches. Where Delta does not tell that order truly, batches are found damaged, never whole.

Left out: whether log and table were set back together, but for what is given as seen: witnesses remember it.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans.adapters.described import misdescribed
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.table import LOG, SEALED, SpanTable, TableFile
from actors.spans.batch import row_hashes
from actors.spans.columns import Rows, rows_of
from actors.spans.log.checkpoint import Checkpoint, SignedCheckpoint
from actors.spans.log.recount import Recount, root_of
from actors.spans.log.tiles import ENTRIES, WIDTH, Tile, join_leaves, read_path
from actors.spans.merkle import EMPTY_ROOT, HASH_BYTES
from actors.spans.proof import Manifest, read_manifest
from actors.spans.record import read_envelope
from actors.spans.sequence import FIRST_SEQ

CHUNK_ROWS = 8192
"""Rows turned into spans at a time."""
MAX_DAMAGES = 10_000
"""Damages that are named; the others are counted."""
_UNSEEN, _OPEN, _WHOLE, _DAMAGED = range(4)


@dataclass(frozen=True, slots=True, order=True)
class Damage:
    """Something that is not as it was sealed."""

    batch: int
    """Number of the batch; −1 for the log as a whole."""
    kind: str
    """``checkpoint``, ``fork``, ``hashes``, ``leaves``, ``leaf``, ``missing``, ``changed``, ``unsealed``, ``file``,
    ``table``, ``more``."""
    why: str

    def __str__(self) -> str:
        return f"{'log' if self.batch < 0 else f'batch {self.batch}'}: {self.kind}: {self.why}"


class Whole(Container[int]):
    """The numbers of the batches that are what was sealed: a byte a batch."""

    def __init__(self, states: bytes = b"") -> None:
        self._states = states

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and 0 <= index < len(self._states) and self._states[index] == _WHOLE

    def __len__(self) -> int:
        return self._states.count(_WHOLE)


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found: batches and rows that are whole, and everything that is not."""

    size: int
    root: str
    rows: int
    whole: Whole
    damage: tuple[Damage, ...]
    waiting: int = 0
    """Batches that the table has numbered and that are not sealed."""
    waiting_since_ms: int | None = None
    """When the oldest of their rows ended (Unix); ``None`` if none was seen."""

    def waited_s(self, now_s: float) -> float:
        """Return how long the oldest row that is not sealed has waited."""
        return 0.0 if self.waiting_since_ms is None else max(0.0, now_s - self.waiting_since_ms / 1000)

    def report(self) -> dict[str, Any]:
        """Return what was found as plain values."""
        return {
            "ok": not self.damage, "size": self.size, "root": self.root, "whole": len(self.whole), "rows": self.rows,
            "waiting": self.waiting, "waiting_since_ms": self.waiting_since_ms,
            "damage": [asdict(item) for item in self.damage],
        }  # fmt: skip


Tell = Callable[[int, int], None]
"""Takes how many files of the table were checked, of how many."""


def _untold(_done: int, _total: int) -> None:
    """Tell nobody."""


Seen = Mapping[str, SignedCheckpoint]
"""Who had a checkpoint of this log → which: read before the log is, so that the log may only be larger."""


def check_log(
    home: Path, trust: TrustBundle, checkpoint_commits: int, tell: Tell = _untold, seen: Seen | None = None
) -> Checked:
    """Check the log in ``home/log``, the table in ``home/spans`` against it, and that it goes on from what others have seen."""
    files, table = LogFiles(home / "log"), SpanTable(home / "spans", checkpoint_commits)
    try:
        witnessed = files.witnessed()
        had = [*(seen or {}).items(), *([] if witnessed is None else [("home/log/witnessed", witnessed)])]
        claims = [(who, signed.verify(trust)) for who, signed in had]
        sealed = table.last_committed(SEALED) or 0  # before the checkpoint, which may only grow meanwhile
        signed = files.checkpoint()
        if signed is None and (last := table.last_committed(LOG)) is not None:
            signed = files.checkpoint()  # once more: the first one may have been written meanwhile, before any batch
            if signed is None:
                raise IntegrityError(f"it is gone, and the table holds {last + 1} batches of the log")
        if signed is None:
            return _nothing(*(Damage(-1, "fork", _is_gone(who, claim)) for who, claim in claims if claim.size))
        checkpoint = signed.verify(trust)
    except (IntegrityError, StorageUnavailable) as error:
        return _nothing(Damage(-1, "checkpoint", str(error)))
    return _Check(home, table, checkpoint, claims).run(sealed, tell)


def _is_gone(who: str, claim: Checkpoint) -> str:
    return f"{who} has a checkpoint of {claim.size} batches, and there is no log: it was removed"


def _nothing(*damage: Damage) -> Checked:
    return Checked(0, EMPTY_ROOT.hex(), 0, Whole(), damage)


@dataclass(slots=True)
class _Open:
    """A batch of whose rows not all were seen: number → leaf hash."""

    manifest: Manifest
    hashes: dict[int, bytes] = field(default_factory=dict)


class _Check:
    """One check of a log of a given checkpoint."""

    def __init__(
        self, home: Path, table: SpanTable, checkpoint: Checkpoint, claims: Sequence[tuple[str, Checkpoint]]
    ) -> None:
        self._files, self._table, self._checkpoint = LogFiles(home / "log"), table, checkpoint
        self._path = home
        self._claims = sorted(claims, key=lambda claim: claim[1].size)
        self._size = checkpoint.size
        self._numbered = checkpoint.size
        """Batches the table has numbered."""
        self._states = bytearray(self._size)
        self._open: dict[int, _Open] = {}
        self._sealed: dict[str, tuple[int, int]] = {}
        """Writer → lowest and highest number of its rows that was sealed."""
        self._waiting: set[int] = set()
        """Batches that wait to be sealed, of which rows were seen."""
        self._waiting_since_ns: int | None = None
        self._damage: list[Damage] = []
        self._unlisted = 0
        self._rows = 0
        self._leaves = lru_cache(maxsize=2)(self._bundle)

    def run(self, sealed: int, tell: Tell) -> Checked:
        """Check all of it; ``sealed`` batches were sealed once, as the table says."""
        if self._size < sealed:
            self._found(-1, "checkpoint", f"it is of {self._size} batches, and {sealed} were sealed: it was set back")
        self._check_leaves()
        numbered = self._size
        try:
            before = self._table.last_committed(LOG)
            numbered = 0 if before is None else before + 1
            files = self._table.numbered_files()
            last = self._table.last_committed(LOG)
            self._numbered = max(self._size, 0 if last is None else last + 1)
        except (IntegrityError, StorageUnavailable) as error:
            self._found(-1, "file", str(error))
            files = []
        for done, file in enumerate(files):
            tell(done, len(files))
            self._close(self._size if file.first is None else file.first)
            self._check_file(file)
        self._close(self._size)
        for index in range(self._size, numbered):
            if index not in self._waiting:
                self._found(index, "missing", "it waits to be sealed, and no row of it is in the table")
        for index in (at for at, state in enumerate(self._states) if state == _UNSEEN):
            if (manifest := self._manifest(index)) is not None:
                self._faulty(index, "missing", f"{_whose(manifest)} are not in the table")
        if not self._damage:
            self._check_description()
        if self._unlisted:
            self._damage.append(Damage(-1, "more", f"{self._unlisted} damages are not listed"))
        checkpoint, whole = self._checkpoint, Whole(bytes(self._states))
        since_ms = None if self._waiting_since_ns is None else self._waiting_since_ns // 1_000_000
        return Checked(
            checkpoint.size, checkpoint.root, self._rows, whole, tuple(sorted(self._damage)),
            self._numbered - self._size, since_ms,
        )  # fmt: skip

    def _found(self, batch: int, kind: str, why: str) -> None:
        if len(self._damage) < MAX_DAMAGES:
            self._damage.append(Damage(batch, kind, why))
        else:
            self._unlisted += 1

    def _faulty(self, index: int, kind: str, why: str) -> None:
        """Name what is wrong with a batch, once."""
        self._open.pop(index, None)
        if self._states[index] != _DAMAGED:
            self._rows -= self._count(index) if self._states[index] == _WHOLE else 0
            self._states[index] = _DAMAGED
            self._found(index, kind, why)

    def _check_description(self) -> None:
        """Hold what Delta's log says of the table's files and writers against them."""
        sealed = {writer: last for writer, (_, last) in self._sealed.items()}
        try:
            for name, why in misdescribed(self._path / "spans", self._size, sealed):
                self._found(-1, "table", f"span file {name}: {why}" if name else why)
        except StorageUnavailable as error:
            self._found(-1, "table", str(error))

    # The log's own files.

    def _check_leaves(self) -> None:
        """Hold leaves, tiles and the checkpoint's root against one another, by a count of the verifier's own."""
        count, claims, bundle = Recount(), deque(self._claims), list[bytes]()
        try:
            for index, data in enumerate(self._files.leaves(0, self._size)):
                self._check_claims(claims, count)
                for path, tile in count.add(data):
                    self._check_tile(path, tile)
                self._note_leaf(index, data)
                bundle.append(data)
                if len(bundle) == WIDTH or count.size == self._size:
                    self._check_bundle(index // WIDTH, bundle)
                    bundle = []
        except (IntegrityError, StorageUnavailable) as error:
            self._found(count.size, "leaves", str(error))
            return
        self._check_claims(claims, count)
        for who, claim in claims:
            why = f"{who} has a checkpoint of {claim.size} batches, and the log has {self._size}: it was set back"
            self._found(-1, "fork", why)
        for path, tile in count.unfilled():
            self._check_tile(path, tile)
        if count.root().hex() != (root := self._checkpoint.root):
            self._found(-1, "leaves", f"the {self._size} leaves do not come to the checkpoint's root {root[:16]}")

    def _check_claims(self, claims: deque[tuple[str, Checkpoint]], count: Recount) -> None:
        """Hold the log at the size that it has come to against what others have seen of that size."""
        while claims and claims[0][1].size == count.size:
            who, claim = claims.popleft()
            if claim.root != count.root().hex():
                self._found(-1, "fork", f"{who} has another checkpoint of {claim.size} batches than this log comes to")

    def _check_tile(self, path: str, data: bytes) -> None:
        if (tile := read_path(path)) is None:
            raise IntegrityError(f"writer and verifier disagree on where tile {path} lies", "log")
        self._check_written(tile, lambda width: data[: width * HASH_BYTES], "hashes")

    def _check_bundle(self, number: int, leaves: Sequence[bytes]) -> None:
        self._check_written(
            Tile(ENTRIES, number, len(leaves)), lambda width: join_leaves(leaves[:width]), "leaves"
        )  # fmt: skip

    def _check_written(self, tile: Tile, wanted: Callable[[int], bytes], kind: str) -> None:
        """Hold a file against what it should be, to the byte, and the narrower ones that lie there and are given out as well."""
        for each in (*(item for item in self._files.partial(tile) if item.width < tile.width), tile):
            try:
                data, right = self._files.read(each), wanted(each.width)
            except StorageUnavailable as error:
                self._found(-1, kind, str(error))
                continue
            in_its_place = each.width == WIDTH or each in self._files.partial(tile)  # else the full one stands for it
            if data is None or not (data == right or (data.startswith(right) and not in_its_place)):
                why = "is missing" if data is None else "is not that of the leaves below it"
                self._found(-1, kind, f"tile {each.path} {why}")

    def _note_leaf(self, index: int, data: bytes) -> None:
        try:
            manifest = read_manifest(data)
        except IntegrityError as error:
            self._faulty(index, "leaf", str(error))
            return
        first, last = self._sealed.get(manifest.writer_id, (manifest.first_seq, FIRST_SEQ - 1))
        if manifest.first_seq <= last:
            self._faulty(index, "leaf", f"{_whose(manifest)}: those up to {last} were sealed before")
        self._sealed[manifest.writer_id] = min(first, manifest.first_seq), max(last, manifest.last_seq)

    def _manifest(self, index: int) -> Manifest | None:
        """Return what a leaf says; ``None`` if it says nothing, which was found before."""
        leaves = self._leaves(index // WIDTH)
        try:
            return read_manifest(leaves[index % WIDTH]) if index % WIDTH < len(leaves) else None
        except IntegrityError:
            return None

    def _bundle(self, number: int) -> list[bytes]:
        end = min(self._size, (number + 1) * WIDTH)
        found: list[bytes] = []
        with contextlib.suppress(IntegrityError, StorageUnavailable):  # what is missing was found before
            for data in self._files.leaves(number * WIDTH, end):
                found.append(data)  # noqa: PERF402 - those before a missing one are wanted
        return found

    def _count(self, index: int) -> int:
        manifest = self._manifest(index)
        return 0 if manifest is None else manifest.count

    # The table's rows.

    def _check_file(self, file: TableFile) -> None:
        """Hold a file's rows against the leaves of their batches."""
        try:
            table, why = self._table.read_whole(file.path)
        except IntegrityError as error:
            self._file_is_damaged(file, str(error))
            return
        if why:
            self._file_is_damaged(file, f"span file {file.path.name} {why}")
        index = table["log_index"]
        sealed = pc.and_kleene(pc.greater_equal(index, 0), pc.less(index, self._size)).fill_null(False)
        self._check_others(table.filter(pc.invert(sealed)), file)
        rows = table.filter(sealed)
        for start in range(0, rows.num_rows, CHUNK_ROWS):
            for row in self._spans(rows.slice(start, CHUNK_ROWS)):
                self._take(row)

    def _file_is_damaged(self, file: TableFile, why: str) -> None:
        """Name every batch that the file holds rows of."""
        first, last = (file.first, file.last) if file.first is not None and file.last is not None else (0, -1)
        batches = range(max(0, first), min(last, self._size - 1) + 1)
        for batch in batches or [-1]:
            self._found(batch, "file", why)

    def _spans(self, rows: pa.Table) -> Iterator[Rows]:
        """Yield rows that can be read; where one cannot, its batch is damaged and the others' are not."""
        try:
            yield from rows_of(rows)
        except IntegrityError:
            for at in range(rows.num_rows):
                row = rows.slice(at, 1)
                try:
                    (one,) = rows_of(row)
                    yield one
                except IntegrityError as error:
                    self._faulty(row["log_index"][0].as_py(), "changed", str(error))

    def _take(self, row: Rows) -> None:
        index = row.log_index or 0
        if self._states[index] == _UNSEEN:
            if (manifest := self._manifest(index)) is None:  # the leaf is what is damaged
                self._states[index] = _DAMAGED
                return
            self._open[index], self._states[index] = _Open(manifest), _OPEN
        if self._states[index] == _DAMAGED:
            return
        batch = self._open.get(index)
        if batch is None or row.writer_id != batch.manifest.writer_id or not _is_of(batch, row.first_seq):
            self._faulty(
                index, "changed", f"row {row.first_seq} of {row.writer_id} was not sealed with it, or is there twice"
            )
            return
        try:
            batch.hashes[row.first_seq] = row_hashes(row)[0]
        except IntegrityError as error:
            self._faulty(index, "changed", str(error))
            return
        if len(batch.hashes) == batch.manifest.count:
            self._judge(index, batch)

    def _judge(self, index: int, batch: _Open) -> None:
        """Judge a batch of which every row was seen."""
        manifest = batch.manifest
        ordered = [batch.hashes[seq] for seq in range(manifest.first_seq, manifest.last_seq + 1)]
        if root_of(ordered).hex() != manifest.rows_root:
            self._faulty(index, "changed", f"{_whose(manifest)} are not what was sealed")
            return
        del self._open[index]
        self._states[index] = _WHOLE
        self._rows += manifest.count

    def _close(self, before: int) -> None:
        """Give up waiting for rows of batches below a number: no file that is to come holds any."""
        for index in [index for index in self._open if index < before]:
            batch = self._open[index]
            seq = batch.manifest.first_seq
            while seq in batch.hashes:
                seq += 1
            left = batch.manifest.count - len(batch.hashes)
            whose = _whose(batch.manifest)
            self._faulty(index, "missing", f"of {whose} {left} are not in the table, the first is {seq}")

    def _check_others(self, rows: pa.Table, file: TableFile) -> None:
        """Judge rows that are in no sealed batch, by where they say they lie; of each writer one is named."""
        waits = pc.and_kleene(
            pc.greater_equal(rows["log_index"], self._size), pc.less(rows["log_index"], self._numbered)
        )
        self._note_waiting(rows.filter(waits.fill_null(False)))
        others = rows.filter(pc.invert(waits.fill_null(False))).select(
            ["writer_id", "writer_seq", "log_index", "record"]
        )
        named: set[object] = set()
        for start in range(0, others.num_rows, CHUNK_ROWS):
            try:
                places = others.slice(start, CHUNK_ROWS).to_pylist()
            except ValueError as error:  # bytes that are no UTF-8 where words belong
                self._found(-1, "unsealed", f"rows of span file {file.path.name} cannot be read: {error}")
                continue
            for writer_id, seq, index, record in (tuple(place.values()) for place in places):
                fault = self._fault_of_other(writer_id, seq, index, record)
                if fault and writer_id not in named:
                    named.add(writer_id)
                    self._found(-1, "unsealed", f"row {seq} of {writer_id} {fault}")

    def _note_waiting(self, rows: pa.Table) -> None:
        """Remember which batches wait, and since when."""
        if not rows.num_rows:
            return
        self._waiting.update(pc.unique(rows["log_index"]).to_pylist())
        since_ns = pc.min(rows["end_unix_nano"]).as_py()
        if since_ns is not None:
            self._waiting_since_ns = min(since_ns, self._waiting_since_ns or since_ns)

    def _fault_of_other(self, writer_id: str | None, seq: int | None, index: int | None, record: bytes | None) -> str:
        if index is not None:
            return f"says it is in batch {index}, and there never was one"
        if writer_id is None or seq is None:
            return "does not say whose it is"
        first, _ = self._sealed.get(writer_id, (None, None))
        if first is not None and seq >= first:
            return f"is in no batch, and this writer's rows were sealed from {first} on"
        return "is in no batch, and its record promises that it will be" if _is_promised(record) else ""


def _is_promised(record: bytes | None) -> bool:
    """Tell whether a row carries a promise; whether it is good otherwise is an audit's question."""
    if not record:
        return False
    try:
        return read_envelope(record).read().promise is not None
    except IntegrityError:
        return False


def _is_of(batch: _Open, seq: int) -> bool:
    manifest = batch.manifest
    return manifest.first_seq <= seq <= manifest.last_seq and seq not in batch.hashes


def _whose(manifest: Manifest) -> str:
    return f"rows {manifest.first_seq} to {manifest.last_seq} of {manifest.writer_id}"
