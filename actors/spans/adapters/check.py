"""Recomputes the transparency log from the table: what was sealed, and whether the rows still are what was sealed.

Rules:
- Checkpoint, tiles and leaves are held against one another first (``log_check``); then every batch's rows against its leaf
  (``rows_check``). What does not fit is named by batch and kind; a batch that fits is whole, to the bit.
- Deep, every row is hashed. Light, a file that a signed entry names as what others were merged into is held by its bytes'
  digest, for all of its rows were hashed when it was made; files that no entry names are recomputed all the same. Both find every
  change of a byte; only deep finds rows that whoever held the log's key had merged into what was never sealed.
- Nothing of the running system is asked, and nothing is written. Batches that are sealed while this runs are left for the
  next time; when files are merged beneath it the table is read again, once.
- What witnesses signed and lies beside the log is held against the keys that root certified for them: a line that is not what its
  witness wrote is named, and who asks for a proof would find fewer of them.
- A checkpoint of fewer batches than the table says were sealed was set back.
- Where all of that is whole, what Delta's log says of files and writers is held against them (``described``).
- Batches that wait to be sealed are counted, and since when the oldest of their rows waits is told.

Left out: whether log and table were set back together, but for what is given as seen: witnesses remember it.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError, StorageUnavailable
from actors.spans.adapters.described import misdescribed
from actors.spans.adapters.findings import EXPIRED, Answered, Damage, Findings, Whole
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.log_check import LogCheck
from actors.spans.adapters.rows_check import RowsCheck
from actors.spans.adapters.stores import SpanStores
from actors.spans.adapters.table import LOG, SEALED
from actors.spans.log.checkpoint import Checkpoint, SignedCheckpoint, spoiled
from actors.spans.merkle import EMPTY_ROOT
from actors.spans.place import AT_HOME, Location

__all__ = ["Answered", "Checked", "Damage", "Seen", "Tell", "Whole", "check_log"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found: batches and rows that are whole, and everything that is not."""

    size: int
    root: str
    rows: int
    whole: Whole
    damage: tuple[Damage, ...]
    waiting: int = 0
    """Batches that the table has numbered and that are not sealed."""
    waiting_since_ms: int | None = None
    """When the oldest of their rows ended (Unix); ``None`` if none was seen."""
    trusted_files: int = 0
    """Files that were held by their bytes' digest alone, for a signed entry names them."""
    expired: int = 0
    """Batches whose rows were taken away in time, as a signed entry says."""
    answered: tuple[Answered, ...] = ()
    """Batches that were sealed though they were not what their commit said, and who answered for them: no damage, and told."""

    def waited_s(self, now_s: float) -> float:
        """Return how long the oldest row that is not sealed has waited."""
        return 0.0 if self.waiting_since_ms is None else max(0.0, now_s - self.waiting_since_ms / 1000)

    def report(self) -> dict[str, Any]:
        """Return what was found as plain values."""
        return {
            "ok": not self.damage, "size": self.size, "root": self.root, "whole": len(self.whole), "rows": self.rows,
            "waiting": self.waiting, "waiting_since_ms": self.waiting_since_ms, "trusted_files": self.trusted_files,
            "expired": self.expired, "answered": [asdict(item) for item in self.answered],
            "damage": [asdict(item) for item in self.damage],
        }  # fmt: skip


Tell = Callable[[int, int], None]
"""Takes how many files of the table were checked, of how many."""


def _untold(_done: int, _total: int) -> None:
    """Tell nobody."""


Seen = Mapping[str, SignedCheckpoint]
"""Who had a checkpoint of this log → which: read before the log is, so that the log may only be larger."""


