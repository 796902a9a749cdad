"""Holds rows of the table, in the order of the log, against what was sealed.

Rules:
- A leaf counts only with its path to the root that is sealed: whoever changed a row and its leaf has not changed that.
- Rows come in the order of batch and number, each once. The rows of a batch that are all there come to its leaf's root.
- Of a batch whose rows lie in several files (they began on several dates) all are read, and must come to it together.
- What the rows come to is one root over the batches, in order: of each its number, how many of its rows these are, and the
  root over their hashes. Where all of a batch's rows are there that root is its leaf's.

Left out: the bytes of files (``parquet``), and what follows from damage (``compaction``).
"""

from collections.abc import Callable
from functools import lru_cache

from actors.base.canonical import canonical_json
from actors.base.errors import IntegrityError
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.reading import TableReader
from actors.spans.batch import manifest_of, row_hashes
from actors.spans.columns import Rows
from actors.spans.log.tiles import WIDTH
from actors.spans.merkle import leaf_hash, root_of_path, tree_root
from actors.spans.proof import Manifest, read_manifest
from actors.spans.sequence import FIRST_SEQ


class LogDamaged(IntegrityError):
    """The log itself is not what was sealed: nothing can be told of rows."""


class ProvenLeaves:
    """The leaves of a log of which the root is known."""

    def __init__(self, files: LogFiles, size: int, root: bytes) -> None:
        """``root`` is that of the ``size`` batches that are sealed, known from elsewhere than from the log's files."""
        self.size = size
        self._files, self._root = files, root
        self._bundle: Callable[[int], list[bytes]] = lru_cache(maxsize=2)(self._read_bundle)

    def manifest(self, index: int) -> Manifest:
        """Return what a leaf says; raise ``LogDamaged`` unless it is under the root."""
        bundle = self._bundle(index // WIDTH)
        if index % WIDTH >= len(bundle):
            raise LogDamaged(f"leaf {index} of the log is missing or cut", "log")
        leaf = bundle[index % WIDTH]
        try:
            path = self._files.path_of(index, self.size)
            manifest = read_manifest(leaf)
        except IntegrityError as error:
            raise LogDamaged(str(error), "log") from error
        if root_of_path(index, self.size, leaf_hash(leaf), path) != self._root:
            raise LogDamaged(f"leaf {index} of the log is not what was sealed", "log")
        return manifest

    def last_of(self, writer_id: str, last: int) -> tuple[int, int]:
        """Return the highest number up to ``last`` of a row of a writer that was sealed, and its batch; 0 and −1 if none was.

        Leaves are read from the newest back, and only one that tells of more than those before it is held against the root.
        Raises ``LogDamaged`` where one cannot be read.
        """
        found, wanted = (FIRST_SEQ - 1, -1), writer_id.encode()
        for number in reversed(range(-(-self.size // WIDTH))):
            for index, leaf in enumerate(self._bundle(number), number * WIDTH):
                if wanted in leaf and _reaches(leaf, last) > found[0]:
                    found = min(last, self.manifest(index).last_seq), index
            if found[0] == last:
                break
        return found

    def _read_bundle(self, number: int) -> list[bytes]:
        try:
            return list(self._files.leaves(number * WIDTH, min(self.size, (number + 1) * WIDTH)))
        except IntegrityError as error:
            raise LogDamaged(str(error), "log") from error


def _reaches(leaf: bytes, last: int) -> int:
    """Return the highest number up to ``last`` of a leaf's rows, as it says; 0 if they begin later."""
    try:
        manifest = read_manifest(leaf)
    except IntegrityError as error:
        raise LogDamaged(str(error), "log") from error
    return min(last, manifest.last_seq) if manifest.first_seq <= last else FIRST_SEQ - 1


class Scrub:
    """What was found of some rows so far."""

    def __init__(self, leaves: ProvenLeaves, table: TableReader) -> None:
        self.rows = 0
        self.first = self.last = -1
        """Numbers of the first and of the last batch of which there was a row."""
        self._leaves, self._table = leaves, table
        self._of_batch: list[tuple[Rows, bytes]] = []
        """The rows of the last batch so far, and their hashes."""
        self._parts: list[bytes] = []

    def take(self, row: Rows) -> None:
        """Take the next row; raise ``IntegrityError`` if it, or the batch before it, is not what was sealed."""
        index = -1 if row.log_index is None else row.log_index
        if not 0 <= index < self._leaves.size:
            raise IntegrityError(f"row {row.first_seq} of {row.writer_id} is in no sealed batch", "row")
        if self._of_batch and self._of_batch[-1][0].log_index != index:
            self.end()
        after = (self.last, self._of_batch[-1][0].first_seq if self._of_batch else -1)
        if (index, row.first_seq) <= after or (index == self.last and not self._of_batch):
            raise IntegrityError(
                f"row {row.first_seq} of batch {index} is there twice, or not in the log's order", "row"
            )
        self._of_batch.append((row, row_hashes(row)[0]))
        self.first, self.last, self.rows = index if self.first < 0 else self.first, index, self.rows + 1

    def end(self) -> None:
        """Judge the batch of which rows came last: there are no more of it."""
        if not self._of_batch:
            return
        manifest, hashes = self._leaves.manifest(self.last), [found for _, found in self._of_batch]
        root = tree_root(hashes)
        if len(hashes) == manifest.count:
            seqs = self._of_batch[0][0].first_seq, self._of_batch[-1][0].first_seq
            writers = {row.writer_id for row, _ in self._of_batch}
            whole = root.hex() == manifest.rows_root and writers == {manifest.writer_id}
            whole &= seqs == (manifest.first_seq, manifest.last_seq)
        else:
            batches = self._table.batches(self.last, self.last)
            whole = [canonical_json(manifest_of(batch)) for batch in batches] == [canonical_json(manifest)]
        if not whole:
            raise IntegrityError(f"the rows of batch {self.last} are not what was sealed", "row")
        self._parts.append(part(self.last, len(hashes), root))
        self._of_batch = []

    @property
    def root(self) -> bytes:
        """Return what all rows come to, once the last batch has ended."""
        return tree_root(self._parts)


def part(index: int, count: int, root: bytes) -> bytes:
    """Return the leaf hash that stands for so many rows of a batch, of that root, in what rows come to."""
    return leaf_hash(index.to_bytes(8, "big") + count.to_bytes(8, "big") + root)
