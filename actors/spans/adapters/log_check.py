"""The log's own files held against one another: leaves, tiles, the checkpoint's root, and what others have seen.

Rules:
- All is counted anew from the leaves, by a count that is the verifier's own (``log.recount``). Every file that lies there and is
  given out is held against it to the byte.
- Whoever has a checkpoint that this log's key signed has evidence: one of more batches, or of another root, is a fork.
- No two batches hold the same row.

Left out: the rows that leaves are of (``rows_check``).
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans.adapters.findings import Findings
from actors.spans.adapters.log import LogFiles
from actors.spans.gaps import Sealed
from actors.spans.log.checkpoint import Checkpoint
from actors.spans.log.recount import Recount
from actors.spans.log.tiles import ENTRIES, WIDTH, Tile, join_leaves, read_path
from actors.spans.merkle import HASH_BYTES
from actors.spans.proof import Manifest, read_manifest


class LogCheck:
    """One check of a log of a given checkpoint; then what its leaves say."""

    def __init__(
        self, files: LogFiles, checkpoint: Checkpoint, claims: Sequence[tuple[str, Checkpoint]], findings: Findings
    ) -> None:
        self.sealed: dict[str, Sealed] = {}
        """Writer → which of its rows were sealed."""
        self.newest: dict[str, int] = {}
        """Writer → the last batch of its rows."""
        self._files, self._checkpoint, self._findings = files, checkpoint, findings
        self._claims = deque(sorted(claims, key=lambda claim: claim[1].size))
        self._size = checkpoint.size
        self._unlike: list[tuple[int, str]] = []
        """Batches whose leaves are not those that a tile holds the hashes of, and which tile."""
        self._leaves = lru_cache(maxsize=2)(self._bundle)

    def run(self) -> None:
        """Hold leaves, tiles and the checkpoint's root against one another."""
        count, found = Recount(), self._findings.found
        try:
            for number, leaves in self._bundles():
                self._count(count, leaves)
                for at, data in enumerate(leaves, number * WIDTH):
                    self._note(at, data)
                if len(leaves) == WIDTH or count.size == self._size:
                    self._check_bundle(number, leaves)
        except (IntegrityError, StorageUnavailable) as error:
            found(count.size, "leaves", str(error))
            return
        self._check_claims(count)
        for who, claim in self._claims:
            why = f"{who} has a checkpoint of {claim.size} batches, and the log has {self._size}: it was set back"
            found(-1, "fork", why)
        for path, tile in count.unfilled():
            self._check_tile(path, tile)
        if count.root().hex() != (root := self._checkpoint.root):
            found(-1, "leaves", f"the {self._size} leaves do not come to the checkpoint's root {root[:16]}")
            for (
                index,
                path,
            ) in self._unlike:  # whatever else a leaf says may be right: a merge's entry holds rows without it
                self._findings.faulty(index, "leaf", f"it is not the one of which tile {path} holds the hash")

    def _bundles(self) -> Iterator[tuple[int, list[bytes]]]:
        """Yield the leaves, bundle by bundle, and what comes before one that is missing."""
        leaves: list[bytes] = []
        number = 0
        try:
            for leaf in self._files.leaves(0, self._size):
                leaves.append(leaf)
                if len(leaves) == WIDTH or number * WIDTH + len(leaves) == self._size:
                    yield number, leaves
                    leaves, number = [], number + 1
        except (IntegrityError, StorageUnavailable):
            if leaves:
                yield number, leaves
            raise

    def _count(self, count: Recount, leaves: Sequence[bytes]) -> None:
        """Count leaves, stopping where others have seen the log at that size."""
        while leaves:
            self._check_claims(count)
            step = min(len(leaves), self._claims[0][1].size - count.size) if self._claims else len(leaves)
            for path, tile in count.extend(leaves[:step]):
                self._check_tile(path, tile)
            leaves = leaves[step:]

    def _check_claims(self, count: Recount) -> None:
        """Hold the log at the size that it has come to against what others have seen of that size."""
        while self._claims and self._claims[0][1].size == count.size:
            who, claim = self._claims.popleft()
            if claim.root != count.root().hex():
                why = f"{who} has another checkpoint of {claim.size} batches than this log comes to"
                self._findings.found(-1, "fork", why)

    def _check_tile(self, path: str, data: bytes) -> None:
        if (tile := read_path(path)) is None:
            raise IntegrityError(f"writer and verifier disagree on where tile {path} lies", "log")
        self._check_written(tile, lambda width: data[: width * HASH_BYTES], "hashes")

    def _check_bundle(self, number: int, leaves: Sequence[bytes]) -> None:
        self._check_written(
            Tile(ENTRIES, number, len(leaves)), lambda width: join_leaves(leaves[:width]), "leaves"
        )  # fmt: skip

    def _check_written(self, tile: Tile, wanted: Callable[[int], bytes], kind: str) -> None:
        """Hold a file against what it should be, to the byte, and the narrower ones that lie there and are given out as well."""
        partial = self._files.partial(tile)
        for each in (*(item for item in partial if item.width < tile.width), tile):
            try:
                data, right = self._files.read(each), wanted(each.width)
            except StorageUnavailable as error:
                self._findings.found(-1, kind, str(error))
                continue
            in_its_place = each.width == WIDTH or each in partial  # else the full one stands for it
            if data is None or not (data == right or (data.startswith(right) and not in_its_place)):
                why = "is missing" if data is None else "is not that of the leaves below it"
                self._findings.found(-1, kind, f"tile {each.path} {why}")
                if data is not None and each.level == 0 and each.width == tile.width:
                    self._compare(each, data, right)

    def _compare(self, tile: Tile, data: bytes, right: bytes) -> None:
        """Note of which batches the leaves are not those whose hashes were written."""
        starts = range(0, len(right), HASH_BYTES)
        unlike = [at for at in starts if data[at : at + HASH_BYTES] != right[at : at + HASH_BYTES]]
        self._unlike += [(tile.number * WIDTH + at // HASH_BYTES, tile.path) for at in unlike]

    def _note(self, index: int, data: bytes) -> None:
        try:
            manifest = read_manifest(data)
        except IntegrityError as error:
            self._findings.faulty(index, "leaf", str(error))
            return
        self._findings.counts[index] = manifest.count
        self.newest[manifest.writer_id] = index
        sealed = self.sealed.setdefault(manifest.writer_id, Sealed())
        if not sealed.take(manifest.first_seq, manifest.last_seq):
            self._findings.faulty(index, "leaf", f"{whose(manifest)}: those up to {sealed.last} were sealed before")

    def manifest(self, index: int) -> Manifest | None:
        """Return what a leaf says; ``None`` if it says nothing, which was found before."""
        leaves = self._leaves(index // WIDTH)
        try:
            return read_manifest(leaves[index % WIDTH]) if index % WIDTH < len(leaves) else None
        except IntegrityError:
            return None

    def _bundle(self, number: int) -> list[bytes]:
        end = min(self._size, (number + 1) * WIDTH)
        found: list[bytes] = []
        with contextlib.suppress(IntegrityError, StorageUnavailable):  # what is missing was found before
            for data in self._files.leaves(number * WIDTH, end):
                found.append(data)  # noqa: PERF402 - those before a missing one are wanted
        return found


def whose(manifest: Manifest) -> str:
    """Say which rows a batch is of."""
    return f"rows {manifest.first_seq} to {manifest.last_seq} of {manifest.writer_id}"
