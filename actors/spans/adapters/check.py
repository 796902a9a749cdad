"""Recomputes the transparency log from the table: what was sealed, and whether the rows still are what was sealed.

Rules:
- Checkpoint, hashes and leaves are held against one another first; then every batch's rows against its leaf. What does not
  fit is named by batch and kind; a batch that fits is whole, to the bit.
- Nothing of the running system is asked, and nothing is written. Batches that are sealed while this runs are left for the
  next time.
- A file that cannot be read is no row that is silently not there: the batches whose rows it held are damaged.

Left out: whether history was rolled back as a whole, log and table: witnesses see that.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.table import LOG, SpanTable
from actors.spans.batch import row_hashes
from actors.spans.columns import pinned_schema, rows_of
from actors.spans.merkle import EMPTY_ROOT, hashes_of_leaf, leaf_hash, stored_before, tree_root
from actors.spans.proof import Manifest, read_manifest

CHUNK_ROWS = 8192
"""Rows turned into spans at a time."""


@dataclass(frozen=True, slots=True, order=True)
class Damage:
    """Something that is not as it was sealed."""

    batch: int
    """Number of the batch; −1 for the log as a whole."""
    kind: str
    """``checkpoint``, ``hashes``, ``leaves``, ``leaf``, ``missing``, ``changed`` or ``file``."""
    why: str

    def __str__(self) -> str:
        return f"{'log' if self.batch < 0 else f'batch {self.batch}'}: {self.kind}: {self.why}"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found: batches and rows that are whole, and everything that is not."""

    size: int
    root: str
    rows: int
    whole: frozenset[int]
    damage: tuple[Damage, ...]

    def report(self) -> dict[str, Any]:
        """Return what was found as plain values."""
        return {
            "ok": not self.damage, "size": self.size, "root": self.root, "whole": len(self.whole), "rows": self.rows,
            "damage": [asdict(item) for item in self.damage],
        }  # fmt: skip


def check_log(home: Path, trust: TrustBundle, checkpoint_commits: int) -> Checked:
    """Check the log in ``home/log`` and the table in ``home/spans`` against it."""
    files, table = LogFiles(home / "log"), SpanTable(home / "spans", checkpoint_commits)
    try:
        signed = files.checkpoint()
        if signed is None:
            return _unsealed(table)
        checkpoint = signed.verify(trust)
    except (IntegrityError, StorageUnavailable) as error:
        return _nothing(Damage(-1, "checkpoint", str(error)))
    manifests, damage = _read_leaves(files, checkpoint.size, checkpoint.root)
    found, unread = _read_rows(table, checkpoint.size)
    damage += unread
    judged = {index: _judge(index, manifest, found.get(index)) for index, manifest in manifests.items()}
    damage += [fault for fault in judged.values() if fault is not None]
    whole = frozenset(index for index, fault in judged.items() if fault is None)
    rows = sum(manifests[index].count for index in whole)
    return Checked(checkpoint.size, checkpoint.root, rows, whole, tuple(sorted(damage)))


def _unsealed(table: SpanTable) -> Checked:
    """Judge a home without a checkpoint: one where nothing was ever sealed is whole."""
    last = table.last_committed(LOG)
    if last is None:
        return _nothing()
    return _nothing(Damage(-1, "checkpoint", f"it is gone, and the table holds {last + 1} batches of the log"))


def _nothing(*damage: Damage) -> Checked:
    return Checked(0, EMPTY_ROOT.hex(), 0, frozenset(), damage)


def _read_leaves(files: LogFiles, size: int, root: str) -> tuple[dict[int, Manifest], list[Damage]]:
    """Return the manifests by number; leaves, stored hashes and the checkpoint's root must come to the same."""
    manifests: dict[int, Manifest] = {}
    damage: list[Damage] = []
    leaves: list[bytes] = []
    try:
        for index, data in enumerate(files.leaves(0, size)):
            leaves.append(leaf_hash(data))
            try:
                manifests[index] = read_manifest(data)
            except IntegrityError as error:
                damage.append(Damage(index, "leaf", str(error)))
        if tree_root(leaves).hex() != root:
            damage.append(Damage(-1, "leaves", f"the {size} leaves do not come to the checkpoint's root {root[:16]}"))
    except (IntegrityError, StorageUnavailable) as error:
        damage.append(Damage(len(leaves), "leaves", str(error)))
    if len(leaves) == size and (place := _first_other(files, leaves)) is not None:
        damage.append(Damage(-1, "hashes", f"stored hash {place} is not that of the leaves below it"))
    return manifests, damage


def _first_other(files: LogFiles, leaves: Sequence[bytes]) -> int | None:
    """Return the place of the first stored hash that does not follow from the leaves; ``None`` if all do."""
    stored = files.hashes(stored_before(len(leaves)))
    wanted: list[bytes] = []
    for number, leaf in enumerate(leaves):
        wanted += hashes_of_leaf(number, leaf, wanted.__getitem__)
    return next((place for place, item in enumerate(wanted) if place >= len(stored) or stored[place] != item), None)


@dataclass(slots=True)
class _Batch:
    """Rows of one batch as they are in the table: number → leaf hash, and whose they are."""

    writers: set[str]
    hashes: dict[int, bytes]
    twice: int = 0


def _read_rows(table: SpanTable, size: int) -> tuple[dict[int, _Batch], list[Damage]]:
    """Digest every row that is numbered below ``size``."""
    found: dict[int, _Batch] = {}
    damage: list[Damage] = []
    try:
        paths = table.current_files()
    except StorageUnavailable as error:
        return found, [Damage(-1, "file", str(error))]
    for path in paths:
        try:
            _digest_file(table, path, size, found)
        except (IntegrityError, StorageUnavailable) as error:
            damage.append(Damage(-1, "file", str(error)))
    return found, damage


def _digest_file(table: SpanTable, path: Path, size: int, found: dict[int, _Batch]) -> None:
    numbered = pc.field("log_index").is_valid() & (pc.field("log_index") < size)
    rows = table.read_file(path, pinned_schema().names, numbered)
    for start in range(0, rows.num_rows, CHUNK_ROWS):
        for row in rows_of(rows.slice(start, CHUNK_ROWS)):
            batch = found.setdefault(row.log_index or 0, _Batch(set(), {}))
            batch.writers.add(row.writer_id)
            batch.twice += row.first_seq in batch.hashes
            batch.hashes[row.first_seq] = row_hashes(row)[0]


def _judge(index: int, manifest: Manifest, batch: _Batch | None) -> Damage | None:
    """Return what is wrong with a batch; ``None`` if it is what was sealed."""
    whose = f"rows {manifest.first_seq} to {manifest.last_seq} of {manifest.writer_id}"
    if batch is None:
        return Damage(index, "missing", f"{whose} are not in the table")
    wanted = range(manifest.first_seq, manifest.last_seq + 1)
    if missing := [seq for seq in wanted if seq not in batch.hashes]:
        return Damage(index, "missing", f"of {whose} {len(missing)} are not in the table, the first is {missing[0]}")
    if batch.twice or len(batch.hashes) > manifest.count or batch.writers != {manifest.writer_id}:
        return Damage(index, "changed", f"{whose}: the table holds rows that were not sealed with them")
    if tree_root([batch.hashes[seq] for seq in wanted]).hex() != manifest.rows_root:
        return Damage(index, "changed", f"{whose} are not what was sealed")
    return None
