"""Merges small files of the spans table into larger ones, and lets go what has expired, a little at every tick.

Rules:
- What is merged next is ``compaction.plan``'s word; what has expired goes first (``retention``). A file that does not check is an
  incident and is left alone, as evidence.
- What takes files' place is one commit with a row, ``weavergen.table.compacted`` or ``weavergen.table.expired``, which names
  inputs and outputs by digest and what their rows come to (``scrub``). It is signed with the log's key (``entry``), and
  numbered and sealed like any other.
- It goes on in steps, as long in each tick as ``compact_step_ms`` says: ingest goes first.
- What is begun when the process ends is begun anew by the next.

Left out: how a file is made of others (``merge``), when a commit is due, and the row's number and writer (``actor``).
"""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
from deltalake.exceptions import DeltaError

from actors.base.errors import HomeError, IntegrityError, StorageUnavailable
from actors.spans.adapters.backup import Backed
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.merge import Merge, Merged
from actors.spans.adapters.reporting import Reports
from actors.spans.adapters.retention import Expiry, expired_before
from actors.spans.adapters.scrub import LogDamaged, ProvenLeaves, Scrub
from actors.spans.adapters.sealer import Authority, Sealer
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.swaps import Swap
from actors.spans.compaction import Limits, TableFile, plan
from actors.spans.config import SpansConfig
from actors.spans.entry import sign_entry
from actors.spans.place import Place
from actors.spans.retention import ended, last_kept_ms

_log = logging.getLogger("weavergen.spans")
AGAIN_AFTER_S = 60.0
"""How soon what could not be done is tried again, and how soon it is looked whether something is to be done where little came."""


