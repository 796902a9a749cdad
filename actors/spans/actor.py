"""SpanActor: the only adopter and remover of log segments, and the only writer of the spans table.

One tick: read and judge what is new in every writer's log (``ingest``), commit rows when enough or old enough, seal
what was committed into the transparency log, then remove segments that are wholly in the table.

Rules:
- Where a writer's sequence stands is what the table's application transactions say; a restart begins there, reads again
  what is still in the log and skips what is in the table.
- What happens to logs and rows is entered as rows of the actor's own (``ingest``): its id is their writer, and they are in the
  same commit as the rows they tell of, so they are as durable, and happen once.
- A segment of which anything is missing or can no longer be read is kept (``adapters.kept_segments``), not removed. A torn
  tail was never acknowledged: it is counted and named in the adoption entry, and is no incident.
- Rows are judged before they are taken in (``guard``). Of a writer that has to wait nothing is committed or removed.
- A segment in a format of a newer version is no damage: it stays, and its writer waits for the version that reads it.
- Every commit's rows are sealed batch by batch (``adapters.sealer``). A log that cannot be sealed stops neither ingest nor
  serving: it is an incident, the delay is shown, and the batches are sealed once it can be.
- Witnesses are asked for their signatures in a thread of their own; one that has seen another log than this one is an incident.
- While the table cannot be written, rows wait here up to one roll and then in the log, on disk; where there is a backup
  storage they go there before long (``adapters.backup``).
- Whatever else keeps rows from being committed, foreseen or not, is said and tried again; where it is the rows of some writers,
  only these wait (``held``).
- Small files of the table are merged between ticks, a little at a time (``adapters.compaction``).
- Ages are measured on the steady clock; the wall clock only dates rows.

Left out: looking decisions up, which gateways do in the same segments (``WalReader.find``).
"""

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from actors.base.errors import HomeError, IntegrityError, StorageUnavailable
from actors.base.ids import is_ulid
from actors.base.locks import only_one
from actors.base.ports import IncidentSink
from actors.spans.adapters import room
from actors.spans.adapters.backup import BackedTable
from actors.spans.adapters.compaction import Compactor
from actors.spans.adapters.gathered import Most
from actors.spans.adapters.guard import open_guard
from actors.spans.adapters.held import HeldRows
from actors.spans.adapters.ingest import Ingest
from actors.spans.adapters.kept_segments import KeptSegments
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.parquet import give_back
from actors.spans.adapters.progress import Buffer, IngestReport, Instant, Outgoing, Progress
from actors.spans.adapters.quarantined import Entries
from actors.spans.adapters.reached import Reached
from actors.spans.adapters.reader import WalReader
from actors.spans.adapters.reporting import Reports
from actors.spans.adapters.requests import Requests
from actors.spans.adapters.sealer import Authority, Sealer
from actors.spans.adapters.segments import UNBORN_SUFFIX, Disk
from actors.spans.adapters.storm import StormWatch
from actors.spans.adapters.swaps import Swap
from actors.spans.adapters.table import unwritable
from actors.spans.adapters.witnesses import Witnesses
from actors.spans.checkers.finding import Checker
from actors.spans.checkers.storm import StormWindow
from actors.spans.columns import Rows, prepare
from actors.spans.config import LogConfig, SpansConfig
from actors.spans.log.checkpoint import witness_keys

UNBORN_MAX_AGE_S = 3600
"""How long the directory of a writer that died while it was opening its log is looked at before it is removed."""

_log = logging.getLogger("weavergen.spans")


