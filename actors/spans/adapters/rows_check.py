"""The table's rows held against the log's leaves.

Rules:
- A file of the table is held against the digest in its name: a byte that no row came from counts as well. A file that cannot
  be read is no row that is silently not there: the batches whose rows it held are damaged.
- *Deep*: every row is hashed, and a batch's rows must come to its leaf's root.
- *Light*: a file that a signed and sealed entry names as what others were merged into, or rewritten as, was checked row by row
  when it was made (``compaction``): its bytes' digest is enough, and of its rows only how many each batch has is counted. Of a
  batch that lies in other files as well all rows are hashed. So light trusts whoever held the log's key for what was merged.
- Files are read from the newest batches back: whatever names a file is sealed after all that it holds, and so is known first.
- Every commit numbers its rows' batches, and there never was a table without a log: a row without a batch is nobody's, like one
  of a batch that was never numbered, and so is a file without a digest in its name.
- A batch of which no row is there has expired if such an entry says so, and only then; else it is missing. Rows of one that has
  expired are damage: it was to be gone.
- A batch that an operator answered for before it was sealed (``vouched``) is what was sealed, and told all the same.
- What is held in memory is one file and its unfinished batches, however large the table is. Where Delta does not tell the order
  of batches truly, batches are found damaged, never whole.

Left out: the log's own files (``log_check``).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from actors.base.canonical import canonical_json
from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError
from actors.spans import conventions as names
from actors.spans.adapters.described import Held
from actors.spans.adapters.findings import DAMAGED, EXPIRED, OPEN, UNSEEN, WHOLE, Answered, Findings
from actors.spans.adapters.log_check import LogCheck, whose
from actors.spans.adapters.parquet import FileGone, digest_in, groups_in, is_named_by, read_bytes, read_file
from actors.spans.adapters.reading import TableReader
from actors.spans.batch import row_hashes
from actors.spans.columns import Rows, pinned_schema, rows_of
from actors.spans.compaction import TableFile
from actors.spans.entry import read_entry
from actors.spans.log.recount import root_of
from actors.spans.merkle import leaf_hash
from actors.spans.place import Place
from actors.spans.proof import Manifest
from actors.spans.quarantined import check_word, entry_of
from actors.spans.retention import Batches
from actors.spans.span import Span

CHUNK_ROWS = 8192
"""Rows turned into spans at a time."""
_ALL = pinned_schema().names
ENTRIES = (names.TABLE_COMPACTED, names.TABLE_EXPIRED, names.BATCH_ANSWERED)
"""Names of the rows that say what became of files and batches."""


@dataclass(slots=True)
class _Open:
    """A batch of whose rows not all were seen: number → leaf hash."""

    manifest: Manifest
    hashes: dict[int, bytes] = field(default_factory=dict)
    entries: list[Span] = field(default_factory=list)


class RowsCheck:
    """One check of the rows of a table against the leaves of a log."""

    def __init__(
        self, table: TableReader, log: LogCheck, findings: Findings, trust: TrustBundle, *, deep: bool
    ) -> None:
        self.waiting: set[int] = set()
        """Batches that wait to be sealed, of which rows were seen."""
        self.waiting_since_ns: int | None = None
        self.trusted = 0
        """Files whose bytes alone were looked at."""
        self.held: dict[Place, Held] = {}
        """What files hold of what Delta's log says, of those that are what was written."""
        self._table, self._log, self._findings, self._trust, self._deep = table, log, findings, trust, deep
        self._size = self._numbered = findings.size
        self._open: dict[int, _Open] = {}
        self._current: set[str] = set()
        self._expired = Batches()
        """Batches that entries name as gone."""
        self._named: set[str] = set()
        """Digests of current files that entries name."""

    def run(self, files: list[TableFile], numbered: int, tell: Callable[[int, int], None]) -> None:
        """Check files of a table that has numbered so many batches."""
        self._numbered = numbered
        self._current = {digest_in(file.path.name) for file in files}
        order = sorted(files, key=lambda file: (-1 if file.last is None else file.last, file.path.name), reverse=True)
        for done, file in enumerate(order):
            tell(done, len(order))
            self._close(-1 if file.last is None else file.last)
            self._check_file(file)
        self._close(-1)
        self._let_go()
        for index in np.flatnonzero(self._findings.states == UNSEEN).tolist():
            if (manifest := self._log.manifest(index)) is not None:
                self._findings.faulty(index, "missing", f"{whose(manifest)} are not in the table")

    def _let_go(self) -> None:
        """Excuse batches of which an entry says that they have expired; name those of which rows are there all the same."""
        for first, last in self._expired.ranges:
            states = self._findings.states[first : last + 1]
            for index in (first + np.flatnonzero((states == WHOLE) | (states == OPEN))).tolist():
                self._faulty(index, "expired", "an entry says that it has expired, and rows of it are in the table")
            states[states == UNSEEN] = EXPIRED

    # Files.

    def _check_file(self, file: TableFile) -> None:
        """Hold a file's bytes against its name, and its rows against the leaves of their batches."""
        name, fits = file.path.name, True
        try:
            data = read_bytes(file.path)
            fits = is_named_by(name, data)
            if not fits:
                why = "is not the bytes that were written" if digest_in(name) else "has no digest in its name"
                self._file_is_damaged(file, f"span file {name} {why}")
            if fits and not self._deep and digest_in(name) in self._named and self._counted(file, data):
                self.trusted += 1
                return
            named: set[object] = set()
            held = Held(len(data))
            for group in groups_in(file.path, data):
                self._check_rows(group, named)
                held.add(group, self._size)
            if fits:
                self.held[file.path] = held
        except FileGone as error:
            if file.path not in {each.path for each in self._table.numbered_files()}:
                raise  # it was merged with others meanwhile: all is read again
            self._file_is_damaged(file, str(error))
        except IntegrityError as error:
            if fits:  # else that was told
                self._file_is_damaged(file, str(error))

    def _file_is_damaged(self, file: TableFile, why: str) -> None:
        """Name every batch that the file holds rows of."""
        first, last = (file.first, file.last) if file.first is not None and file.last is not None else (0, -1)
        batches = range(max(0, first), min(last, self._size - 1) + 1)
        for batch in batches or [-1]:
            self._findings.found(batch, "file", why)

    def _counted(self, file: TableFile, data: bytes) -> bool:
        """Take a file's batches as whole by how many rows each has there; tell whether all of it could be judged so."""
        rows = read_file(file.path, ["log_index", "name"], None, pa.BufferReader(data))
        index = rows["log_index"]
        if (
            index.null_count
            or not rows.num_rows
            or not 0 <= pc.min(index).as_py() <= pc.max(index).as_py() < self._size
        ):
            return False
        if (found := Held.of_footer(data)) is not None:
            self.held[file.path] = found
        batches, counts = _counts(index.to_numpy())
        states, expected = self._findings.states, self._findings.counts
        fits = (counts == expected[batches]) & (states[batches] == UNSEEN)
        states[batches[fits]] = WHOLE
        others = batches[~fits & (states[batches] != DAMAGED)].tolist()
        if others:  # they lie in other files as well
            wanted = pc.field("log_index").isin(others)
            self._check_rows(read_file(file.path, _ALL, wanted, pa.BufferReader(data)), set())
        if any(word in ENTRIES for chunk in rows["name"].chunks for word in chunk.dictionary.to_pylist()):
            wanted = pc.field("name").isin(list(ENTRIES))
            held = read_file(file.path, ["name", "attributes", "log_index"], wanted, pa.BufferReader(data))
            for row in held.to_pylist():
                if states[row["log_index"]] == WHOLE:
                    self._note_entry(row["log_index"], row["name"], dict(row["attributes"]))
        return True

    def _note_entry(self, index: int, name: str, attributes: Mapping[str, str]) -> None:
        """Remember what an entry says that the log's key signed; what anybody else wrote says nothing."""
        try:
            words = read_entry(name, attributes, self._trust)
        except IntegrityError:
            return
        if name == names.BATCH_ANSWERED:
            self._note_answer(name, attributes)
        self._named |= self._current & set(words.get(names.TABLE_OUTPUTS, "").split(" "))
        if name == names.TABLE_EXPIRED:
            try:
                self._expired |= Batches.read(words.get(names.TABLE_EXPIRED_BATCHES, ""))
            except IntegrityError as error:
                self._findings.found(index, "expired", f"its entry does not say which batches have expired: {error}")

    def _note_answer(self, name: str, attributes: Mapping[str, str]) -> None:
        """Remember that an operator answered for a batch, if that is what was sealed then."""
        try:
            said = entry_of(name, attributes, 0)
            check_word(said, attributes, self._trust)
        except (KeyError, ValueError, IntegrityError):
            return
        manifest = self._log.manifest(said.batch) if 0 <= said.batch < self._size else None
        if manifest is not None and leaf_hash(canonical_json(manifest)).hex() == said.found:
            self._findings.answered[said.batch] = Answered(
                said.batch, said.writer_id, said.first_seq, said.last_seq, said.said, said.found, said.by, said.reason
            )

    # Rows.

    def _check_rows(self, table: pa.Table, named: set[object]) -> None:
        index = table["log_index"]
        sealed = pc.and_kleene(pc.greater_equal(index, 0), pc.less(index, self._size)).fill_null(False)
        rows = table
        if not pc.all(sealed).as_py():
            self._check_others(table.filter(pc.invert(sealed)), named)
            rows = table.filter(sealed)
        for start in range(0, rows.num_rows, CHUNK_ROWS):
            for run in _runs(self._spans(rows.slice(start, CHUNK_ROWS))):
                self._take(run)

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

    def _take(self, run: Rows) -> None:
        """Take rows of one batch that follow on one another."""
        index, states = run.log_index or 0, self._findings.states
        if states[index] == UNSEEN:
            if (manifest := self._log.manifest(index)) is None:  # the leaf is what is damaged
                states[index] = DAMAGED
                return
            self._open[index], states[index] = _Open(manifest), OPEN
        if states[index] == DAMAGED:
            return
        batch, seqs = self._open.get(index), range(run.first_seq, run.first_seq + len(run.spans))
        others = batch is None or run.writer_id != batch.manifest.writer_id
        strange = next((seq for seq in seqs if batch is None or others or not _is_of(batch, seq)), None)
        if batch is None or strange is not None:
            self._faulty(
                index, "changed", f"row {strange} of {run.writer_id} was not sealed with it, or is there twice"
            )
            return
        try:
            batch.hashes |= zip(seqs, row_hashes(run), strict=True)
        except IntegrityError as error:
            self._faulty(index, "changed", str(error))
            return
        batch.entries += [span for span in run.spans if span.name in ENTRIES]
        if len(batch.hashes) == batch.manifest.count:
            self._judge(index, batch)

    def _judge(self, index: int, batch: _Open) -> None:
        """Judge a batch of which every row was seen."""
        manifest = batch.manifest
        ordered = [batch.hashes[seq] for seq in range(manifest.first_seq, manifest.last_seq + 1)]
        if root_of(ordered).hex() != manifest.rows_root:
            self._faulty(index, "changed", f"{whose(manifest)} are not what was sealed")
            return
        del self._open[index]
        self._findings.states[index] = WHOLE
        for entry in batch.entries:
            self._note_entry(index, entry.name, entry.attributes)

    def _faulty(self, index: int, kind: str, why: str) -> None:
        self._open.pop(index, None)
        self._findings.faulty(index, kind, why)

    def _close(self, last: int) -> None:
        """Give up waiting for rows of batches above a number: no file that is to come holds any."""
        for index in [index for index in self._open if index > last]:
            batch = self._open[index]
            seq = batch.manifest.first_seq
            while seq in batch.hashes:
                seq += 1
            left = batch.manifest.count - len(batch.hashes)
            why = f"of {whose(batch.manifest)} {left} are not in the table, the first is {seq}"
            self._faulty(index, "missing", why)

    def _check_others(self, rows: pa.Table, named: set[object]) -> None:
        """Name rows that neither are in a sealed batch nor wait in one; of each writer one a file is ``named``."""
        if not rows.num_rows:
            return
        index = rows["log_index"]
        waits = pc.and_kleene(pc.greater_equal(index, self._size), pc.less(index, self._numbered)).fill_null(False)
        self._note_waiting(rows.filter(waits))
        others = rows.filter(pc.invert(waits)).select(["writer_id", "writer_seq", "log_index"])
        for start in range(0, others.num_rows, CHUNK_ROWS):
            try:
                places = others.slice(start, CHUNK_ROWS).to_pylist()
            except ValueError as error:  # bytes that are no UTF-8 where words belong
                self._findings.found(-1, "unsealed", f"rows of a span file cannot be read: {error}")
                continue
            for writer_id, seq, at in (tuple(place.values()) for place in places):
                if writer_id not in named:
                    named.add(writer_id)
                    fault = "is in no batch" if at is None else f"says it is in batch {at}, and there never was one"
                    self._findings.found(-1, "unsealed", f"row {seq} of {writer_id} {fault}: no commit put it there")

    def _note_waiting(self, rows: pa.Table) -> None:
        """Remember which batches wait, and since when."""
        if not rows.num_rows:
            return
        self.waiting.update(pc.unique(rows["log_index"]).to_pylist())
        since_ns = pc.min(rows["end_unix_nano"]).as_py()
        if since_ns is not None:
            self.waiting_since_ns = min(since_ns, self.waiting_since_ns or since_ns)


def _runs(rows: Iterator[Rows]) -> Iterator[Rows]:
    """Join rows that follow on one another in a batch."""
    held: list[Rows] = []
    for row in rows:
        if held and not _follows(held, row):
            yield replace(held[0], spans=[one.spans[0] for one in held])
            held = []
        held.append(row)
    if held:
        yield replace(held[0], spans=[one.spans[0] for one in held])


def _follows(held: Sequence[Rows], row: Rows) -> bool:
    first = held[0]
    return (first.first_seq + len(held), first.log_index, first.writer_id, first.schema_version) == (
        row.first_seq, row.log_index, row.writer_id, row.schema_version,
    )  # fmt: skip


def _counts(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which numbers there are, and how often each is; quickly where they are in order."""
    if (numbers[1:] < numbers[:-1]).any():
        return np.unique(numbers, return_counts=True)
    firsts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    return numbers[firsts], np.diff(firsts, append=len(numbers))


def _is_of(batch: _Open, seq: int) -> bool:
    manifest = batch.manifest
    return manifest.first_seq <= seq <= manifest.last_seq and seq not in batch.hashes
