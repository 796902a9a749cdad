"""Seals what the table holds: a manifest a batch into the log, then a checkpoint over all of it.

Rules:
- The table numbers batches as it commits them; a manifest follows from a batch's rows alone. So what was committed and not
  sealed when a process died is read from the table and sealed by the next, and comes out the same.
- A log whose checkpoint is gone, of a key that is not trusted, or that its hashes do not come to, is never sealed over:
  whoever wants to change what was sealed must not get a new signature for it. Rows go on into the table meanwhile.
- Only what no loss of power can take back is sealed: else the log could hold more than the table.
- The log is held against the last checkpoint's root before it grows, and a checkpoint is verified like anyone would before
  it is written. After a write that failed nothing in memory is believed: the disk is asked again.
- The first checkpoint is of no batch, and is there before the first row: a table with batches and no checkpoint lost it.

Left out: whether the rows still are what was sealed (``check``); witnesses, which see a log that was rolled back.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from actors.base.canonical import canonical_json
from actors.base.certificates import TrustBundle
from actors.base.errors import HomeError, IntegrityError
from actors.base.signing import SigningKey
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.table import LOG, SpanTable
from actors.spans.batch import manifest_of
from actors.spans.columns import Rows
from actors.spans.merkle import EMPTY_ROOT
from actors.spans.proof import SignedCheckpoint, log_id, sign_checkpoint


class Authority(Protocol):
    """Whose word checkpoints are, and whose is believed."""

    def trust(self) -> TrustBundle:
        """Return the trust bundle in force."""

    def key(self) -> SigningKey:
        """Return the log's signing key in force."""


class HomeAuthority:
    """The keys of a home, read each time: an operator may have rotated them; ``trust`` tells who is believed now."""

    def __init__(self, home: Path, trust: Callable[[], TrustBundle]) -> None:
        self._home, self._trust = home, trust

    def trust(self) -> TrustBundle:
        """Return the bundle in force."""
        return self._trust()

    def key(self) -> SigningKey:
        """Return ``home/keys/log.key``."""
        return SigningKey.load(self._home / "keys" / "log.key")


class Sealer:
    """The only writer of the log.

    Raises ``StorageUnavailable``, ``HomeError`` (its key is not believed) or ``IntegrityError``, and stands still until
    that ends.
    """

    def __init__(self, files: LogFiles, table: SpanTable, authority: Authority, catch_up: int) -> None:
        self.size = 0
        """Batches sealed; 0 as well until ``begin`` has found the log whole."""
        self._files = files
        self._table = table
        self._authority = authority
        self._catch_up = catch_up
        self._root = EMPTY_ROOT
        """Root of those."""
        self.begun = False
        """Whether the log was found whole."""

    def begin(self, now_ms: int) -> None:
        """Find the log as it was left, once, or make an empty one where nothing was ever sealed."""
        if self.begun:
            return
        signed = self._files.checkpoint()
        numbered = self._numbered()
        if signed is None:
            if numbered:
                raise IntegrityError(
                    f"the log's checkpoint is gone, and the table holds {numbered} batches of it", "log"
                )
            self._files.put(self._vouched(0, EMPTY_ROOT, now_ms))
            self.size, self._root = 0, EMPTY_ROOT
        else:
            checkpoint = signed.verify(self._authority.trust())
            root = self._files.root(checkpoint.size)
            if root.hex() != checkpoint.root:
                raise IntegrityError("the log's hashes do not come to its checkpoint's root", "log")
            if checkpoint.size > numbered:
                raise IntegrityError(
                    f"the log holds {checkpoint.size} batches, the table only numbers {numbered}: it was set back",
                    "log",
                )
            self.size, self._root = checkpoint.size, root
        self.begun = True

    def seal(self, batches: Sequence[Rows], now_ms: int) -> int:
        """Seal all that the table has numbered; ``batches`` may spare reading what was just committed. Return how many.

        At most ``catch_up`` batches are read from the table at a time: what is left waits for the next call.
        """
        self.begin(now_ms)
        last = self._table.last_durable(LOG)
        waiting = 0 if last is None else last + 1 - self.size
        if waiting <= 0:
            return 0
        if len(batches) != waiting or not self._are_next(batches):
            batches = self._read(min(waiting, self._catch_up))
        leaves = [canonical_json(manifest_of(batch)) for batch in batches]
        if self._files.root(self.size) != self._root:
            raise IntegrityError("the log's hashes do not come to its checkpoint's root any more", "log")
        self.begun = False  # until the disk has taken all of it
        root = self._files.extend(self.size, leaves)
        self._files.put(self._vouched(self.size + len(leaves), root, now_ms))
        self.size, self._root, self.begun = self.size + len(leaves), root, True
        return len(leaves)

    @property
    def may_number(self) -> bool:
        """Tell whether the table may number batches: the first checkpoint must be there before the first of them."""
        return self.begun or self._numbered() > 0

    @property
    def waiting(self) -> int:
        """Return how many batches are numbered and not sealed."""
        return self._numbered() - self.size

    def _numbered(self) -> int:
        last = self._table.last_committed(LOG)
        return 0 if last is None else last + 1

    def _read(self, count: int) -> list[Rows]:
        batches = self._table.batches(self.size, self.size + count - 1)
        if len(batches) != count or not self._are_next(batches):
            raise IntegrityError(f"batches {self.size} to {self.size + count - 1} are not whole in the table", "log")
        return batches

    def _are_next(self, batches: Sequence[Rows]) -> bool:
        return all(batch.log_index == index for index, batch in enumerate(batches, self.size))

    def _vouched(self, size: int, root: bytes, now_ms: int) -> SignedCheckpoint:
        """Sign a checkpoint of what lies on the disk, and believe it only as a reader would."""
        trust = self._authority.trust()
        signed = sign_checkpoint(self._authority.key(), log_id(trust), size, root, now_ms)
        try:
            signed.verify(trust)
        except IntegrityError as error:
            raise HomeError(
                f"keys/log.key is not believed by trust.json now ({error}): bring the right one back"
            ) from error
        if self._files.root(size) != root:
            raise IntegrityError("the log's hashes are not what was written", "log")
        return signed
