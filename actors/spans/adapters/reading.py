"""Reading the spans table: which files it consists of now, and what rows they hold.

Rules:
- Reads take the table's current file list, never the directory, and verify page checksums.
- Files are merged beneath readers (``compaction``): who finds one of its list gone asks once more, with the list as it is
  then. It is damage only if it is gone then as well.
- A table that is open keeps apart what each commit added, and never puts it together: it is opened anew once as many commits
  have come as lie between two checkpoints.

Left out: writing (``table``).
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from actors.base.errors import IntegrityError
from actors.spans.adapters import parquet
from actors.spans.adapters.delta import DELTA_LOG, asked, file_of, is_table, open_table
from actors.spans.adapters.objects import ObjectPath
from actors.spans.adapters.parquet import FileGone
from actors.spans.adapters.transactions import read_transactions
from actors.spans.batch import runs
from actors.spans.columns import PARTITION, Rows, pinned_schema, rows_of
from actors.spans.committed import BATCHES
from actors.spans.compaction import TableFile
from actors.spans.place import Place
from actors.spans.remembered import NOTHING, Transactions
from actors.spans.sequence import MAX_SEQ

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Described:
    """What Delta's log says of a table in one version."""

    partition_columns: list[str]
    columns: Sequence[tuple[str, object]]
    """Name and type."""
    files: Mapping[Place, Mapping[str, Any]]
    """Current file → its size, its partition, and the statistics by which it is chosen."""
    reached: Mapping[str, int]
    """Application id → the last number committed under it."""
    properties: Collection[str]
    """Names of what it says of how the table is to be kept."""


