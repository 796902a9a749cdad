"""The spans table with a second storage that takes over when the first fails, and gives back afterwards.

Rules:
- There is one truth: the storage that ``handover.json`` names. It changes hands in the instant that file is replaced, and only
  once the storage that takes over holds, durably, all that it must know to go on alone: each writer's number, how many batches
  there are and how many were sealed, and the batches of a commit whose end the first never told, under the same numbers.
- What the first storage holds is remembered from what it said. A process that never heard it waits: it does not guess.
- Every handover has a directory of its own in the backup, made and tried beforehand; the word names it, so none is ever left
  lying about unknown. What lies in it before the word says so means nothing, and is taken away.
- The first storage is looked for every ``backup_return_s`` (``bring_back``). Once it holds all, the word changes; the
  backup's copies stay for ``backup_keep_s``, for those that read there still, and go then.
- A backup that could not take over now is said to be so before it is needed.

Left out: a directory that hangs without an error (a bucket has timeouts); a bucket as the backup; a second backup; rows of
before the handover while the first is away.
"""

import contextlib
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import msgspec

from actors.base.errors import HomeError, IntegrityError, StorageUnavailable
from actors.base.ids import new_ulid
from actors.spans.adapters.bring_back import BringBack
from actors.spans.adapters.files import Files
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.reading import known
from actors.spans.adapters.reporting import Reports
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.stores import HANDOVER, SpanStores
from actors.spans.adapters.swaps import Swap, Swaps, says_of_files, unmade
from actors.spans.adapters.table import EXPIRED, LOG, SEALED, SpanTable, Vouch, unvouched
from actors.spans.columns import Rows
from actors.spans.config import SpansConfig
from actors.spans.failover import Handover, Patience, Streak, failed, gives_up
from actors.spans.place import Place
from actors.spans.remembered import NOTHING, Attempt, Transactions, begun, beyond

T = TypeVar("T")
Kind = Literal["read", "write"]


Backed: TypeAlias = "SpanTable | BackedTable"
"""What files are merged and expire in."""


@dataclass(frozen=True, slots=True)
class StorageState:
    """Which storage is in use, and whether the other one could be."""

    in_use: bool = False
    ready: bool = False
    waiting: int = 0
    """Batches that are not known to be in the first storage."""
    error: str = ""
    """Why the backup could not take over now, or why the first storage is not back."""

    def shown(self) -> dict[str, float | str]:
        """Return it as part of the actor's health."""
        numbers = {"in_use": self.in_use, "ready": self.ready, "waiting": self.waiting}
        return {f"backup_{name}": float(value) for name, value in numbers.items()} | {"backup_error": self.error}