class SpanActor:
    """Moves rows from ``home/wal`` to the table. One instance a home; ``actor_id`` is a fresh ULID."""

    def __init__(
        self, home: Path, actor_id: str, config: SpansConfig, incidents: IncidentSink, authority: Authority,
        log: LogConfig | None = None, disk: Disk | None = None, more: Sequence[Checker] | None = None,
    ) -> None:  # fmt: skip
        """``more`` stand for the checkers that compare rows with others (``adapters.guard``)."""
        prepare()
        self.totals = IngestReport()
        self._home = home
        self._authority = authority
        self._id = actor_id
        self._config = config
        self._reports = Reports(incidents)
        self._lock = _take_lock(home / "run" / "span-actor.lock")
        reader = WalReader(home / "wal", config.lookup_max_bytes)
        self._disk = disk or Disk()
        try:
            self._table = BackedTable(home, config, self._reports, self._disk)
            self.orphans_removed = len(self._table.recover())
        except BaseException:
            self.close()  # whoever tries again in this process is not kept out by this one
            raise
        log = log or LogConfig()
        self._guard = open_guard(
            home, authority, config, log.merge_promise_s + config.wal_max_age_s, self._reports, self._disk, more=more
        )  # fmt: skip
        self._damaged = KeptSegments(home, self._disk, config.quarantine_max_bytes)
        files = self._files = LogFiles(home / "log", self._disk)
        entries = Entries(self._table)
        self._sealer = Sealer(
            files, self._table, authority, log.catch_up_batches, config.table_roll_rows, entries.answered
        )
        self._compactor = Compactor(self._table, files, self._sealer, authority, config, self._reports, self._disk)
        asked = [(witness.url, witness.note_key) for witness in log.witnesses]
        self._witnesses = Witnesses(
            LogFiles(home / "log", self._disk), asked, log.witness_timeout_s, log.witness_interval_s,
            counting=lambda: witness_keys(authority.trust(), int(self._last_tick_s)),
        )  # fmt: skip
        self._merge_target_s = log.merge_target_s
        self._unsealed_since_s: float | None = None
        """When the oldest row that is not sealed was read (steady); ``None`` while all of the table's are."""
        self._log_error = ""
        self._outgoing = Outgoing(actor_id)
        self._ingest = Ingest(
            actor_id, reader, self._last_committed, self._outgoing, self._guard, self._reports,
            Most(config.table_roll_rows, config.table_roll_bytes),
            Reached(self._table, config.retention_days, self._sealer.leaves, authority.trust, self._reports),
        )  # fmt: skip
        self._held = HeldRows(actor_id, unwritable)
        self._ingest.held = self._held.writers
        self._requests = Requests(
            home, authority.trust, self._table, self._outgoing, self._reports, self._disk, entries, self._sealer
        )
        self._report = IngestReport()
        self._unborn: dict[Path, float] = {}
        """Directory of a log that was never opened → when it was first seen (steady)."""
        self._last_tick_s = 0.0
        self._table_error = ""
        window = StormWindow(config.storm_window_s, config.storm_min_bad, config.storm_share)
        self._storm = StormWatch(home, window, incidents)

    def tick(self, now: Instant, *, flush: bool = False) -> IngestReport:
        """Take in everything new; commit if a roll is due (or ``flush``); remove what is wholly in the table."""
        self._report = self._ingest.report = IngestReport()
        entered, sealed = self._outgoing.entered, self._sealer.size
        self._last_tick_s = now.wall_s
        self._table.begin(now.steady_s, now.wall_s)
        self._guard.begin()
        if (known := self._guard.recall(self._table, self._last_committed, now.wall_s, now.steady_s)) is not None:
            self._storm.recall(known.batches, known.begun, now.steady_s, now.wall_s)
        if self._unsealed_since_s is not None or not self._sealer.begun:
            self._seal((), now)
        self._ingest.run(now, lambda: self._commit(now))
        self._storm.see(self._ingest.seen(sealed), self._files.root, now.steady_s, now.wall_s)
        self._requests.work_off(now)
        if self._roll_due(now, flush=flush):
            self._commit(now)
        self._try_held(now)
        self._table.follow()
        if not flush and not self._table.state.in_use:
            self._compact(now)
        self._follow_witnesses(now)
        if not self._buffer.reached:
            self._remove_finished(now)
            self._remove_unborn(now)
        give_back()
        self._report.own_rows = self._outgoing.entered - entered
        self.totals += self._report
        return self._report

    def run(
        self, stop: threading.Event, clock: Callable[[], Instant] = Instant.now,
        show: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> None:  # fmt: skip
        """Tick until ``stop`` is set, handing ``health`` to ``show`` each time; then commit what is there."""
        while not stop.wait(self._config.ingest_poll_ms / 1000):
            self.tick(now := clock())
            show(self.health(now))
        self.tick(clock(), flush=True)
        self.close()

    def close(self) -> None:
        """Let another instance take over."""
        os.close(self._lock)

    def health(self, now: Instant) -> dict[str, Any]:
        """Return lag and totals, for status, metrics and the supervisor."""
        buffer = self._buffer
        return {
            "actor_id": self._id,
            "last_tick_s": self._last_tick_s,
            "lag_rows": buffer.count + self._held.count,
            "lag_bytes": buffer.bytes,
            "lag_s": self._age_s(self._waiting_since, now),
            "held_writers": len(self._held.writers),
            "held_why": self._held.why,
            "writers": len(self._ingest.writers),
            "table_error": self._table_error,
            "log_size": self._sealer.size,
            "log_error": self._log_error,
            "log_witnesses": self._witnesses.count,
            "log_witnessed": len(self._witnesses.last.signed),
            "log_contradicted": len(self._witnesses.last.contradicted),
            "merge_delay_s": self._merge_delay_s(now),
            "merge_late": self._merge_delay_s(now) > self._merge_target_s,
            "orphans_removed": self.orphans_removed,
            **self._table.state.shown(),
            **self._compactor.health(),
            "checkers_blind": len(self._guard.blind),
            "checker_blind_why": "; ".join(f"{name} {why}" for name, why in self._guard.blind.items()),
            **room.health([self._guard.room, self._damaged.room]),
            **self._guard.learned(),
            "checks_failed": self._guard.failures,
            "canaries_judged": self._guard.canaries,
            "storm": str(self._storm.pin or self._storm.problem),
            **{name: getattr(self.totals, name) for name in IngestReport.__slots__},
        }

    @property
    def _buffer(self) -> Buffer:
        """What the next commit will hold."""
        return self._outgoing.buffer

    def _last_committed(self, app_id: str) -> int | None:
        return self._table.last_committed(app_id)

    # Committing and removing.

    def _roll_due(self, now: Instant, *, flush: bool) -> bool:
        buffer = self._buffer
        old = now.steady_s - buffer.since_s >= self._config.table_roll_age_s
        large = buffer.count >= self._config.table_roll_rows or buffer.bytes >= self._config.table_roll_bytes
        return bool(buffer.reached) and (flush or old or large)

    def _commit(self, now: Instant) -> bool:
        """Commit the buffer, if anything is in it; on failure keep it, say so and return False."""
        buffer = self._buffer
        if not buffer.reached:
            return True
        try:
            if not self._sealer.may_number:
                return False
            self._outgoing.sign(self._authority.key, self._authority.trust, now)
            batches = self._append(buffer, now, self._compactor.ready)
        except (StorageUnavailable, IntegrityError) as error:
            self._table_failed(error, now)
            return False
        except HomeError as error:  # the log's key cannot say what is committed
            self._log_failed(error, now)
            return False
        except Exception as error:  # noqa: BLE001 - a row that nobody foresaw must not end the process again and again
            return self._hold_back(error, now)
        self._table_error = ""
        self._compactor.committed()
        self._outgoing.buffer = Buffer()
        self._committed(buffer, batches, now)
        return True

    def _append(self, buffer: Buffer, now: Instant, swap: Swap | None = None) -> list[Rows]:
        return self._table.append(buffer.rows, buffer.reached, int(now.wall_s * 1000), buffer.again, swap)

    def _committed(self, buffer: Buffer, batches: Sequence[Rows], now: Instant) -> None:
        self._report.commits += 1
        self._report.rows_committed += buffer.count
        if self._unsealed_since_s is None:
            self._unsealed_since_s = buffer.since_s
        self._seal(batches, now)

    def _table_failed(self, error: Exception, now: Instant) -> None:
        foreseen = isinstance(error, StorageUnavailable | IntegrityError)
        self._table_error = str(error) if foreseen else f"{type(error).__name__}: {error}"
        cause = {"cause": self._table_error}
        if self._reports.lasting("span_table_unavailable", cause, str(self._home), now.steady_s) and not foreseen:
            _log.error("rows cannot be committed: %s", self._table_error, exc_info=error)

    def _hold_back(self, error: Exception, now: Instant) -> bool:
        """Commit without the rows of the writers whose rows it is; if it is nobody's alone, all wait and are tried again."""
        self._table_failed(error, now)
        if not self._held.take_from(self._buffer, now):
            return False
        for writer_id in self._held.writers:
            self._ingest.blocked(writer_id, error, now)
        if not self._buffer.reached:
            self._outgoing.buffer, self._table_error = Buffer(), ""
        return self._commit(now)

    def _try_held(self, now: Instant) -> None:
        """Try again to commit what is held."""
        for writer_id in self._held.due(now):
            held = self._held.writers[writer_id]
            held.tried_s = now.steady_s
            try:
                batches = self._append(held.buffer, now)
            except Exception as error:  # noqa: BLE001 - it is held for one that nobody foresaw
                self._ingest.blocked(writer_id, error, now)
                continue
            del self._held.writers[writer_id]
            self._committed(held.buffer, batches, now)

    def _compact(self, now: Instant) -> None:
        """Go on merging files; what a merge takes in the table's place goes with the next commit, and the entry that says so."""
        if (entry := self._compactor.work(now.wall_s, now.steady_s)) is not None:
            self._outgoing.enter(*entry, now)

    def _seal(self, batches: Sequence[Rows], now: Instant) -> None:
        """Seal what is committed; where that cannot be, whatever keeps it, say so: the next tick tries again."""
        try:
            self._report.batches_sealed += self._sealer.seal(batches, int(now.wall_s * 1000))
            self._log_error = ""
            waits = self._sealer.waiting > 0
        except Exception as error:  # noqa: BLE001 - a row that nobody foresaw must not end the process again and again
            self._log_failed(error, now)
            waits = True  # what nobody can tell is sealed is not
        known = (
            self._unsealed_since_s
        )  # of what waited before a restart nobody knows since when: since now, at the latest
        self._unsealed_since_s = (now.steady_s if known is None else known) if waits else None

    def _follow_witnesses(self, now: Instant) -> None:
        """Have the log witnessed; say who is away, and above all who has seen another log than this one."""
        if not self._witnesses.count or not self._sealer.begun:
            return
        found = self._witnesses.follow(self._sealer.size, now.steady_s)
        for kind, causes in (("log_contradicted", found.contradicted), ("witness_unavailable", found.away)):
            if causes:
                self._reports.lasting(kind, {"cause": "; ".join(causes)}, str(self._home), now.steady_s)

    def _log_failed(self, error: Exception, now: Instant) -> None:
        self._log_error = str(error) or type(error).__name__
        away = isinstance(error, StorageUnavailable | HomeError | OSError)
        kind, cause = "log_unavailable" if away else "log_damaged", {"cause": self._log_error}
        if self._reports.lasting(kind, cause, str(self._home), now.steady_s):
            foreseen = away or isinstance(error, IntegrityError)
            _log.error("the log cannot be sealed: %s", self._log_error, exc_info=None if foreseen else error)

    def _merge_delay_s(self, now: Instant) -> float:
        """Return the age of the oldest row that was read and is not sealed."""
        unsealed = [] if self._unsealed_since_s is None else [self._unsealed_since_s]
        return self._age_s([*self._waiting_since, *unsealed], now)

    @property
    def _waiting_since(self) -> list[float]:
        """When the oldest rows were read that are not committed (steady)."""
        return [*([self._buffer.since_s] if self._buffer.reached else ()), *self._held.since_s]

    @staticmethod
    def _age_s(since_s: Sequence[float], now: Instant) -> float:
        return max(0.0, now.steady_s - min(since_s)) if since_s else 0.0

    def _remove_finished(self, now: Instant) -> None:
        """Remove what is wholly in the table; where the disk refuses, say so and go on with the other writers."""
        self._damaged.room.begin()
        for writer_id, progress in list(self._ingest.writers.items()):
            if writer_id in self._held.writers:
                continue
            try:
                self._remove_segments(writer_id, progress)
            except (OSError, StorageUnavailable) as error:
                self._ingest.blocked(writer_id, error, now)

    def _remove_segments(self, writer_id: str, progress: Progress) -> None:
        """Remove segments whose rows are all in the table, and the directory of a writer that is gone.

        Raises ``StorageUnavailable`` once all that can go is gone, if there is no room for what is kept of the others.
        """
        refused: StorageUnavailable | None = None
        for number, ref in list(progress.finished.items()):
            if number not in progress.damaged:
                self._disk.remove(ref.path)
            elif not self._ingest.reader.is_free(ref):
                continue
            else:
                try:
                    self._damaged.take(ref)
                except StorageUnavailable as error:
                    refused = error
                    continue
            progress.forget(number)
            self._report.segments_removed += 1
        if refused is not None:
            raise refused
        if not self._ingest.reader.segments(writer_id):
            self._remove_directory(self._home / "wal" / writer_id)
            del self._ingest.writers[writer_id]

    def _remove_directory(self, directory: Path) -> None:
        """Remove what a dead writer left; a live one always holds a segment, so its directory is never empty."""
        if directory.exists():
            for leftover in directory.iterdir():
                self._disk.remove(leftover)
            directory.rmdir()

    def _remove_unborn(self, now: Instant) -> None:
        """Remove directories of writers that died before their first segment was ready."""
        found = [path for path in (self._home / "wal").glob(f".*{UNBORN_SUFFIX}") if is_ulid(_unborn_writer(path))]
        self._unborn = {path: self._unborn.get(path, now.steady_s) for path in found}
        for directory, since_s in self._unborn.items():
            try:
                if now.steady_s - since_s > UNBORN_MAX_AGE_S and self._ingest.reader.nobody_holds(directory):
                    self._remove_directory(directory)
            except (OSError, StorageUnavailable) as error:
                self._ingest.blocked(_unborn_writer(directory), error, now)


def _unborn_writer(directory: Path) -> str:
    return directory.name.removeprefix(".").removesuffix(UNBORN_SUFFIX)


def _take_lock(path: Path) -> int:
    """Take the lock that makes the actor the only one of its home."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return only_one(path, f"another SpanActor holds {path}; end it first")
