"""The spans table: Delta on Parquet. Files are written here, page checksums and all; Delta only commits them.

Rules:
- Rows and the sequence numbers they reach are one commit: each writer's last number is a Delta application transaction.
  ``append`` cuts away whatever the table holds already, so rows delivered twice, alone or among new ones, take effect
  once.
- What is committed together is numbered batch by batch (``batch.runs``): the last number of the log that sealing makes of
  them is one more application transaction, ``LOG``, so rows and their places in the log are one fact. How many were sealed
  before stands beside it as ``SEALED``: a log that is smaller than what the table says was set back.
- A commit that numbers batches says what they are, in words that whoever seals them signs (``committed``): these words are kept
  until the batches are sealed.
- What is cut from an append as known is what this process may have committed: a number that Delta's log says beyond that cuts
  nothing, is told, and is set right by the next commit.
- A file that takes others' place (``swaps``) is one commit with the rows that say so.
- Files, every log entry and the directories that name them are synced before ``append`` returns, and what a crash left
  unsynced before ``recover`` does; only then may a caller forget the rows. Nothing is committed on an entry that is not durable:
  torn beneath another it would be set aside by nobody.
- Before a file is written its name is noted in ``_pending.json``. A crash leaves either a commit that names it or a file
  that ``recover`` removes; files that are not ours to judge are never touched.
- Entries of Delta's log and marks of removed files are kept as long as removed files are, and then until a checkpoint that
  is durable stands for them.
- It lies in a directory or in a bucket: how files get there, and what durable means, is ``files``.

Left out: reading (``reading``), sealing what was numbered (``sealer``), what is merged (``compaction``), more than one process
that writes (the actor's lock sees to that; Delta refuses the second all the same).
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction

from actors.base.errors import StorageUnavailable
from actors.spans.adapters.delta import CHECKPOINTS, CLEANS_NOTHING, FILES_KEPT, LOG_KEPT, asked, create_table
from actors.spans.adapters.delta_log import ACTIONS
from actors.spans.adapters.files import files_of
from actors.spans.adapters.migration import add_columns
from actors.spans.adapters.objects import in_words
from actors.spans.adapters.parquet import Statistics, file_name, parquet_bytes
from actors.spans.adapters.reading import TableReader, known
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.swaps import Swap, Swaps
from actors.spans.batch import row_hashes, runs
from actors.spans.columns import PARTITION, Rows, by_date, table_schema
from actors.spans.committed import BATCHES
from actors.spans.conventions import TABLE_EXPIRED
from actors.spans.place import Place, below
from actors.spans.remembered import Attempt

PENDING = "_pending.json"
KEEP_S = 3600
"""How long removed files and entries of Delta's log are kept where nobody says."""
LOG = "log"
"""Application id under which the last batch number of a commit stands."""
SEALED = "log-sealed"
"""Application id under which a commit says how many batches were sealed before it."""
EXPIRED = "log-expired"
"""Application id under which the number of the newest batch stands that says which batches have expired."""

Vouch = Callable[[Sequence[Rows], int], str]
"""Takes batches that have their numbers, and the time (Unix milliseconds); returns what their commit says of them."""


def unvouched(_batches: Sequence[Rows], _now_ms: int) -> str:
    """Say nothing: what is committed so nobody seals who reads it back."""
    return ""


class UnwritableRows(Exception):
    """Nothing can be made of rows, whatever store takes them."""


def unwritable(rows: Sequence[Rows]) -> str:
    """Say why nothing can be made of rows; empty if it can."""
    try:
        for run in runs(rows):
            row_hashes(run)
        for _, table in by_date(rows):
            Statistics().add(table)
            parquet_bytes(table)
    except Exception as error:  # noqa: BLE001 - that nobody foresaw it is what is asked
        return f"{type(error).__name__}: {error}"
    return ""