class Compactor:
    """Has the files of one table merged or go, one job after another. ``steady_s`` measures how long a tick has taken."""

    def __init__(
        self, table: Backed, files: LogFiles, sealer: Sealer, authority: Authority, config: SpansConfig, reports: Reports,
        disk: Disk | None = None, clock_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.ready: Swap | None = None
        """What the next commit has to hold."""
        self._table, self._files, self._sealer, self._authority = table, files, sealer, authority
        self._config, self._reports, self._disk, self._clock_s = config, reports, disk or Disk(), clock_s
        self._limits = Limits(
            config.compact_target_bytes, config.compact_min_files, 1000 * config.compact_close_age_s
        )  # fmt: skip
        self._refused: set[Place] = set()
        self._later_ms: dict[Place, int] = {}
        """A file that was looked at, and may not go yet → when the last batch of which it holds rows ended."""
        self._job: tuple[Merge | Expiry, Iterator[None]] | None = None
        self._looked: tuple[int, float] | None = None
        """Version of the table at which nothing was to be done, and when that was (steady)."""
        self._not_before_s = 0.0
        self._files_now = 0
        self._merges = self._files_merged = self._bytes_written = 0

    def work(self, wall_s: float, steady_s: float) -> tuple[str, dict[str, str]] | None:
        """Go on for as long as a tick may take; return name and words of the entry that the next commit has to hold.

        Whatever goes wrong is an incident and never the caller's: the table is as good with small files.
        """
        if self.ready is not None or not self._config.compact_step_ms or steady_s < self._not_before_s:
            return None
        try:
            if self._job is None and not self._begin(int(wall_s * 1000), steady_s):
                return None
            merged = self._go_on()
            entry = None if merged is None else (merged.name, self._signed(merged, int(wall_s)))
        except (StorageUnavailable, HomeError, LogDamaged, OSError, DeltaError, pa.ArrowException) as error:
            self._give_up("span_compaction_failed", {"cause": str(error)}, steady_s)
        except Exception as error:  # noqa: BLE001 - a file that nobody foresaw must not end ingest, again and again
            if not isinstance(error, IntegrityError):
                _log.exception("what a file of the spans table holds, or what is said of it, was not foreseen")
            self._refuse(error, steady_s)
        else:
            self.ready = None if merged is None else merged.swap
            return entry
        return None

    def committed(self) -> None:
        """Learn that a commit took effect: with it whatever was ready."""
        if self.ready is not None:
            self._merges += 1
            self._files_merged += len(self.ready.inputs)
            self._bytes_written += sum(output.size for output in self.ready.outputs)
            self.ready = None

    def health(self) -> dict[str, Any]:
        """Return what was merged since the start, and how many files there were when it was last looked."""
        return {
            "table_files": self._files_now, "merges": self._merges, "files_merged": self._files_merged,
            "merged_bytes": self._bytes_written, "files_refused": len(self._refused),
        }  # fmt: skip

    def _begin(self, now_ms: int, steady_s: float) -> bool:
        """Look for something to do; tell whether there is."""
        version = self._table.version()
        if not self._sealer.begun or version is None or not self._is_due(version, steady_s):
            return False
        self._table.settle(now_ms)
        files = self._table.numbered_files()
        self._files_now = len(files)
        job = self._expiry(files, now_ms) or self._merge(files, now_ms)
        self._looked = None if job else (version, steady_s)
        self._job = None if job is None else (job, job.steps())
        return job is not None

    def _merge(self, files: list[TableFile], now_ms: int) -> Merge | None:
        inputs = plan(files, self._sealer.size, now_ms, self._limits, self._refused)
        return Merge(inputs, Scrub(self._leaves(), self._table), self._table, self._disk, now_ms) if inputs else None

    def _expiry(self, files: list[TableFile], now_ms: int) -> Expiry | None:
        if not self._config.retention_days:
            return None
        before_ms = last_kept_ms(now_ms, self._config.retention_days)
        self._later_ms = {file.path: self._later_ms[file.path] for file in files if file.path in self._later_ms}
        may = [
            file for file in files if file.path not in self._refused and self._later_ms.get(file.path, -1) < before_ms
        ]
        if not (past := ended(may, self._sealer.size, before_ms)):
            return None
        expired = expired_before(self._table, self._authority.trust())
        return Expiry(
            past, files, before_ms, expired, self._leaves(), self._table, self._disk, now_ms, self._later_ms
        )  # fmt: skip

    def _leaves(self) -> ProvenLeaves:
        return ProvenLeaves(self._files, self._sealer.size, self._sealer.root)

    def _signed(self, merged: Merged, now_s: int) -> dict[str, str]:
        return sign_entry(self._authority.key(), self._authority.trust(), merged.name, merged.entry, now_s)

    def _is_due(self, version: int, steady_s: float) -> bool:
        if self._looked is None:
            return True
        looked_at, looked_s = self._looked
        return version - looked_at >= self._limits.min_files or steady_s - looked_s >= AGAIN_AFTER_S

    def _go_on(self) -> Merged | None:
        """Do steps until the time of this tick is used up or the job is done."""
        assert self._job is not None  # noqa: S101 - ``work`` has begun one
        job, steps = self._job
        until_s = self._clock_s() + self._config.compact_step_ms / 1000
        for _ in steps:
            if self._clock_s() >= until_s:
                return None
        self._job = None
        return job.done

    def _refuse(self, error: Exception, steady_s: float) -> None:
        """Leave a file alone that is not what was sealed."""
        cause = str(error) if isinstance(error, IntegrityError) else f"raises {type(error).__name__}: {error}"
        if self._job is None:
            self._give_up("span_compaction_failed", {"cause": cause}, steady_s)
            return
        file = self._job[0].at
        self._refused.add(file.path)
        evidence = {"file": file.path.name, "batches": f"{file.first} to {file.last}", "cause": cause}
        self._reports.open("span_file_damaged", evidence, file.path.name)
        self._job = None

    def _give_up(self, kind: str, evidence: dict[str, str], steady_s: float) -> None:
        """Try again later, from the beginning."""
        self._reports.lasting(kind, evidence, str(self._table.path), steady_s)
        self._job, self._not_before_s = None, steady_s + AGAIN_AFTER_S
