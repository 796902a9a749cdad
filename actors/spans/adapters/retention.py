"""Takes batches that have expired out of the spans table, a little at every tick.

Rules:
- A file goes when the leaf of every batch in it says that its last row ended before the moment. What Delta tells of a file
  only says where to look.
- Batches go whole: a file that holds rows of one among others is written anew without them, checked and compared like a merge's.
- What goes is read against the digest in its name, so that the batches that are said to have expired are those that are gone.
- That they are gone is one commit with a row ``weavergen.table.expired``: it names them, what their rows came to (from their
  leaves, which stay in the log for ever), the files, and every batch that had expired before. So the newest such row says it
  all, and older ones may expire like others.

Left out: whose turn it is, and the row's signature (``compaction``).
"""

from collections.abc import Iterator, Sequence

from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError
from actors.spans import conventions as names
from actors.spans.adapters.backup import Backed
from actors.spans.adapters.merge import Merge, Merged
from actors.spans.adapters.parquet import digest_in, read_numbers
from actors.spans.adapters.reading import TableReader
from actors.spans.adapters.scrub import ProvenLeaves, Scrub, part
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.swaps import Output, Swap
from actors.spans.adapters.table import EXPIRED
from actors.spans.compaction import TableFile
from actors.spans.entry import read_entry
from actors.spans.merkle import tree_root
from actors.spans.place import Place, below
from actors.spans.retention import Batches


class Expiry:
    """One expiry in the making."""

    def __init__(
        self, past: Sequence[TableFile], files: Sequence[TableFile], before_ms: int, expired: Batches, leaves: ProvenLeaves,
        table: Backed, disk: Disk, now_ms: int, later_ms: dict[Place, int],
    ) -> None:  # fmt: skip
        """``past`` of the table's ``files`` may go; ``expired`` went before; ``later_ms`` takes up which may not, and why."""
        self.at = past[0]
        """The file that is looked at."""
        self.done: Merged | None = None
        """Stays ``None`` if nothing has expired."""
        self._later_ms = later_ms
        self._past, self._files, self._before_ms, self._expired = past, files, before_ms, expired
        self._leaves, self._table, self._disk, self._now_ms = leaves, table, disk, now_ms

    def steps(self) -> Iterator[None]:
        """Do it, stopping after each step."""
        going, numbers = list[TableFile](), set[int]()
        for file in self._past:
            held = self._batches_in(file)
            yield
            ended_ms = max(self._leaves.manifest(number).last_unix_ms for number in held)
            if ended_ms < self._before_ms:
                going.append(file)
                numbers |= held
            else:
                self._later_ms[file.path] = ended_ms
        if not going:
            return
        outputs, rewritten = list[Output](), list[TableFile]()
        for file in self._sharing(going, numbers):
            if not (shared := self._batches_in(file)) & numbers:
                continue
            rewritten.append(file)
            if shared <= numbers:
                continue
            merge = Merge(
                [file], Scrub(self._leaves, self._table), self._table, self._disk, self._now_ms, without=numbers
            )
            self.at = file
            yield from merge.steps()
            assert merge.done is not None  # noqa: S101 - its steps are done
            outputs += merge.done.swap.outputs
        gone = [*going, *rewritten]
        self._table.swaps.note([], [below(self._table.path, file.path) for file in gone], self._now_ms)
        self.done = Merged(
            names.TABLE_EXPIRED, Swap(tuple(outputs), tuple(gone)), self._entry(gone, outputs, Batches(numbers))
        )

    def _batches_in(self, file: TableFile) -> set[int]:
        self.at = file
        return read_numbers(file.path, "log_index")

    def _sharing(self, going: Sequence[TableFile], numbers: set[int]) -> Iterator[TableFile]:
        """Yield the files beside those that go that may hold rows of their batches."""
        first, last = min(numbers), max(numbers)
        for file in self._files:
            if file.first is None or file.last is None or file in going:
                continue
            if file.first <= last and file.last >= first:
                yield file

    def _entry(self, gone: Sequence[TableFile], outputs: Sequence[Output], batches: Batches) -> dict[str, str]:
        manifests = {number: self._leaves.manifest(number) for number in batches}
        parts = [
            part(number, manifest.count, bytes.fromhex(manifest.rows_root)) for number, manifest in manifests.items()
        ]
        return {
            names.TABLE_INPUTS: " ".join(digest_in(file.path.name) for file in gone),
            names.TABLE_OUTPUTS: " ".join(digest_in(output.name) for output in outputs),
            names.TABLE_BATCHES: batches.text,
            names.TABLE_EXPIRED_BATCHES: (self._expired | batches).text,
            names.TABLE_BEFORE_MS: str(self._before_ms),
            names.TABLE_ROWS: str(sum(manifest.count for manifest in manifests.values())),
            names.TABLE_ROWS_ROOT: tree_root(parts).hex(),
        }  # fmt: skip


def expired_before(table: TableReader, trust: TrustBundle) -> Batches:
    """Return every batch that has expired so far, by the newest entry; raise ``IntegrityError`` if nobody signed that."""
    at = table.last_committed(EXPIRED)
    if at is None:
        return Batches()
    rows = [span for batch in table.batches(at, at) for span in batch.spans if span.name == names.TABLE_EXPIRED]
    if len(rows) != 1:
        raise IntegrityError(f"batch {at} does not say which batches have expired, as it should", "retention")
    return Batches.read(read_entry(names.TABLE_EXPIRED, rows[0].attributes, trust)[names.TABLE_EXPIRED_BATCHES])
