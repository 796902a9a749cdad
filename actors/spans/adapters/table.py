"""The spans table: Delta on Parquet. Files are written here, page checksums and all; Delta only commits them.

Rules:
- Rows and the sequence numbers they reach are one commit: each writer's last number is a Delta application transaction.
  ``append`` cuts away whatever the table holds already, so rows delivered twice, alone or among new ones, take effect
  once.
- What is committed together is numbered batch by batch (``batch.runs``): the last number of the log that sealing makes of
  them is one more application transaction, ``LOG``, so rows and their places in the log are one fact. How many were sealed
  before stands beside it as ``SEALED``: a log that is smaller than what the table says was set back.
- Files, every log entry and the directories that name them are synced before ``append`` returns, and what a crash left
  unsynced before ``recover`` does; only then may a caller forget the rows.
- Before a file is written its name is noted in ``_pending.json``. A crash leaves either a commit that names it or a file
  that ``recover`` removes; files that are not ours to judge are never touched.
- A file's name ends in the SHA-256 of its bytes: a reader that wants to know whether it is as it was written, down to what
  no checksum of Parquet covers (footer, statistics, page headers), asks ``read_whole``.
- Reads take the table's current file list, never the directory, and verify page checksums.

Left out: sealing what was numbered (``sealer``), compaction and retention, more than one process that writes
(the actor's lock sees to that; Delta refuses the second all the same).
"""

import contextlib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlparse

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction

from actors.base.errors import IntegrityError, StorageUnavailable
from actors.base.ids import new_ulid
from actors.spans.adapters.delta_log import ACTIONS, set_torn_aside
from actors.spans.adapters.segments import Disk
from actors.spans.batch import runs
from actors.spans.columns import PARTITION, Rows, by_date, pinned_schema, rows_of, table_schema
from actors.spans.sequence import MAX_SEQ

PENDING = "_pending.json"
ROW_GROUP_ROWS = 8192
"""Small groups: looking one decision up reads one group's records, not the file's."""
LOG = "log"
"""Application id under which the last batch number of a commit stands."""
SEALED = "log-sealed"
"""Application id under which a commit says how many batches were sealed before it."""
_NAMED = re.compile(r"part-[0-9A-Z]{26}-([0-9a-f]{64})\.parquet")
_STATISTICS = ("writer_id", "writer_seq", "log_index", "decision_id", "start_unix_nano", "end_unix_nano")


@dataclass(frozen=True, slots=True)
class TableFile:
    """One of the files the table consists of, and the numbers of the batches that Delta says it holds rows of."""

    path: Path
    first: int | None
    last: int | None