class TableReader:
    """The table in one place, for any number of readers."""

    def __init__(self, path: Place, checkpoint_commits: int) -> None:
        self._path: Place = path.resolve() if isinstance(path, Path) else path
        self._checkpoint_commits = checkpoint_commits
        self._delta: DeltaTable | None = None
        self._opened_version = 0
        """At which version it was opened."""
        self._reached = NOTHING
        """What every application id of a bucket's table reached."""
        self._listed: tuple[int, pa.Table] | None = None
        """A version of the table, and what Delta says about its files."""

    read_file = staticmethod(parquet.read_file)
    read_whole = staticmethod(parquet.read_whole)

    @property
    def path(self) -> Place:
        """Return the directory, or the prefix in a bucket."""
        return self._path

    def version(self) -> int | None:
        """Return how many commits there were, as Delta counts them; ``None`` if there is no table yet."""
        with asked(self._path):
            delta = self._newest()
            return None if delta is None else delta.version()

    def last_committed(self, app_id: str) -> int | None:
        """Return the last number committed under an application id (a writer's last sequence number)."""
        with asked(self._path):
            delta = self._newest()
            return None if delta is None else self._number(delta, app_id)

    def transactions(self, known: Transactions = NOTHING) -> Transactions:
        """Return what every application id reached in the newest version; of what is ``known`` only the rest is read."""
        with asked(self._path):
            delta = self._newest()
            return NOTHING if delta is None else read_transactions(self._path / DELTA_LOG, delta.version(), known)

    def described(self) -> Described | None:
        """Return all that is said of the newest version; ``None`` if there is no table yet."""
        with asked(self._path):
            try:
                return self._described()
            except FileNotFoundError:  # an entry that a checkpoint stands for by now: once more, as it is then
                return self._described()

    def _described(self) -> Described | None:
        if (delta := self._newest()) is None:
            return None
        files = {self._path / unquote(said["path"]): said for said in self._actions_of(delta).to_pylist()}
        columns = [(column.name, column.type) for column in delta.schema().fields]
        reached = read_transactions(self._path / DELTA_LOG, delta.version()).numbers
        metadata = delta.metadata()
        return Described(metadata.partition_columns, columns, files, reached, metadata.configuration.keys())

    def said(self) -> list[str]:
        """Return what commits said of the batches that they numbered (``committed``), the newest first, as far as is kept."""
        with asked(self._path):
            delta = self._newest()
            told = [] if delta is None else [str(commit.get(BATCHES, "")) for commit in delta.history()]
        return [words for said in told for words in said.splitlines()]

    def current_files(self) -> list[Place]:
        """Return the files the table consists of now."""
        with asked(self._path):
            delta = self._newest()
            return [] if delta is None else [file_of(self._path, uri) for uri in delta.file_uris()]

    def numbered_files(self) -> list[TableFile]:
        """Return ``current_files`` in the order of the batches they say they hold; first those that say nothing."""
        with asked(self._path):
            actions = self._actions()
            none = [None] * actions.num_rows
            if not actions.num_rows:
                return []
            columns = ("path", f"partition.{PARTITION}", "size_bytes", "num_records", "modification_time")
            told = [actions[name].to_pylist() for name in columns]
            told += [
                actions[name].to_pylist() if name in actions.column_names else none
                for name in ("min.log_index", "max.log_index", "max.end_unix_nano")
            ]
        found = [
            TableFile(
                self._path / unquote(name), first, last, str(day), size, count or 0, at_ms, known(ended_ns) // 1_000_000
            )
            for name, day, size, count, at_ms, first, last, ended_ns in zip(*told, strict=True)
        ]
        return sorted(found, key=lambda file: (known(file.first), file.path.name))

    def read(self, columns: Sequence[str] | None = None, filters: pc.Expression | None = None) -> pa.Table:
        """Read rows of all current files under the pinned schema, checking every page.

        Raises ``IntegrityError`` naming the first file that does not check.
        """
        names = list(columns) if columns is not None else pinned_schema().names
        schema = pa.schema([pinned_schema().field(name) for name in names])
        parts = self.with_files(lambda: [self.read_file(path, names, filters) for path in self.current_files()])
        return pa.concat_tables([schema.empty_table(), *parts])

    def find(self, decision_id: str) -> bytes | None:
        """Return the newest envelope of a decision, reading only files whose range of decisions includes it."""
        held = pc.field("decision_id") == decision_id

        def newest() -> bytes | None:
            found: list[tuple[int, bytes]] = []
            for path in self._files_with(decision_id=(decision_id, decision_id)):
                rows = self.read_file(path, ["writer_seq", "record"], held).drop_null()
                found += zip(rows["writer_seq"].to_pylist(), rows["record"].to_pylist(), strict=True)
            return max(found)[1] if found else None

        return self.with_files(newest)

    def last_within(self, first: int, last: int, max_rows: int) -> int:
        """Return the last batch up to ``last`` such that those from ``first`` on hold no more than ``max_rows`` rows.

        ``first`` at least. Only one column of few files is read: as many as hold so many rows, in the order of batches.
        """
        return self.with_files(lambda: self._last_within(first, last, max_rows))

    def _last_within(self, first: int, last: int, max_rows: int) -> int:
        rows_of_batch: Counter[int] = Counter()
        fitting = first
        for file in self.numbered_files():
            if file.first is None or file.last is None or file.last < first or file.first > last:
                continue
            if rows_of_batch.total() > max_rows and file.first > fitting:
                break
            wanted = (pc.field("log_index") >= first) & (pc.field("log_index") <= last)
            rows_of_batch.update(self.read_file(file.path, ["log_index"], wanted)["log_index"].to_pylist())
            fitting = _fitting(first, last, rows_of_batch, max_rows)
        return fitting

    def batches(self, first: int, last: int) -> list[Rows]:
        """Return the batches numbered ``first`` to ``last`` in order, as they were committed; those that are not there not.

        Raises ``IntegrityError`` naming a file that does not check, or a batch whose rows are no run.
        """
        wanted = (pc.field("log_index") >= first) & (pc.field("log_index") <= last)

        def held() -> list[Rows]:
            found: dict[int, list[Rows]] = {}
            for path in self._files_with(log_index=(first, last)):
                for row in rows_of(self.read_file(path, pinned_schema().names, wanted)):
                    found.setdefault(known(row.log_index), []).append(row)
            return [_whole(index, found[index]) for index in sorted(found)]

        return self.with_files(held)

    def row_of(self, writer_id: str, seq: int, decision_id: str) -> Rows | None:
        """Return a decision's row, with the number of its batch if it is in one; ``None`` if it is not here.

        Decisions' ids are in the order of time, as files are: few files may hold one, however large the table is. Raises
        ``IntegrityError`` if a file does not check or the row is none.
        """
        row = (pc.field("writer_id") == writer_id) & (pc.field("writer_seq") == seq)
        row &= pc.field("decision_id") == decision_id
        place: dict[str, int | str] = {"decision_id": decision_id, "writer_id": writer_id, "writer_seq": seq}

        def first_found() -> Rows | None:
            for path in self._files_with(**{name: (value, value) for name, value in place.items()}):
                if found := rows_of(self.read_file(path, pinned_schema().names, row)):
                    return found[0]
            return None

        return self.with_files(first_found)

    def has_row(self, writer_id: str, seq: int) -> bool:
        """Tell whether a writer's row is here; few files may hold it. Raises ``IntegrityError`` if one does not check."""
        return self.last_row(writer_id, seq, seq) == seq

    def last_row(self, writer_id: str, last: int, first: int = 0) -> int:
        """Return the highest number from ``first`` to ``last`` of a row of a writer that is here; −1 if there is none."""
        wanted = (pc.field("writer_id") == writer_id) & (pc.field("writer_seq") >= first)
        wanted &= pc.field("writer_seq") <= last

        def highest() -> int:
            found = [-1]
            for path in self._files_with(writer_id=(writer_id, writer_id), writer_seq=(first, last)):
                rows = self.read_file(path, ["writer_id", "writer_seq"], wanted)
                found.append(known(pc.max(rows["writer_seq"]).as_py()))
            return max(found)

        return self.with_files(highest)

    def with_files(self, ask: Callable[[], T]) -> T:
        """Ask something of the current files, and once more if one of them went meanwhile."""
        try:
            return ask()
        except FileGone:
            return ask()

    def _files_with(self, **ranges: tuple[int | str, int | str]) -> list[Place]:
        """Return the files that may hold rows with a value in the range of every column that is given."""
        with asked(self._path):
            kept = self._actions()
            for column, (least, most) in ranges.items():
                if f"min.{column}" not in kept.column_names:
                    return []
                kept = kept.filter((pc.field(f"min.{column}") <= most) & (pc.field(f"max.{column}") >= least))
            return [self._path / unquote(name) for name in sorted(kept["path"].to_pylist())]

    def _actions(self) -> pa.Table:
        """Return what Delta says about each current file; it is listed once a version of the table."""
        delta = self._newest()
        return pa.table({}) if delta is None else self._actions_of(delta)

    def _actions_of(self, delta: DeltaTable) -> pa.Table:
        if self._listed is None or self._listed[0] != delta.version():
            self._listed = delta.version(), pa.table(delta.get_add_actions(flatten=True))
        return self._listed[1]

    def _number(self, delta: DeltaTable, app_id: str) -> int | None:
        """Return the last number under an application id; raise ``IntegrityError`` for one that nobody ever committed.

        The library reads Delta's whole log for it, which in a bucket is a request for each entry: there, what was read is kept.
        """
        if not isinstance(self._path, ObjectPath):
            return _sound(app_id, delta.transaction_version(app_id))
        if self._reached.version != delta.version():
            self._reached = read_transactions(self._path / DELTA_LOG, delta.version(), self._reached)
        return _sound(app_id, self._reached.numbers.get(app_id))

    def _newest(self) -> DeltaTable | None:
        """Return the table at its newest version, ``None`` if it does not exist yet."""
        delta = self._delta
        with asked(self._path):
            if delta is not None and delta.version() - self._opened_version < self._checkpoint_commits:
                delta.update_incremental()
            elif delta is not None or is_table(self._path):
                self._delta = open_table(self._path)
                self._opened_version = self._delta.version()
        return self._delta


def _sound(app_id: str, version: int | None) -> int | None:
    if version is not None and not 0 <= version <= MAX_SEQ:
        raise IntegrityError(f"the span table says that {app_id} reached {version}", "table")
    return version


def known(committed: int | None) -> int:
    """Return a number that may never have been committed; −1 then."""
    return -1 if committed is None else committed


def _whole(index: int, parts: Sequence[Rows]) -> Rows:
    """Put a batch's rows back in their order; raise ``IntegrityError`` unless they are one run of one writer."""
    joined = runs(sorted(parts, key=lambda part: part.first_seq))
    if len(joined) != 1:
        raise IntegrityError(f"the rows of batch {index} are not one run of one writer", "log")
    return replace(joined[0], log_index=index)


def _fitting(first: int, last: int, rows_of_batch: Mapping[int, int], max_rows: int) -> int:
    """Return the last batch of those from ``first`` on that come to no more rows than that; ``first`` at least."""
    total, fitting = 0, first
    for index in range(first, last + 1):
        total += rows_of_batch.get(index, 0)
        if total > max_rows and index > first:
            break
        fitting = index
    return fitting