def check_log(
    home: Path, trust: TrustBundle, checkpoint_commits: int, tell: Tell = _untold, seen: Seen | None = None, *,
    deep: bool = True, location: Location = AT_HOME,
) -> Checked:  # fmt: skip
    """Check the log in ``home/log``, the table against it, and that it goes on from what others have seen.

    Raises ``StorageUnavailable`` where a bucket does not give a file: nobody knows then whether it is damaged.
    """
    files, table = LogFiles(home / "log"), SpanStores(home, checkpoint_commits, location=location)
    try:
        cosigned = files.cosigned()
        had = [*(seen or {}).items(), *(("home/log/witnessed", each) for each in cosigned)]
        claims = [(who, signed.verify(trust)) for who, signed in had]
        lost = [name for each in cosigned for name in spoiled(each, trust)]
        sealed = table.last_committed(SEALED) or 0  # before the checkpoint, which may only grow meanwhile
        signed = files.checkpoint()
        if signed is None and (last := table.last_committed(LOG)) is not None:
            signed = files.checkpoint()  # once more: the first one may have been written meanwhile, before any batch
            if signed is None:
                raise IntegrityError(f"it is gone, and the table holds {last + 1} batches of the log")
        if signed is None:
            return _nothing(*(Damage(-1, "fork", _is_gone(who, claim)) for who, claim in claims if claim.size))
        checkpoint = signed.verify(trust)
    except (IntegrityError, StorageUnavailable) as error:
        return _nothing(Damage(-1, "checkpoint", str(error)))

    def check() -> Checked:
        findings = Findings(checkpoint.size)
        for name in lost:
            why = f"in home/log/witnessed the signature of {name} is not what a witness wrote that root certified"
            findings.found(-1, "cosignature", why)
        log = LogCheck(files, checkpoint, claims, findings)
        rows = RowsCheck(table, log, findings, trust, deep=deep)
        return _checked(checkpoint, sealed, table, log, rows, findings, tell)

    return table.with_files(check)


def _is_gone(who: str, claim: Checkpoint) -> str:
    return f"{who} has a checkpoint of {claim.size} batches, and there is no log: it was removed"


def _nothing(*damage: Damage) -> Checked:
    return Checked(0, EMPTY_ROOT.hex(), 0, Whole(), damage)


def _checked(
    checkpoint: Checkpoint, sealed: int, table: SpanStores, log: LogCheck, rows: RowsCheck, findings: Findings, tell: Tell
) -> Checked:  # fmt: skip
    """Check all of it; ``sealed`` batches were sealed once, as the table says."""
    size = checkpoint.size
    if size < sealed:
        findings.found(-1, "checkpoint", f"it is of {size} batches, and {sealed} were sealed: it was set back")
    log.run()
    before = numbered = size
    try:
        first, (files, away), last = table.last_committed(LOG), table.reachable_files(), table.last_committed(LOG)
        before, numbered = (0 if first is None else first + 1), max(size, 0 if last is None else last + 1)
        if away is not None:
            findings.found(-1, "file", str(away))
    except (IntegrityError, StorageUnavailable) as error:
        findings.found(-1, "file", str(error))
        files = []
    rows.run(files, numbered, tell)
    for index in range(size, before):
        if index not in rows.waiting:
            findings.found(index, "missing", "it waits to be sealed, and no row of it is in the table")
    if not findings.damage:
        _describe(table, log, rows, findings)
    since_ms = None if rows.waiting_since_ns is None else rows.waiting_since_ns // 1_000_000
    return Checked(
        size, checkpoint.root, findings.rows, findings.whole, findings.damage, numbered - size, since_ms, rows.trusted,
        findings.expired, tuple(found for _, found in sorted(findings.answered.items())),
    )  # fmt: skip


def _describe(table: SpanStores, log: LogCheck, rows: RowsCheck, findings: Findings) -> None:
    """Hold what Delta's log says of the table's files and writers against them, where all of the rows lie in one table."""
    sealed = {writer: sealed.last for writer, sealed in log.sealed.items()}
    try:
        only = table.only_table()
        kept = {writer for writer, index in log.newest.items() if findings.states[index] != EXPIRED}
        there = kept if findings.expired else None
        for name, why in () if only is None else misdescribed(only, findings.size, sealed, rows.held, there):
            findings.found(-1, "table", f"span file {name}: {why}" if name else why)
    except (IntegrityError, StorageUnavailable) as error:
        findings.found(-1, "table", str(error))