class BackedTable(SpanStores):
    """What ``SpanActor`` appends to: like ``SpanTable``, over two of them."""

    def __init__(self, home: Path, config: SpansConfig, reports: Reports, disk: Disk | None = None) -> None:
        super().__init__(
            home, config.table_checkpoint_commits, disk, config.removed_files_keep_s, config.location
        )  # fmt: skip
        self.state = StorageState()
        self.vouch: Vouch = unvouched
        """See ``SpanTable``."""
        self._home, self._config, self._reports = home, config, reports
        self._sync = (disk or Disk()).sync_directory
        self._where = Path(config.backup) if config.backup else None
        if self._where is not None and self._where.resolve().is_relative_to(self._desk.resolve()):
            raise HomeError(f"spans.backup {self._where} lies in the first storage {self._desk}: name another place")
        spacing_s = config.storage_retry_ms / 1000
        self._patience = Patience(config.backup_after_failures, config.backup_after_s, spacing_s)
        self._streaks: dict[Kind, Streak] = {}
        self._known: Transactions | None = None
        """What the first storage said it holds; ``None`` while nobody can tell."""
        self._attempts: tuple[Attempt, ...] = ()
        """Commits to it whose end is open."""
        self._sealed = 0
        self._doubtful = False
        """Whether the word must be read from the disk before it is believed."""
        self._way_back: BringBack | None = None
        self._steady_s, self._wall_ms = 0.0, 0
        self._looked_s: float | None = None
        """When the storage that is not in use was looked at last (steady)."""

    # As one table.

    @property
    def sealed(self) -> int:
        """Batches that are known to be sealed: the next commit says so."""
        return self._sealed

    @sealed.setter
    def sealed(self, sealed: int) -> None:
        self._sealed = sealed

    def begin(self, steady_s: float, wall_s: float) -> None:
        """Begin a tick: what fails from now on fails at this moment."""
        self._steady_s, self._wall_ms = steady_s, int(wall_s * 1000)

    def recover(self) -> list[Place]:
        """See ``SpanTable.recover``; of the storage in use, whose log is mended before it is asked whether it took over."""
        if (handover := self._word.settle()) is not None and handover.in_use:
            self._open(Path(handover.directory)).mend()
        removed = self._holder().recover()
        self.learn()
        return removed

    def append(
        self, rows: Sequence[Rows], reached: Mapping[str, int], now_ms: int, again: Mapping[str, Rows] | None = None,
        swap: Swap | None = None,
    ) -> list[Rows]:  # fmt: skip
        """See ``SpanTable.append``; the backup takes over when the first storage has failed for too long.

        A file that is to take others' place there is nothing to the backup: they stay until the next merge, and no row says that
        it was made.
        """

        def append(table: SpanTable) -> list[Rows]:
            if table is self._first or swap is None:
                return self._append(table, lambda: table.append(rows, reached, now_ms, again, swap))
            return self._append(table, lambda: table.append(unmade(rows), reached, now_ms, again))

        return self._tried("write", append)

    @property
    def files(self) -> Files:
        """Where the first storage's files are made and written."""
        return self._first.files

    @property
    def swaps(self) -> Swaps:
        """The first storage's notes of files that take others' place."""
        return self._first.swaps

    def settle(self, now_ms: int, pending: Collection[str] = ()) -> list[Place]:
        """See ``SpanTable.settle``; of the first storage."""
        return self._first.settle(now_ms, pending)

    def last_committed(self, app_id: str) -> int | None:
        """See ``SpanTable.last_committed``."""
        return self._tried("read", lambda table: table.last_committed(app_id))

    def last_durable(self, app_id: str) -> int | None:
        """See ``SpanTable.last_durable``."""
        return self._tried("read", lambda table: table.last_durable(app_id))

    def _in_use(self) -> tuple[SpanTable, int] | None:
        if self._doubtful:
            self._word.settle()
            self._doubtful = False
        return super()._in_use()

    def _tried(self, kind: Kind, ask: Callable[[SpanTable], T]) -> T:
        holder = self._holder()
        try:
            answer = ask(holder)
        except StorageUnavailable as error:
            if holder is not self._first or not self._given_up(kind):
                raise
            self._take_over(str(error))
            return ask(self._holder())
        if holder is self._first:
            self._streaks = {} if kind == "write" else {each: of for each, of in self._streaks.items() if each != kind}
        return answer

    def _append(self, table: SpanTable, append: Callable[[], list[Rows]]) -> list[Rows]:
        table.sealed, table.vouch, before = self._sealed, self.vouch, table.attempt
        try:
            batches = append()
        except StorageUnavailable:
            if table is self._first and table.attempt is not None and table.attempt is not before:
                self._attempts = begun(self._attempts, table.attempt)
            raise
        self._tell_contradicted(table)
        if table is self._first and self._known is not None:
            fresh = table.attempt is not None and table.attempt is not before
            self._confirmed(self._known, table.attempt.reached if fresh and table.attempt is not None else {})
        return batches

    def _tell_contradicted(self, table: SpanTable) -> None:
        for app_id, (said, most) in table.contradicted.items():
            cause = f"Delta's log says that it reached {said}, and no more than {most} was committed: nothing was cut for it"
            self._reports.open("span_storage_contradicted", {"writer_id": app_id, "cause": cause}, app_id)
        table.contradicted.clear()

    def whole(self) -> SpanTable | None:
        """Return the first storage where it holds all rows; ``None`` while a backup holds some."""
        return self._first if self._in_use() is None else None

    def hold_back(self, app_id: str, last: int) -> None:
        """See ``SpanTable.hold_back``; of the storage in use."""
        self._holder().hold_back(app_id, last)

    def _confirmed(self, known: Transactions, reached: Mapping[str, int]) -> None:
        """Remember what a commit made of what was known; others may have committed before it."""
        self._known, self._attempts = replace(known, numbers={**known.numbers, **reached}), ()
        with contextlib.suppress(StorageUnavailable):  # then that much is known
            self._known = self._first.transactions(self._known)

    def learn(self) -> None:
        """Remember what the first storage holds; for whoever commits to it past ``append``. Without a backup nobody asks."""
        if self._where is not None and self._in_use() is None:
            self._known, self._attempts = self._first.transactions(self._known or NOTHING), ()

    # Taking over.

    def _given_up(self, kind: Kind) -> bool:
        streak = self._streaks[kind] = failed(self._streaks.get(kind, Streak()), self._patience, self._steady_s)
        return self._where is not None and gives_up(streak, self._patience, self._steady_s)

    def _take_over(self, cause: str) -> None:
        """Have the backup go on with what the first storage may hold; raise ``StorageUnavailable`` if it cannot."""
        handover = self._word.settle()
        if self._known is None or handover is None or not Path(handover.directory).is_dir():
            why = "what it holds is not known" if self._known is None else "no backup is there"
            raise StorageUnavailable(f"{cause}; the backup cannot take over: {why}")
        start = self._known.numbers.get(LOG, -1) + 1
        if start < (sealed := self._sealed or self._sealed_on_disk()):
            raise IntegrityError(
                f"{sealed} batches are sealed, and the first span storage is known to hold {start}", "table"
            )
        batches, numbers = beyond(self._known, start - 1, self._open_ended(start - 1))
        path = Path(handover.directory)
        try:
            said = self.vouch(batches, self._wall_ms)
            _empty(path)
        except (OSError, HomeError) as error:
            raise StorageUnavailable(f"{cause}; the backup cannot take over: {error}") from error
        self._open(path).put(batches, numbers | {SEALED: sealed, HANDOVER: start}, self._wall_ms, [said])
        self._doubtful = True
        self._word.write(msgspec.structs.replace(handover, state="in_use", first_batch=start))
        self._way_back, self._looked_s, self._streaks = None, self._steady_s, {}
        self._known, self._attempts = None, ()
        self.state = replace(self.state, error=cause)

    def _open_ended(self, last: int) -> tuple[Attempt, ...]:
        """Return the attempts whose end is open; of one that the first storage tells it did not make, as one without a swap.

        ``last`` is the last batch that it is known to hold: who says less, or is empty, is not it, and tells nothing.
        """
        if not any(says_of_files(each.batches) for each in self._attempts):
            return self._attempts
        try:
            there = known(self._open(self._first_path).last_committed(LOG))
        except (StorageUnavailable, IntegrityError):
            return self._attempts
        return tuple(_unmade(each) if last <= there < each.first else each for each in self._attempts)

    def _sealed_on_disk(self) -> int:
        signed = LogFiles(self._home / "log").checkpoint()
        return 0 if signed is None else signed.head.size

    # Looking after the storage that is not in use.

    def follow(self) -> None:
        """Bring rows back to the first storage while a backup is in use; else see to it that one could be."""
        try:
            found, handover = self._in_use(), self._word.read()
            self._tell(handover)
            if found is not None and handover is not None:
                self._follow_first(*found, handover)
            elif self._due(self._config.backup_check_s):
                self._follow_backup(handover)
        except (OSError, StorageUnavailable) as error:
            self.state = replace(self.state, ready=False, error=str(error))
            self._reports.lasting("span_backup_unavailable", {"cause": str(error)}, str(self._home), self._steady_s)
        except IntegrityError as error:
            self.state = replace(self.state, error=str(error))
            self._reports.lasting("span_storage_contradicted", {"cause": str(error)}, str(self._home), self._steady_s)

    def _tell(self, handover: Handover | None) -> None:
        """Say that the word has changed, in whichever way it came to that; a new process says it again."""
        in_use = handover is not None and handover.in_use
        if handover is None or in_use == self.state.in_use:
            return
        if in_use:
            evidence = {
                "backup": handover.directory,
                "first_batch": str(handover.first_batch),
                "cause": self.state.error,
            }
            self._reports.open("span_storage_failover", evidence, str(self._home))
        else:
            self._reports.open("span_storage_reconciled", {"backup": handover.retired}, str(self._home))
        self.state = StorageState(in_use=in_use, ready=in_use, error=self.state.error if in_use else "")

    def _due(self, every_s: float) -> bool:
        if self._looked_s is not None and self._steady_s - self._looked_s < every_s:
            return False
        self._looked_s = self._steady_s
        return True

    def _follow_first(self, backup: SpanTable, start: int, handover: Handover) -> None:
        if self._way_back is None and not self._due(self._config.backup_return_s):
            return
        way, self._way_back = self._way_back, None  # after an error nothing is believed of it
        try:
            if way is None:
                files = LogFiles(self._home / "log")
                way = BringBack(self._open(self._first_path), backup, start, files, self._config.table_roll_rows)
            if way.step(self._wall_ms):
                way.finish(self._wall_ms)
                self._hand_back(way.first, handover)
                return
        except StorageUnavailable as error:
            self.state = StorageState(in_use=True, ready=True, waiting=self.state.waiting, error=str(error))
            return
        self._way_back = way
        self.state = StorageState(in_use=True, ready=True, waiting=way.left)

    def _hand_back(self, first: SpanTable, handover: Handover) -> None:
        """Change the word: from here on the first storage goes on."""
        known = first.transactions()
        if handover.retired:  # of the handover before this one, which nobody reads any more
            _remove(Path(handover.retired))
        self._first, self._doubtful, self._looked_s = first, True, None
        parent = self._where or Path(handover.directory).parent
        retire_at_ms = self._wall_ms + int(self._config.backup_keep_s * 1000)
        self._word.write(Handover("ready", str(parent / new_ulid()), 0, handover.directory, retire_at_ms))
        self._known, self._attempts, self._streaks = (None if self._where is None else known), (), {}
        self._tell(self._word.read())

    def _follow_backup(self, handover: Handover | None) -> None:
        """Have a directory in the backup that works, and take away the one that is no longer wanted."""
        if handover is not None and handover.retired and self._wall_ms >= handover.retire_at_ms:
            _remove(Path(handover.retired))
            handover = msgspec.structs.replace(handover, retired="", retire_at_ms=0)
            self._word.write(handover)
        if self._where is None:
            return
        if handover is None or Path(handover.directory).parent != self._where:
            if handover is not None and handover.retired:
                raise StorageUnavailable(f"{handover.retired} is still kept: the backup's place can change after that")
            if handover is not None:
                _remove(Path(handover.directory))
            handover = Handover("ready", str(self._where / new_ulid()))
            self._word.write(handover)
        self._try(self._where, Path(handover.directory))
        self._word.reserve()
        if self._known is None:
            self.learn()
        self.state = StorageState(ready=True)

    def _try(self, where: Path, path: Path) -> None:
        """Write a file where the backup's table would be, and take it away."""
        if not where.is_dir():
            raise StorageUnavailable(f"spans.backup {where} is no directory: make it, or mount what belongs there")
        path.mkdir(exist_ok=True)
        self._sync(where)  # whoever made it may have died before that
        tried = path / ".tried"
        tried.write_bytes(bytes(4096))
        self._sync(path)
        tried.unlink()


def _unmade(attempt: Attempt) -> Attempt:
    """Return what is to be committed elsewhere of an attempt that had no effect: no row says that a swap was made."""
    return Attempt(unmade(attempt.batches), {name: last for name, last in attempt.reached.items() if name != EXPIRED})


def _empty(path: Path) -> None:
    """Take away what an attempt to take over left: it never held the truth."""
    for each in path.iterdir():
        _remove(each)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
