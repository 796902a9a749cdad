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
- Every commit of the table says how many batches were sealed before it: a checkpoint of fewer was set back.
- What is read back from the table is sealed only if it is what its commit said, with the log's key, or what an operator answered
  for (``vouched``).
- What waits is read back so many rows at a time, however many batches that is, and one batch at least. A batch that cannot
  be read is come upon by small steps, and then looked at ever more rarely.

Left out: whether the rows still are what was sealed (``check``); witnesses, which see a log and a table that were set back
together.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from actors.base.certificates import TrustBundle
from actors.base.errors import HomeError, IntegrityError, StorageUnavailable
from actors.base.signing import SigningKey
from actors.spans.adapters.earlier_log import bring_over
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.scrub import ProvenLeaves
from actors.spans.adapters.table import LOG, SEALED, Vouch
from actors.spans.adapters.vouched import Answers, Authority, Vouched, Waiting
from actors.spans.columns import Rows
from actors.spans.log.checkpoint import SignedCheckpoint, origin, sign_checkpoint
from actors.spans.merkle import EMPTY_ROOT

__all__ = ["MAX_SKIPS", "Authority", "HomeAuthority", "Numbered", "Sealer"]

MAX_SKIPS = 128
"""Calls for which a batch that could not be read is left alone, at most."""


