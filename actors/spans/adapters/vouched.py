"""Batches from the commit that numbers them until they are sealed: whether they still are what was committed.

Rules:
- Nothing is committed of which the log's key does not say what it is (``committed``): while nobody can sign, rows wait in the
  write-ahead log. So a batch of which no commit says anything that is believed was put there by somebody else.
- What this process committed it remembers, and asks nobody; of what was committed before it, commits are asked, once.
- A batch that is another than its commit says is not sealed, and named, until an operator answers for what lies there: with the
  hash of just that, signed, in an entry of the table (``quarantined``). Then it is sealed as it lies, and the entry says so.

Left out: what a commit says and who signed it (``committed``); when batches are read back (``sealer``); batches that are gone, or
are no run of rows any more: there is nothing to seal, and only a backup of the table's files helps.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from actors.base.canonical import canonical_json
from actors.base.certificates import TrustBundle
from actors.base.errors import HomeError, IntegrityError, StorageUnavailable, WeaverGenError
from actors.base.signing import SigningKey
from actors.spans.batch import manifest_of
from actors.spans.columns import Rows
from actors.spans.committed import read_said, say
from actors.spans.merkle import leaf_hash
from actors.spans.quarantined import Entry

Answers = Callable[[TrustBundle], Iterable[Entry]]
"""Gives the words with which operators answered for batches."""


class Authority(Protocol):
    """Whose word checkpoints are, and whose is believed."""

    def trust(self) -> TrustBundle:
        """Return the trust bundle in force."""

    def key(self) -> SigningKey:
        """Return the log's signing key in force."""


class Told(Protocol):
    """Whoever knows what commits said: the table."""

    def said(self) -> list[str]:
        """Return what commits said of the batches that they numbered, the newest first."""


class Committed(Told, Protocol):
    """Whoever has the batches as well."""

    def batches(self, first: int, last: int) -> list[Rows]:
        """See ``TableReader.batches``."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A batch that waits to be sealed, as it lies there."""

    index: int
    writer_id: str
    first_seq: int
    last_seq: int
    said: str
    """Leaf hash (hex) that its commit said; empty where none did that is believed."""
    found: str
    """Leaf hash (hex) of what lies there."""


def waiting(table: Committed, index: int, trust: TrustBundle, known: Mapping[int, bytes] | None = None) -> Waiting:
    """Return a batch that waits; raise ``IntegrityError`` if it is not there, or no run of rows.

    What commits said that are ``known`` already goes before what they say now.
    """
    batch = next(iter(table.batches(index, index)), None)
    if batch is None:
        raise IntegrityError(f"of batch {index} no row is in the table: there is nothing to seal", "batch")
    said = (read_said(table.said(), trust) | dict(known or {})).get(index, b"")
    last = batch.first_seq + len(batch.spans) - 1
    return Waiting(index, batch.writer_id, batch.first_seq, last, said.hex(), leaf_hash(_leaf(batch)).hex())


def _nobody(_trust: TrustBundle) -> Iterable[Entry]:
    return ()


class Vouched:
    """What is known of the batches that wait to be sealed."""

    def __init__(self, table: Committed, authority: Authority, answers: Answers = _nobody) -> None:
        self._table, self._authority, self._answers = table, authority, answers
        self._known: dict[int, bytes] = {}
        """Number → leaf hash, of batches that are not sealed."""
        self._leaves: dict[int, bytes] = {}
        """Number → leaf, of what was committed last: whoever seals it need not count again."""

    def say(self, batches: Sequence[Rows], now_ms: int) -> str:
        """Say what batches are that are about to be committed; raise ``HomeError`` if nobody can say so that it is believed."""
        leaves = {_number(batch): _leaf(batch) for batch in batches}
        if not leaves:
            return ""
        hashes = [leaf_hash(leaf) for leaf in leaves.values()]
        try:
            said = say(self._authority.key(), self._authority.trust(), min(leaves), hashes, now_ms // 1000)
        except (OSError, WeaverGenError) as error:
            raise HomeError(
                f"nothing is committed, for keys/log.key says nothing now that trust.json believes ({error}): bring both back"
            ) from error
        self._known |= dict(zip(leaves, hashes, strict=True))
        self._leaves = leaves
        return said

    def fresh(self, batches: Sequence[Rows]) -> list[bytes]:
        """Return the leaves of batches that this process has just committed and still holds."""
        return [self._leaves.get(_number(batch)) or _leaf(batch) for batch in batches]

    def held(self, batches: Sequence[Rows]) -> list[bytes]:
        """Return the leaves of batches that were read back; raise ``IntegrityError`` for one that is not what was committed."""
        leaves = [_leaf(batch) for batch in batches]
        if any(_number(batch) not in self._known for batch in batches):
            self._known = read_said(self._table.said(), self._believed()) | self._known
        for batch, leaf in zip(batches, leaves, strict=True):
            known, found = self._known.get(_number(batch)), leaf_hash(leaf)
            if known != found and not self._is_answered(_number(batch), found):
                raise IntegrityError(_why(batch, is_told=known is not None), "log")
        return leaves

    def waiting(self, index: int) -> Waiting:
        """Return a batch that waits, by what this process knows; raises like the function."""
        return waiting(self._table, index, self._believed(), self._known)

    def _is_answered(self, index: int, found: bytes) -> bool:
        """Tell whether an operator answered for what lies there, and for nothing else."""
        return any((said.batch, said.found) == (index, found.hex()) for said in self._answers(self._believed()))

    def sealed(self, size: int) -> None:
        """Forget what is sealed by now."""
        self._known = {index: digest for index, digest in self._known.items() if index >= size}
        self._leaves = {}

    def _believed(self) -> TrustBundle:
        try:
            return self._authority.trust()
        except (OSError, WeaverGenError) as error:
            raise StorageUnavailable(f"nobody can tell whose word a commit is: {error}") from error


def _why(batch: Rows, *, is_told: bool) -> str:
    whose = f"batch {_number(batch)} ({batch.writer_id}, from row {batch.first_seq} on)"
    helps = (
        f"bring its file back from a backup, or `weavergen quarantine seal {_number(batch)}` has it sealed as it lies"
    )
    if is_told:
        return f"{whose} is not what was committed: it was changed before it was sealed; {helps}"
    return f"no commit that the log's key signed tells of {whose}: it was put there; {helps}"


def _number(batch: Rows) -> int:
    return -1 if batch.log_index is None else batch.log_index


def _leaf(batch: Rows) -> bytes:
    return canonical_json(manifest_of(batch))