class SpanTable:
    """The table in one directory. One process appends; any number read."""

    def __init__(self, path: Path, checkpoint_commits: int, disk: Disk | None = None) -> None:
        """Open the table; an ``append`` creates it if it does not exist yet."""
        self._path = path.resolve()
        self._checkpoint_commits = checkpoint_commits
        self._disk = disk or Disk()
        self._delta: DeltaTable | None = None
        self._synced_version: int | None = None
        """Newest log entry this process made durable; ``None`` before the first time."""
        self._listed: tuple[int, pa.Table] | None = None
        """A version of the table, and what Delta says about its files."""
        self.sealed = 0
        """Batches that are known to be sealed: the next commit says so."""

    # Writing.

    def append(self, rows: Sequence[Rows], reached: Mapping[str, int], now_ms: int) -> list[Rows]:
        """Commit rows and, with them, the last number each application id reached; return the batches that this made.

        Raises ``StorageUnavailable`` unless the commit is durable; the caller keeps its rows and tries again, with more
        rows if it likes. An earlier attempt may have taken effect without saying so: what the table has is left out.
        """
        written: list[Path] = []
        batches: list[Rows] = []
        try:
            delta = self._created()
            committed = {name: _reached(delta, name) for name in {*reached, *(r.writer_id for r in rows)}}
            ahead = {name: last for name, last in reached.items() if last > _number(committed[name])}
            if ahead:
                self._remove_orphans()  # of an attempt whose end could not be told at the time
                fresh = runs(_after(chunk, committed[chunk.writer_id]) for chunk in rows)
                first = _number(_reached(delta, LOG)) + 1
                batches = [replace(batch, log_index=index) for index, batch in enumerate(fresh, first)]
                if batches:
                    ahead[LOG] = first + len(batches) - 1
                if self.sealed > _number(_reached(delta, SEALED)) and self.sealed > 0:
                    ahead[SEALED] = self.sealed
                self._commit(delta, self._write_files(batches, written, now_ms), ahead)
            self._sync_log()
            (self._path / PENDING).unlink(missing_ok=True)
        except (OSError, DeltaError, pa.ArrowException) as error:
            self._clean_up(written)
            raise StorageUnavailable(f"the span table in {self._path} cannot be written: {error}") from error
        return batches

    def recover(self) -> list[Path]:
        """Make durable what is committed, and remove the files of an append that crashed before; return which.

        The numbers of a commit that was never synced are seen all the same, and a log is removed by them; of one that a loss
        of power tore, nothing is.
        """
        try:
            set_torn_aside(self._path / "_delta_log", self._disk)
            self._sync_log()
            return self._remove_orphans()
        except OSError as error:
            raise StorageUnavailable(f"the span table in {self._path} cannot be recovered: {error}") from error

    def _remove_orphans(self) -> list[Path]:
        """Remove files that were begun and never committed; return which."""
        pending = self._path / PENDING
        if not pending.exists():
            return []
        current = set(self.current_files())
        try:
            noted = [self._path / name for name in json.loads(pending.read_bytes())]
        except ValueError:  # cut while it was written: no file had been begun
            noted = []
        orphans = [path for path in noted if path not in current and path.exists()]
        self._remove(orphans)
        return orphans

    def _created(self) -> DeltaTable:
        """Return the table at its newest version, created if there is none."""
        if (delta := self._newest()) is not None:
            return delta
        self._path.mkdir(parents=True, exist_ok=True)
        self._delta = DeltaTable.create(
            self._path,
            table_schema(),
            mode="ignore",
            partition_by=[PARTITION],
            configuration={"delta.checkpointInterval": str(self._checkpoint_commits)},
        )
        self._disk.sync_directory(self._path)
        self._disk.sync_directory(self._path.parent)
        self._disk.sync_file(self._path / "_delta_log" / f"{0:020d}.json")  # so that only the newest can ever be torn
        return self._delta

    def _write_files(self, rows: Sequence[Rows], written: list[Path], now_ms: int) -> list[AddAction]:
        """Write and sync one file a date, noting their names first; ``written`` grows as they are begun."""
        made = [(day, table, _parquet(table)) for day, table in by_date(rows)]
        names = [f"{PARTITION}={day.isoformat()}/{_name(data)}" for day, _, data in made]
        for name in names:
            (self._path / name).parent.mkdir(exist_ok=True)
        self._note(names)  # syncs those folders' names, too, whoever made them
        actions: list[AddAction] = []
        for name, (day, table, data) in zip(names, made, strict=True):
            path = self._path / name
            written.append(path)
            path.write_bytes(data)
            self._disk.sync_file(path)
            self._disk.sync_directory(path.parent)
            actions.append(_add_action(name, len(data), day, table, now_ms))
        return actions

    def _note(self, names: Sequence[str]) -> None:
        with (self._path / PENDING).open("wb") as file:
            file.write(json.dumps(names).encode())
        self._disk.sync_file(self._path / PENDING)
        self._disk.sync_directory(self._path)

    def _commit(self, delta: DeltaTable, actions: list[AddAction], reached: Mapping[str, int]) -> None:
        transactions = [Transaction(app_id, number) for app_id, number in reached.items()]
        delta.create_write_transaction(
            list(actions),
            mode="append",
            schema=delta.schema(),
            partition_by=[PARTITION],
            commit_properties=CommitProperties({ACTIONS: str(len(actions) + len(transactions))}, None, transactions),
        )

    def _clean_up(self, written: Sequence[Path]) -> None:
        """Remove files of a failed append, unless the commit took effect or nobody can tell: ``recover`` will."""
        with contextlib.suppress(OSError, StorageUnavailable):
            current = set(self.current_files())
            self._remove([path for path in written if path not in current])

    def _sync_log(self) -> None:
        """Make every log entry and checkpoint since the last time durable: the library leaves that to the system."""
        delta = self._newest()
        if delta is None:
            return
        log, newest = self._path / "_delta_log", delta.version()
        if newest == self._synced_version:
            return
        first = _newest_checkpoint(log) if self._synced_version is None else self._synced_version + 1
        for version in range(first, newest + 1):
            for path in (log / f"{version:020d}.json", log / f"{version:020d}.checkpoint.parquet"):
                if path.exists():
                    self._disk.sync_file(path)
        if (log / "_last_checkpoint").exists():
            self._disk.sync_file(log / "_last_checkpoint")
        self._disk.sync_directory(log)
        self._synced_version = newest

    def _remove(self, paths: Sequence[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)
        (self._path / PENDING).unlink(missing_ok=True)

    # Reading.

    def last_committed(self, app_id: str) -> int | None:
        """Return the last number committed under an application id (a writer's last sequence number)."""
        with self._asked():
            delta = self._newest()
            return None if delta is None else _reached(delta, app_id)

    def last_durable(self, app_id: str) -> int | None:
        """Return the last number committed, once no loss of power can take it back; raise ``StorageUnavailable`` before."""
        with self._asked():
            self._sync_log()
        return self.last_committed(app_id)

    def current_files(self) -> list[Path]:
        """Return the files the table consists of now."""
        with self._asked():
            delta = self._newest()
            return [] if delta is None else [Path(_local(uri)) for uri in delta.file_uris()]

    def numbered_files(self) -> list[TableFile]:
        """Return ``current_files`` in the order of the batches they say they hold; first those that say nothing."""
        with self._asked():
            actions = self._actions()
            none = [None] * actions.num_rows
            names: list[str] = actions["path"].to_pylist() if actions.num_rows else []
            firsts, lasts = (
                actions[name].to_pylist() if name in actions.column_names else none
                for name in ("min.log_index", "max.log_index")
            )
        found = [TableFile(self._path / unquote(name), *span) for name, *span in zip(names, firsts, lasts, strict=True)]
        return sorted(found, key=lambda file: (_number(file.first), file.path.name))

    def read(self, columns: Sequence[str] | None = None, filters: pc.Expression | None = None) -> pa.Table:
        """Read rows of all current files under the pinned schema, checking every page.

        Raises ``IntegrityError`` naming the first file that does not check.
        """
        names = list(columns) if columns is not None else pinned_schema().names
        schema = pa.schema([pinned_schema().field(name) for name in names])
        parts = [self.read_file(path, names, filters) for path in self.current_files()]
        return pa.concat_tables([schema.empty_table(), *parts])

    @staticmethod
    def read_file(path: Path, columns: Sequence[str], filters: pc.Expression | None = None) -> pa.Table:
        """Read rows of one of ``current_files``; raise ``IntegrityError`` naming it if a page does not check."""
        return _read_file(path, columns, filters)

    @staticmethod
    def read_whole(path: Path) -> tuple[pa.Table, str]:
        """Read all of one of ``current_files``; say as well why its bytes are not those that its name stands for.

        A name that stands for nothing is from before rows had batches: one of a file that holds such rows was taken away.
        Raises ``IntegrityError`` like ``read_file``.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise IntegrityError(f"span file {path.name} cannot be read: {error.strerror}", str(path)) from error
        named = _NAMED.fullmatch(path.name)
        rows = _read_file(path, pinned_schema().names, None, pa.BufferReader(data))
        if named is None:
            numbered = rows["log_index"].null_count < rows.num_rows
            return rows, "has no digest in its name, and holds rows of batches" if numbered else ""
        return rows, "" if hashlib.sha256(data).hexdigest() == named[1] else "is not the bytes that were written"

    def find(self, decision_id: str) -> bytes | None:
        """Return the newest envelope of a decision, reading only files whose range of decisions includes it."""
        found: list[tuple[int, bytes]] = []
        for path in self._files_with(decision_id=(decision_id, decision_id)):
            rows = _read_file(
                path,
                ["writer_seq", "record"],
                (pc.field("decision_id") == decision_id) & pc.field("record").is_valid(),
            )
            found += zip(rows["writer_seq"].to_pylist(), rows["record"].to_pylist(), strict=True)
        return max(found)[1] if found else None

    def last_within(self, first: int, last: int, max_rows: int) -> int:
        """Return the last batch up to ``last`` such that those from ``first`` on hold no more than ``max_rows`` rows.

        ``first`` at least. Only one column of few files is read: as many as hold so many rows, in the order of batches.
        """
        rows_of_batch: Counter[int] = Counter()
        fitting = first
        for file in self.numbered_files():
            if file.first is None or file.last is None or file.last < first or file.first > last:
                continue
            if rows_of_batch.total() > max_rows and file.first > fitting:
                break
            wanted = (pc.field("log_index") >= first) & (pc.field("log_index") <= last)
            rows_of_batch.update(_read_file(file.path, ["log_index"], wanted)["log_index"].to_pylist())
            fitting = _fitting(first, last, rows_of_batch, max_rows)
        return fitting

    def batches(self, first: int, last: int) -> list[Rows]:
        """Return the batches numbered ``first`` to ``last`` in order, as they were committed; those that are not there not.

        Raises ``IntegrityError`` naming a file that does not check, or a batch whose rows are no run.
        """
        wanted = (pc.field("log_index") >= first) & (pc.field("log_index") <= last)
        found: dict[int, list[Rows]] = {}
        for path in self._files_with(log_index=(first, last)):
            for row in rows_of(_read_file(path, pinned_schema().names, wanted)):
                found.setdefault(_number(row.log_index), []).append(row)
        return [_whole(index, found[index]) for index in sorted(found)]

    def row_of(self, writer_id: str, seq: int, decision_id: str) -> Rows | None:
        """Return a decision's row, with the number of its batch if it is in one; ``None`` if it is not here.

        Decisions' ids are in the order of time, as files are: few files may hold one, however large the table is. Raises
        ``IntegrityError`` if a file does not check or the row is none.
        """
        row = (pc.field("writer_id") == writer_id) & (pc.field("writer_seq") == seq)
        row &= pc.field("decision_id") == decision_id
        place: dict[str, int | str] = {"decision_id": decision_id, "writer_id": writer_id, "writer_seq": seq}
        for path in self._files_with(**{name: (value, value) for name, value in place.items()}):
            if found := rows_of(_read_file(path, pinned_schema().names, row)):
                return found[0]
        return None

    def _files_with(self, **ranges: tuple[int | str, int | str]) -> list[Path]:
        """Return the files that may hold rows with a value in the range of every column that is given."""
        with self._asked():
            kept = self._actions()
            for column, (least, most) in ranges.items():
                if f"min.{column}" not in kept.column_names:
                    return []
                kept = kept.filter((pc.field(f"min.{column}") <= most) & (pc.field(f"max.{column}") >= least))
            return [self._path / unquote(name) for name in sorted(kept["path"].to_pylist())]

    def _actions(self) -> pa.Table:
        """Return what Delta says about each current file; it is listed once a version of the table."""
        delta = self._newest()
        if delta is None:
            return pa.table({})
        if self._listed is None or self._listed[0] != delta.version():
            self._listed = delta.version(), pa.table(delta.get_add_actions(flatten=True))
        return self._listed[1]

    @contextlib.contextmanager
    def _asked(self) -> Iterator[None]:
        """Let whatever keeps Delta's log from being read be this project's error."""
        try:
            yield
        except (OSError, DeltaError, pa.ArrowException, ValueError) as error:  # ValueError: words that are not UTF-8
            raise StorageUnavailable(f"the span table in {self._path} cannot be read: {error}") from error

    def _newest(self) -> DeltaTable | None:
        """Return the table at its newest version, ``None`` if it does not exist yet."""
        try:
            if self._delta is not None:
                self._delta.update_incremental()
            elif DeltaTable.is_deltatable(str(self._path)):
                self._delta = DeltaTable(self._path)
        except (OSError, DeltaError) as error:
            raise StorageUnavailable(f"the span table in {self._path} cannot be read: {error}") from error
        return self._delta


def _reached(delta: DeltaTable, app_id: str) -> int | None:
    """Return the last number under an application id; raise ``IntegrityError`` for one that nobody ever committed."""
    number = delta.transaction_version(app_id)
    if number is not None and not 0 <= number <= MAX_SEQ:
        raise IntegrityError(f"the span table says that {app_id} reached {number}", "table")
    return number


def _number(committed: int | None) -> int:
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


def _after(chunk: Rows, committed: int | None) -> Rows:
    """Return the rows behind the last committed number."""
    known = min(len(chunk.spans), max(0, _number(committed) + 1 - chunk.first_seq))
    return replace(chunk, first_seq=chunk.first_seq + known, spans=chunk.spans[known:])


def _newest_checkpoint(log: Path) -> int:
    """Return the version of the newest checkpoint, 0 if there is none: readers need no entry before it."""
    return max((int(path.name.split(".")[0]) for path in log.glob("*.checkpoint.parquet")), default=0)


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        row_group_size=ROW_GROUP_ROWS,
        write_page_checksum=True,
        write_statistics=True,
    )
    return cast("bytes", sink.getvalue().to_pybytes())


def _name(data: bytes) -> str:
    return f"part-{new_ulid()}-{hashlib.sha256(data).hexdigest()}.parquet"


def _add_action(name: str, size: int, day: date, table: pa.Table, now_ms: int) -> AddAction:
    """Describe a file to Delta, with the statistics by which readers pass it over."""
    ranges = {column: pc.min_max(_values(table[column])).as_py() for column in _STATISTICS}
    statistics = {
        "numRecords": table.num_rows,
        "minValues": {column: span["min"] for column, span in ranges.items() if span["min"] is not None},
        "maxValues": {column: span["max"] for column, span in ranges.items() if span["max"] is not None},
        "nullCount": {column: table[column].null_count for column in _STATISTICS},
    }
    return AddAction(
        path=name,
        size=size,
        partition_values={PARTITION: day.isoformat()},
        modification_time=now_ms,
        data_change=True,
        stats=json.dumps(statistics),
    )


def _values(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _read_file(
    path: Path, columns: Sequence[str], filters: pc.Expression | None, source: pa.BufferReader | None = None
) -> pa.Table:
    try:
        table = pq.read_table(
            source or path,
            columns=list(columns),
            filters=filters,
            schema=pinned_schema(),
            partitioning=None,
            page_checksum_verification=True,
        )
    except (OSError, pa.ArrowException) as error:
        raise IntegrityError(f"span file {path.name} cannot be read: {error}", str(path)) from error
    return cast("Any", table)


def _local(uri: str) -> str:
    return unquote(urlparse(uri).path) if uri.startswith("file:") else uri
