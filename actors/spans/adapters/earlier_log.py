"""Brings a log over that an earlier version wrote: one file of hashes, bundles by number, a checkpoint in JSON.

    entries/<n>   bundles of 256 leaves (as they are now)        hashes   of every complete subtree
    checkpoint    canonical JSON of size, root and time, signed like everything else of ours

Rules:
- It is believed like the log was: its checkpoint by a log key that was good when it was issued, its leaves by the root there.
  What does not check stays as it is, and is never signed over.
- The new checkpoint is written once all tiles are durable, in the old one's place; then the old files go. A process that is
  killed at any step is followed by one that goes on. Leaves behind the checkpoint come along behind it.

Left out: proofs that were given before: who kept one asks for the decision again.
"""

import shutil
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

import msgspec

from actors.base.canonical import decode, unb64
from actors.base.certificates import TrustBundle, role_keys
from actors.base.errors import IntegrityError, StorageUnavailable
from actors.base.signing import Signature
from actors.spans.adapters.log import LogFiles
from actors.spans.log.checkpoint import SignedCheckpoint, log_id
from actors.spans.log.tiles import WIDTH, split_leaves
from actors.spans.merkle import EMPTY_ROOT

TYPE = "application/vnd.weavergen.checkpoint+json"
STEP = 16 * WIDTH
"""Leaves written at a time."""


class EarlierCheckpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the log was at a moment."""

    schema: Literal["weavergen.checkpoint/1"]
    log_id: str
    size: int
    root: str
    issued_at: int
    """Unix milliseconds."""


class EarlierSigned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Its canonical bytes in base64, and a log key's signature."""

    payload: str
    signature: Signature

    def verify(self, trust: TrustBundle) -> EarlierCheckpoint:
        """Return it if a log key that was good when it was issued signed it, for the log of this bundle."""
        payload = unb64(self.payload, "checkpoint")
        found = decode(payload, EarlierCheckpoint, "checkpoint")
        key = role_keys(trust, "log", found.issued_at // 1000).get(self.signature.key_id)
        if key is None or found.log_id != log_id(trust):
            raise IntegrityError("checkpoint: no trusted log key signed it", "checkpoint")
        key.verify(TYPE, payload, self.signature, "checkpoint")
        return found


Vouch = Callable[[int, bytes], SignedCheckpoint]
"""Signs a checkpoint of a size and a root that lie on the disk."""


def bring_over(files: LogFiles, trust: TrustBundle, vouch: Vouch) -> None:
    """Bring a log over if an earlier version wrote it.

    Raises ``IntegrityError`` if it does not check, ``StorageUnavailable`` if the disk refuses.
    """
    try:
        if (found := _earlier(files.path)) is not None:
            _write(files, found.verify(trust), vouch)
        elif (files.path / "hashes").exists() and (files.path / "checkpoint").exists():
            _remove(files.path)  # a process before this one came that far
    except OSError as error:
        raise StorageUnavailable(f"the log of an earlier version cannot be brought over: {error.strerror}") from error


def _earlier(path: Path) -> EarlierSigned | None:
    try:
        data = (path / "checkpoint").read_bytes()
    except FileNotFoundError:
        return None
    return decode(data, EarlierSigned, "checkpoint") if data.startswith(b"{") else None


def _write(files: LogFiles, checkpoint: EarlierCheckpoint, vouch: Vouch) -> None:
    leaves, size, root = _leaves(files.path), 0, EMPTY_ROOT
    while part := list(islice(leaves, min(STEP, checkpoint.size - size))):
        root, size = files.extend(size, part), size + len(part)
    if (size, root.hex()) != (checkpoint.size, checkpoint.root):
        raise IntegrityError("the leaves of an earlier version's log do not come to its checkpoint's root", "log")
    if behind := list(leaves):
        files.extend(size, behind)
    files.put(vouch(size, root))
    _remove(files.path)


def _leaves(path: Path) -> Iterator[bytes]:
    """Yield the leaves of whole bundles, and of the last, in order."""
    number = 0
    while (bundle := path / "entries" / f"{number:08d}").exists():
        leaves = split_leaves(bundle.read_bytes())
        yield from leaves
        if len(leaves) < WIDTH:
            return
        number += 1


def _remove(path: Path) -> None:
    if (path / "entries").exists():
        shutil.rmtree(path / "entries")
    (path / "hashes").unlink(missing_ok=True)