class SpanTable(TableReader):
    """The table in one place. One process appends; any number read."""

    def __init__(
        self, path: Place, checkpoint_commits: int, disk: Disk | None = None, keep_s: int = KEEP_S,
        desk: Path | None = None,
    ) -> None:  # fmt: skip
        """Open the table; an ``append`` creates it if it does not exist yet. Removed files are kept for ``keep_s``.

        Where it lies in a bucket, notes of what is begun lie in the directory ``desk``.
        """
        super().__init__(path, checkpoint_commits)
        self._disk = disk or Disk()
        self.files = files_of(self._path, self._disk, desk)
        self._keep_s = keep_s
        self._synced_version: int | None = None
        """Newest log entry this process made durable; ``None`` before the first time."""
        self.swaps = Swaps(self.files, self._path, self._disk)
        self._has_all_columns = False
        """Whether a table that was there was looked at."""
        self.sealed = 0
        """Batches that are known to be sealed: the next commit says so."""
        self.vouch: Vouch = unvouched
        """Asked what a commit says of its batches; whoever seals them sets it."""
        self._owed = True
        """Whether batches may wait of which commits said something that has to be kept."""
        self.attempt: Attempt | None = None
        """The last commit of ``append`` that was begun."""
        self._most: dict[str, int] = {}
        """Application id → the highest number that it can have, by what this process was told first and committed since."""
        self.contradicted: dict[str, tuple[int, int]] = {}
        """Application id → what Delta's log says that it reached, and the most that it can have; for whoever tells."""

    def append(
        self, rows: Sequence[Rows], reached: Mapping[str, int], now_ms: int, again: Mapping[str, Rows] | None = None,
        swap: Swap | None = None,
    ) -> list[Rows]:  # fmt: skip
        """Commit rows and, with them, the last number each application id reached; return the batches that this made.

        ``again`` are rows from before what their writer reached, each under an application id of its own in ``reached``.
        ``swap`` is committed with them: a file that takes others' place, as one of the rows says. Raises ``StorageUnavailable``
        unless the commit is durable; the caller keeps its rows and tries again, with more rows if it likes. An earlier
        attempt may have taken effect without saying so: what the table has is left out.
        """
        batches: list[Rows] = []
        with self._durably() as written:
            delta = self._ready()
            committed = {name: self._possible(delta, name) for name in {*reached, *(r.writer_id for r in rows)}}
            ahead = {name: last for name, last in reached.items() if last > known(committed[name])}
            if ahead:
                behind = [part for name, part in (again or {}).items() if name in ahead]
                fresh = runs([*(_after(chunk, committed[chunk.writer_id]) for chunk in rows), *behind])
                first = known(self._number(delta, LOG)) + 1
                batches = [replace(batch, log_index=index) for index, batch in enumerate(fresh, first)]
                if batches:
                    ahead[LOG] = first + len(batches) - 1
                if self.sealed > known(self._number(delta, SEALED)) and self.sealed > 0:
                    ahead[SEALED] = self.sealed
                said = self.vouch(batches, now_ms)
                if batches:
                    self._owed = bool(said) and self.sealed < first
                actions = self._write_files(batches, written, now_ms)
                if swap is not None:  # once more is the same
                    actions += swap.actions(self._path, now_ms)
                    for batch in filter(_is_of_expiry, batches):
                        ahead[EXPIRED] = known(batch.log_index)
                self.attempt = Attempt(batches, ahead)
                self._remember(ahead)
                self._commit(delta, actions, ahead, said)
        return batches

    def last_committed(self, app_id: str) -> int | None:
        """See ``TableReader.last_committed``; what is told first is remembered."""
        number = super().last_committed(app_id)
        self._most.setdefault(app_id, known(number))
        return number

    def hold_back(self, app_id: str, last: int) -> None:
        """Believe no number above that of an id, whatever Delta's log says."""
        self._most[app_id] = last

    def _possible(self, delta: DeltaTable, app_id: str) -> int | None:
        """Return how far an id is; what Delta's log says beyond what this process can have committed is somebody else's word."""
        number = self._number(delta, app_id)
        most = self._most.setdefault(app_id, known(number))
        if known(number) <= most:
            return number
        self.contradicted[app_id] = known(number), most
        return None if most < 0 else most

    def _remember(self, reached: Mapping[str, int]) -> None:
        self._most |= {name: max(last, self._most.get(name, -1)) for name, last in reached.items()}

    def put(
        self, batches: Sequence[Rows], reached: Mapping[str, int], now_ms: int, said: Sequence[str] = ()
    ) -> None:  # fmt: skip
        """Commit, like ``append``, batches that have their numbers and what each id reached, as they stand in another table.

        ``said`` is what commits there said of them.
        """
        self._owed = True  # who puts batches here does not say which are sealed
        with self._durably() as written:
            delta = self._ready()
            self._remember(reached)
            self._commit(delta, self._write_files(batches, written, now_ms), reached, *said)

    @contextlib.contextmanager
    def _durably(self) -> Iterator[list[Place]]:
        """Make durable what is committed inside; if it fails, take away what it began, of which it fills the list."""
        written: list[Place] = []
        try:
            yield written
            self._sync_log()
            (self.files.desk / PENDING).unlink(missing_ok=True)
        except StorageUnavailable:
            if written:  # what was begun lies in a store that fails
                self._clean_up()
            raise
        except (OSError, DeltaError, pa.ArrowException) as error:
            self._clean_up()
            raise StorageUnavailable(f"the span table in {self._path} cannot be written: {in_words(error)}") from error

    def mend(self) -> None:
        """Set aside what a loss of power tore at the end of Delta's log, before anybody reads that."""
        try:
            self.files.mend_log()
        except OSError as error:
            raise StorageUnavailable(
                f"the span table in {self._path} cannot be recovered: {in_words(error)}"
            ) from error

    def recover(self) -> list[Place]:
        """Make durable what is committed, and remove the files of an append that crashed before; return which.

        The numbers of a commit that was never synced are seen all the same, and a log is removed by them; of one that a loss
        of power tore, nothing is.
        """
        self.mend()
        try:
            self._sync_log()
            self._configure()
            self._sync_log()
            return [*self._remove_orphans(), *self.settle(now_ms=0)]
        except (OSError, DeltaError) as error:
            raise StorageUnavailable(
                f"the span table in {self._path} cannot be recovered: {in_words(error)}"
            ) from error

    def settle(self, now_ms: int, pending: Collection[str] = ()) -> list[Place]:
        """Remove files that were swapped for others long enough ago, but for those of a swap that is still to be committed."""
        current = {below(self._path, path) for path in self.current_files()}
        return self.swaps.settle(current, now_ms, 1000 * self._keep_s, pending)

    def _remove_orphans(self) -> list[Place]:
        """Remove files that were begun and never committed; return which."""
        pending = self.files.desk / PENDING
        if not pending.exists():
            return []
        current = set(self.current_files())
        try:
            noted = [str(name) for name in json.loads(pending.read_bytes())]
        except ValueError:  # cut while it was written: no file had been begun
            noted = []
        removed = self.files.remove([name for name in noted if self._path / name not in current])
        pending.unlink(missing_ok=True)
        return removed

    def _ready(self) -> DeltaTable:
        """Return the table once its newest entry is durable and nothing is left of an attempt before."""
        delta = self._created()
        if delta.version() != self._synced_version:
            self._sync_log()
        self._remove_orphans()  # whose end could not be told, or whose files could not be removed, at the time
        return delta

    def _created(self) -> DeltaTable:
        """Return the table at its newest version, created if there is none."""
        if (delta := self._newest()) is not None:
            if not self._has_all_columns:  # an earlier version of this program may have made it
                add_columns(delta)
                self._has_all_columns = True
            return delta
        self.files.open_root()
        self._delta = create_table(self._path, table_schema(), PARTITION, self._configuration)
        self._opened_version = self._delta.version()
        self.files.created()
        return self._delta

    @property
    def _configuration(self) -> dict[str, str | None]:
        kept = f"interval {self._keep_s} seconds"
        return {CHECKPOINTS: str(self._checkpoint_commits), LOG_KEPT: kept, FILES_KEPT: kept}

    def _configure(self) -> None:
        """Have a table of an earlier version, or of another configuration, keep its log as long as this one says."""
        delta = self._newest()
        if delta is not None and not self._configuration.items() <= delta.metadata().configuration.items():
            wanted = {key: value or "" for key, value in self._configuration.items()}
            delta.alter.set_table_properties(wanted, post_commithook_properties=CLEANS_NOTHING)

    def _write_files(self, rows: Sequence[Rows], written: list[Place], now_ms: int) -> list[AddAction | RemoveAction]:
        """Write and sync one file a date, noting their names first; ``written`` grows as they are begun."""
        try:
            made = [(day.isoformat(), table, parquet_bytes(table)) for day, table in by_date(rows)]
        except pa.ArrowException as error:  # no fault of the store: no other would take them either
            raise UnwritableRows(f"no file can be made of the rows: {error}") from error
        names = [file_name(day, hashlib.sha256(data).hexdigest()) for day, _, data in made]
        self.files.make_folders(names)
        self._note(names)  # syncs those folders' names, too, whoever made them
        actions: list[AddAction | RemoveAction] = []
        for name, (day, table, data) in zip(names, made, strict=True):
            written.append(self._path / name)
            self.files.write(name, data)
            actions.append(Statistics().add(table).action(name, len(data), day, now_ms))
        return actions

    def _note(self, names: Sequence[str]) -> None:
        self.files.open_desk()
        with (self.files.desk / PENDING).open("wb") as file:
            file.write(json.dumps(names).encode())
        self._disk.sync_file(self.files.desk / PENDING)
        self._disk.sync_directory(self.files.desk)

    def _commit(
        self, delta: DeltaTable, actions: list[AddAction | RemoveAction], reached: Mapping[str, int], *said: str
    ) -> None:
        transactions = [Transaction(app_id, last) for app_id, last in reached.items()]
        delta.create_write_transaction(
            actions,
            mode="append",
            schema=delta.schema(),
            partition_by=[PARTITION],
            commit_properties=CommitProperties(
                {ACTIONS: str(len(actions) + len(transactions)), BATCHES: "\n".join(said)}, None, transactions
            ),
            post_commithook_properties=CLEANS_NOTHING,
        )

    def _clean_up(self) -> None:
        """Remove files of a failed append, unless the commit took effect or nobody can tell: the next, or ``recover``, will."""
        with contextlib.suppress(OSError, DeltaError, StorageUnavailable):
            self._sync_log()  # a commit that a loss of power may still take needs the note of its files
            self._remove_orphans()

    def _sync_log(self) -> None:
        """Make every log entry and checkpoint since the last time durable: the library leaves that to the system."""
        delta = self._newest()
        if delta is None:
            return
        if (newest := delta.version()) == self._synced_version:
            return
        stands_for_others = self.files.sync_log(self._synced_version, newest)
        self._synced_version = newest
        if stands_for_others and not self._owed:  # entries hold what commits said of batches that wait
            delta.cleanup_metadata()

    def last_durable(self, app_id: str) -> int | None:
        """Return the last number committed, once no loss of power can take it back; raise ``StorageUnavailable`` before."""
        with asked(self._path):
            self._sync_log()
        return self.last_committed(app_id)


def _is_of_expiry(batch: Rows) -> bool:
    return any(span.name == TABLE_EXPIRED for span in batch.spans)


def _after(chunk: Rows, committed: int | None) -> Rows:
    """Return the rows behind the last committed number."""
    behind = min(len(chunk.spans), max(0, known(committed) + 1 - chunk.first_seq))
    if not behind:
        return chunk
    return replace(chunk, first_seq=chunk.first_seq + behind, spans=chunk.spans[behind:])
