"""Merges small files of the spans table into larger ones, a little at every tick.

Rules:
- What is merged next is ``compaction.plan``'s word. Every input is read against the digest in its name, and its rows against
  the log's leaves under the root that is sealed. What does not check is an incident and is left alone, as evidence: nothing
  that is damaged is written anew under a digest that fits.
- The output holds the inputs' rows in the order of the log, and is read back and compared with them before it counts.
- That it takes their place is one commit with a row ``weavergen.table.compacted``, which names inputs and outputs by digest and
  what their rows come to (``scrub``). It is signed with the log's key (``entry``), and numbered and sealed like any other.
- A merge goes on in steps of some thousand rows, as long in each tick as ``compact_step_ms`` says: ingest goes first.
- What is begun when the process ends is begun anew by the next: until the commit nothing but a note and a file that ``swaps``
  removes is there.

Left out: when a commit is due, and the row's number and writer (``actor``); files that expire (``retention``).
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from actors.base.errors import HomeError, IntegrityError, StorageUnavailable
from actors.spans import conventions as names
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.parquet import (
    ROW_GROUP_ROWS,
    WRITTEN,
    Statistics,
    chunks,
    digest_in,
    file_name,
    row_groups,
)
from actors.spans.adapters.reporting import Reports
from actors.spans.adapters.scrub import LogDamaged, Scrub
from actors.spans.adapters.sealer import Authority, Sealer
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.swaps import Output, Swap
from actors.spans.adapters.table import SpanTable
from actors.spans.columns import pinned_schema, rows_of
from actors.spans.compaction import Limits, TableFile, plan
from actors.spans.config import SpansConfig
from actors.spans.entry import sign_entry

SCRATCH = "_merging.parquet"
STEP_ROWS = 1024
"""Rows that are held against the log in one step."""
AGAIN_AFTER_S = 60.0
"""How soon what could not be done is tried again, and how soon it is looked whether something is to be done where little came."""
_MERGED = pa.schema([
    (field.name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type) for field in pinned_schema()
])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Merged:
    """A merge that is ready to be committed, and what its entry says."""

    swap: Swap
    entry: dict[str, str]


class Merge:
    """One merge in the making."""

    def __init__(self, inputs: list[TableFile], scrub: Scrub, table: SpanTable, disk: Disk, now_ms: int) -> None:
        self.at = inputs[0]
        """The input that is looked at."""
        self.done: Merged | None = None
        self._inputs, self._scrub, self._table, self._disk, self._now_ms = inputs, scrub, table, disk, now_ms
        self._statistics = Statistics()

    def steps(self) -> Iterator[None]:
        """Do it, stopping after each step; then ``done`` is there."""
        yield from self._check_inputs()
        yield from self._write()
        output = self._put_in_place()
        yield
        yield from self._compare(output)
        size = (self._table.path / output).stat().st_size
        self.done = Merged(
            Swap((Output(output, self._inputs[0].day, size, self._statistics),), tuple(self._inputs)),
            {
                names.TABLE_INPUTS: " ".join(digest_in(file.path.name) for file in self._inputs),
                names.TABLE_OUTPUTS: digest_in(output),
                names.TABLE_FIRST_BATCH: str(self._scrub.first),
                names.TABLE_LAST_BATCH: str(self._scrub.last),
                names.TABLE_ROWS: str(self._scrub.rows),
                names.TABLE_ROWS_ROOT: self._scrub.root.hex(),
            },
        )

    def _check_inputs(self) -> Iterator[None]:
        for file in self._inputs:
            self.at = file
            for group in row_groups(file.path):
                for start in range(0, group.num_rows, STEP_ROWS):
                    for row in rows_of(group.slice(start, STEP_ROWS)):
                        self._scrub.take(row)
                    yield
            self._scrub.end()

    def _rows(self) -> Iterator[pa.Table]:
        """Yield the inputs' rows, in the output's row groups."""

        def of_inputs() -> Iterator[pa.Table]:
            for file in self._inputs:
                self.at = file
                yield from row_groups(file.path)

        return chunks(of_inputs())

    def _write(self) -> Iterator[None]:
        scratch = self._table.path / SCRATCH
        with pq.ParquetWriter(scratch, pinned_schema(), **WRITTEN) as writer:
            for table in self._rows():
                writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
                self._statistics.add(table)
                yield
        self._disk.sync_file(scratch)

    def _put_in_place(self) -> str:
        """Give the output its name, of which a note was made before."""
        scratch = self._table.path / SCRATCH
        with scratch.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        output = file_name(self._inputs[0].day, sha256)
        inputs = [str(file.path.relative_to(self._table.path)) for file in self._inputs]
        self._table.swaps.note([output], inputs, self._now_ms)
        self._disk.rename(scratch, self._table.path / output)
        self._disk.sync_directory((self._table.path / output).parent)
        self._disk.sync_directory(self._table.path)
        return output

    def _compare(self, output: str) -> Iterator[None]:
        """Read the output back, and hold it against the inputs row by row."""
        for wanted, found in zip_longest(self._rows(), self._written(self._table.path / output)):
            if wanted is None or found is None or not wanted.cast(_MERGED).equals(found.cast(_MERGED)):
                raise StorageUnavailable(f"{output} does not hold what was written to it: the disk or its memory fails")
            yield

    @staticmethod
    def _written(output: Path) -> Iterator[pa.Table]:
        try:
            yield from chunks(row_groups(output))
        except IntegrityError as error:  # no input's fault
            raise StorageUnavailable(f"what was written cannot be read back: {error}") from error


class Compactor:
    """Merges files of one table, one merge after another. ``steady_s`` measures how long a tick has taken."""

    def __init__(
        self, table: SpanTable, files: LogFiles, sealer: Sealer, authority: Authority, config: SpansConfig, reports: Reports,
        disk: Disk | None = None, clock_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.ready: Swap | None = None
        """What the next commit has to hold."""
        self._table, self._files, self._sealer, self._authority = table, files, sealer, authority
        self._config, self._reports, self._disk, self._clock_s = config, reports, disk or Disk(), clock_s
        self._limits = Limits(
            config.compact_target_bytes, config.compact_min_files, 1000 * config.compact_close_age_s
        )  # fmt: skip
        self._refused: set[Path] = set()
        self._merge: tuple[Merge, Iterator[None]] | None = None
        self._looked: tuple[int, float] | None = None
        """Version of the table at which nothing was to be done, and when that was (steady)."""
        self._not_before_s = 0.0
        self._files_now = 0
        self._merges = self._files_merged = self._bytes_written = 0

    def work(self, wall_s: float, steady_s: float) -> dict[str, str] | None:
        """Go on for as long as a tick may take; return the entry of a merge that became ready, for the next commit.

        Whatever goes wrong is an incident and never the caller's: the table is as good with small files.
        """
        if self.ready is not None or not self._config.compact_step_ms or steady_s < self._not_before_s:
            return None
        try:
            if self._merge is None and not self._begin(int(wall_s * 1000), steady_s):
                return None
            merged = self._go_on()
            entry = {} if merged is None else self._signed(merged.entry, int(wall_s))
        except (StorageUnavailable, HomeError, LogDamaged, OSError, DeltaError, pa.ArrowException) as error:
            self._give_up("span_compaction_failed", {"cause": str(error)}, steady_s)
        except IntegrityError as error:
            self._refuse(error, steady_s)
        else:
            if merged is not None:
                self.ready = merged.swap
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
        inputs = plan(files, self._sealer.size, now_ms, self._limits, self._refused)
        self._looked = None if inputs else (version, steady_s)
        if inputs:
            scrub = Scrub(self._files, self._sealer.size, self._sealer.root, self._table)
            merge = Merge(inputs, scrub, self._table, self._disk, now_ms)
            self._merge = merge, merge.steps()
        return bool(inputs)

    def _signed(self, words: dict[str, str], now_s: int) -> dict[str, str]:
        return sign_entry(self._authority.key(), self._authority.trust(), names.TABLE_COMPACTED, words, now_s)

    def _is_due(self, version: int, steady_s: float) -> bool:
        if self._looked is None:
            return True
        looked_at, looked_s = self._looked
        return version - looked_at >= self._limits.min_files or steady_s - looked_s >= AGAIN_AFTER_S

    def _go_on(self) -> Merged | None:
        """Do steps until the time of this tick is used up or the merge is done."""
        assert self._merge is not None  # noqa: S101 - ``work`` has begun one
        merge, steps = self._merge
        until_s = self._clock_s() + self._config.compact_step_ms / 1000
        for _ in steps:
            if self._clock_s() >= until_s:
                return None
        self._merge = None
        return merge.done

    def _refuse(self, error: IntegrityError, steady_s: float) -> None:
        """Leave a file alone that is not what was sealed."""
        if self._merge is None:
            self._give_up("span_compaction_failed", {"cause": str(error)}, steady_s)
            return
        file = self._merge[0].at
        self._refused.add(file.path)
        evidence = {"file": file.path.name, "batches": f"{file.first} to {file.last}", "cause": str(error)}
        self._reports.open("span_file_damaged", evidence, file.path.name)
        self._merge = None

    def _give_up(self, kind: str, evidence: dict[str, str], steady_s: float) -> None:
        """Try again later, from the beginning."""
        self._reports.lasting(kind, evidence, str(self._table.path), steady_s)
        self._merge, self._not_before_s = None, steady_s + AGAIN_AFTER_S
