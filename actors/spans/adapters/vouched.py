"""Batches from the commit that numbers them until they are sealed: whether they still are what was committed.

Rules:
- Nothing is committed of which the log's key does not say what it is (``committed``): while nobody can sign, rows wait in the
  write-ahead log. So a batch of which no commit says anything that is believed was put there by somebody else.
- What this process committed it remembers, and asks nobody; of what was committed before it, commits are asked, once.
- A batch that is another than its commit says is not sealed, and named.

Left out: what a commit says and who signed it (``committed``); when batches are read back (``sealer``).
"""

from collections.abc import Sequence
from typing import Protocol

from actors.base.canonical import canonical_json
from actors.base.certificates import TrustBundle
from actors.base.errors import HomeError, IntegrityError, StorageUnavailable, WeaverGenError
from actors.base.signing import SigningKey
from actors.spans.batch import manifest_of
from actors.spans.columns import Rows
from actors.spans.committed import read_said, say
from actors.spans.merkle import leaf_hash


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


class Vouched:
    """What is known of the batches that wait to be sealed."""

    def __init__(self, table: Told, authority: Authority) -> None:
        self._table, self._authority = table, authority
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
            whose = f"batch {_number(batch)} ({batch.writer_id}, from row {batch.first_seq} on)"
            if (known := self._known.get(_number(batch))) is None:
                raise IntegrityError(f"no commit that the log's key signed tells of {whose}: it was put there", "log")
            if known != leaf_hash(leaf):
                raise IntegrityError(f"{whose} is not what was committed: it was changed before it was sealed", "log")
        return leaves

    def sealed(self, size: int) -> None:
        """Forget what is sealed by now."""
        self._known = {index: digest for index, digest in self._known.items() if index >= size}
        self._leaves = {}

    def _believed(self) -> TrustBundle:
        try:
            return self._authority.trust()
        except (OSError, WeaverGenError) as error:
            raise StorageUnavailable(f"nobody can tell whose word a commit is: {error}") from error


def _number(batch: Rows) -> int:
    return -1 if batch.log_index is None else batch.log_index


def _leaf(batch: Rows) -> bytes:
    return canonical_json(manifest_of(batch))