class Numbered(Protocol):
    """The table, as far as sealing goes: ``SpanTable``, or one with a backup."""

    sealed: int
    vouch: Vouch

    def said(self) -> list[str]: ...  # noqa: D102 - see SpanTable
    def last_committed(self, app_id: str) -> int | None: ...  # noqa: D102
    def last_durable(self, app_id: str) -> int | None: ...  # noqa: D102
    def last_within(self, first: int, last: int, max_rows: int) -> int: ...  # noqa: D102
    def batches(self, first: int, last: int) -> list[Rows]: ...  # noqa: D102


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

    def __init__(
        self, files: LogFiles, table: Numbered, authority: Authority, catch_up: int, catch_up_rows: int,
        answers: Answers | None = None,
    ) -> None:  # fmt: skip
        """``catch_up`` batches of together ``catch_up_rows`` rows are read back at a time, at most; one batch at least.

        From now on the table's commits say what the sealer will hold their batches against.
        """
        self.size = 0
        """Batches sealed; 0 as well until ``begin`` has found the log whole."""
        self._files = files
        self._table = table
        self._authority = authority
        self._vouched = Vouched(table, authority) if answers is None else Vouched(table, authority, answers)
        table.vouch = self._vouched.say
        self._catch_up = catch_up
        self._catch_up_rows = catch_up_rows
        self._step = catch_up
        """Batches to read back the next time."""
        self._fault: IntegrityError | None = None
        """Why the next batches could not be sealed the last time, if they are what is wrong."""
        self._skips, self._skipping = 0, 0
        """Calls for which it is left alone after a failure, and how many of them are still to come."""
        self._root = EMPTY_ROOT
        """Root of those."""
        self.begun = False
        """Whether the log was found whole."""

    def begin(self, now_ms: int) -> None:
        """Find the log as it was left, once, or make an empty one where nothing was ever sealed."""
        if self.begun:
            return
        bring_over(self._files, self._authority.trust(), lambda size, root: self._signed(size, root, now_ms))
        signed = self._files.checkpoint()
        numbered = self._numbered()
        if signed is None:
            if numbered:
                raise IntegrityError(
                    f"the log's checkpoint is gone, and the table holds {numbered} batches of it", "log"
                )
            self._files.put(self._signed(0, EMPTY_ROOT, now_ms))
            self.size, self._root = 0, EMPTY_ROOT
        else:
            checkpoint = signed.verify(self._authority.trust())
            if checkpoint.size < (sealed := max(self._table.sealed, self._table.last_committed(SEALED) or 0)):
                raise IntegrityError(
                    f"the log's checkpoint is of {checkpoint.size} batches, and {sealed} were sealed: it was set back",
                    "log",
                )
            root = self._files.root(checkpoint.size)
            if root.hex() != checkpoint.root:
                raise IntegrityError("the log's hashes do not come to its checkpoint's root", "log")
            if checkpoint.size > numbered:
                raise IntegrityError(
                    f"the log holds {checkpoint.size} batches, the table only numbers {numbered}: it was set back",
                    "log",
                )
            self._files.settle()  # the table says how far it was only once that cannot be lost
            self.size, self._root = checkpoint.size, root
        self._table.sealed = self.size
        self.begun = True

    def seal(self, batches: Sequence[Rows], now_ms: int) -> int:
        """Seal all that the table has numbered; ``batches`` may spare reading what was just committed. Return how many.

        What is read from the table at a time is bounded: what is left waits for the next call.
        """
        self.begin(now_ms)
        last = self._table.last_durable(LOG)
        waiting = 0 if last is None else last + 1 - self.size
        if waiting <= 0:
            return 0
        in_memory = len(batches) == waiting and self._are_next(batches)
        leaves = self._vouched.fresh(batches) if in_memory else self._read(waiting)
        if self._files.root(self.size) != self._root:
            raise IntegrityError("the log's hashes do not come to its checkpoint's root any more", "log")
        self.begun = False  # until the disk has taken all of it
        try:
            root = self._files.extend(self.size, leaves)
        except IntegrityError as error:
            self._leave_alone(error)
            raise
        self._files.put(self._signed(self.size + len(leaves), root, now_ms))
        self.size, self._root, self.begun = self.size + len(leaves), root, True
        self._table.sealed = self.size
        self._vouched.sealed(self.size)
        self._fault, self._skips, self._step = None, 0, min(self._catch_up, 2 * self._step)
        return len(leaves)

    @property
    def may_number(self) -> bool:
        """Tell whether the table may number batches: the first checkpoint must be there before the first of them."""
        return self.begun or self._numbered() > 0

    @property
    def root(self) -> bytes:
        """Return the root of the batches that are sealed."""
        return self._root

    def leaves(self) -> ProvenLeaves:
        """Return what is sealed; raise ``StorageUnavailable`` while the log was not found whole."""
        if not self.begun:
            raise StorageUnavailable("the log was not found whole yet")
        return ProvenLeaves(self._files, self.size, self._root)

    def next_waiting(self) -> Waiting:
        """Return the batch that is to be sealed next, as it lies; raise ``IntegrityError`` if there is none that could be."""
        if not self.begun:
            raise StorageUnavailable("the log was not found whole yet")
        return self._vouched.waiting(self.size)

    def look_again(self) -> None:
        """Leave the next batch alone no longer: an operator may have answered for it."""
        self._skipping = 0

    @property
    def waiting(self) -> int:
        """Return how many batches are numbered and not sealed."""
        return self._numbered() - self.size

    def _numbered(self) -> int:
        last = self._table.last_committed(LOG)
        return 0 if last is None else last + 1

    def _read(self, waiting: int) -> list[bytes]:
        """Return leaves of some of what waits: fewer after a failure, none for a while after one with the very next batch."""
        if self._fault is not None and self._skipping > 0:
            self._skipping -= 1
            raise IntegrityError(*self._fault.args)
        count = min(waiting, self._step)
        try:
            return self._read_up_to(count)
        except IntegrityError as error:
            if count > 1:
                self._step = 1
                return self._read(waiting)
            self._leave_alone(error)
            raise

    def _leave_alone(self, error: IntegrityError) -> None:
        self._fault, self._skips, self._step = error, min(MAX_SKIPS, 2 * self._skips + 1), 1
        self._skipping = self._skips

    def _read_up_to(self, count: int) -> list[bytes]:
        last = self._table.last_within(self.size, self.size + count - 1, self._catch_up_rows)
        batches = self._table.batches(self.size, last)
        if len(batches) != last - self.size + 1 or not self._are_next(batches):
            raise IntegrityError(f"batches {self.size} to {last} are not whole in the table", "log")
        return self._vouched.held(batches)

    def _are_next(self, batches: Sequence[Rows]) -> bool:
        return all(batch.log_index == index for index, batch in enumerate(batches, self.size))

    def _signed(self, size: int, root: bytes, now_ms: int) -> SignedCheckpoint:
        """Sign a checkpoint of what lies on the disk, and believe it only as a reader would."""
        key = self._authority.key()  # before the bundle: who replaces a key certifies the new one first
        trust = self._authority.trust()
        signed = sign_checkpoint(key, origin(trust), size, root, now_ms)
        try:
            signed.verify(trust)
        except IntegrityError as error:
            raise HomeError(
                f"keys/log.key is not believed by trust.json now ({error}): bring the right one back"
            ) from error
        if self._files.root(size) != root:
            raise IntegrityError("the log's hashes are not what was written", "log")
        return signed
