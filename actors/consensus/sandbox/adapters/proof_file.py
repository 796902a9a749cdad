"""The proof that the replicas of one node share: one of them makes it, the others read it.

Rules:
- The file belongs to this user, is a plain file with mode 0600 and is replaced whole; one that is not so, or
  cannot be read, is none.
- Who holds the lock makes the next proof; nobody waits for it.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from actors.base.errors import StorageUnavailable
from actors.base.files import write_atomic
from actors.base.locks import try_lock
from actors.consensus.sandbox.selftest import Proof

MAX_BYTES = 65_536
_DECODER = msgspec.json.Decoder(Proof)


class ProofFile:
    """A proof in a folder of this node that only this user can write to."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "sandbox-proof.json"
        self._lock = folder / "sandbox-proof.lock"

    def read(self) -> Proof | None:
        """Return the proof on file, ``None`` if there is none that can be trusted."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) != 0o600:
                return None
            try:
                return _DECODER.decode(file.read(MAX_BYTES))
            except msgspec.MsgspecError:
                return None

    def write(self, proof: Proof) -> None:
        """Replace the proof; raise ``StorageUnavailable`` if it cannot be written."""
        try:
            write_atomic(self._path, msgspec.json.encode(proof))
        except OSError as error:
            raise StorageUnavailable(f"the sandbox's proof cannot be written: {error.strerror}") from error

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Hold the lock for the time of the block; ``False`` if another process holds it. Raises ``StorageUnavailable``."""
        try:
            descriptor = try_lock(self._lock)
        except OSError as error:
            raise StorageUnavailable(f"the sandbox's proof cannot be locked: {error.strerror}") from error
        if descriptor is None:
            yield False
            return
        try:
            yield True
        finally:
            os.close(descriptor)
