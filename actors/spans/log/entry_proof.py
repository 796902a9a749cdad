"""Proofs of one leaf as a text (c2sp.org/tlog-proof): its number, its path, and the checkpoint that the path leads to.

Rules:
- What reads as a proof is written as the same bytes. It is no longer than ``MAX_PROOF_BYTES``.

Left out: the extra line, which nothing vouches for; the leaf itself, and whether the proof holds (``proof``).
"""

from dataclasses import dataclass

from actors.base.canonical import b64, unb64
from actors.base.errors import IntegrityError
from actors.spans.log.checkpoint import SignedCheckpoint, read_checkpoint, read_number
from actors.spans.log.note import MAX_NOTE_BYTES
from actors.spans.merkle import HASH_BYTES

HEADER = "c2sp.org/tlog-proof@v1"
MAX_PATH = 64
"""Longest path that is read: no tree has 2^64 leaves."""
MAX_PROOF_BYTES = MAX_NOTE_BYTES + 64 * (MAX_PATH + 4)


@dataclass(frozen=True, slots=True)
class EntryProof:
    """That a leaf is in the log of a checkpoint; not believed yet."""

    index: int
    path: tuple[bytes, ...]
    """From the leaf's sibling up to the child of the root."""
    checkpoint: SignedCheckpoint

    @property
    def text(self) -> str:
        """Return the proof as C2SP writes it."""
        lines = [HEADER, f"index {self.index}", *map(b64, self.path), ""]
        return "".join(f"{line}\n" for line in lines) + self.checkpoint.data.decode()


def read_proof(text: str) -> EntryProof:
    """Read a proof; raise ``IntegrityError`` for anything else."""
    if len(text) > MAX_PROOF_BYTES:
        raise IntegrityError(f"a proof has at most {MAX_PROOF_BYTES} characters", "inclusion")
    head, gap, note = text.partition("\n\n")
    header, *lines = head.split("\n")
    if not gap or header != HEADER or not lines or not lines[0].startswith("index "):
        raise IntegrityError(f"a proof begins with {HEADER!r} and the leaf's number", "inclusion")
    if len(lines) - 1 > MAX_PATH:
        raise IntegrityError("a path of a proof is too long", "inclusion")
    path = tuple(unb64(line, "inclusion") for line in lines[1:])
    if any(len(item) != HASH_BYTES for item in path):
        raise IntegrityError("a hash of a proof is 32 bytes", "inclusion")
    index = read_number(lines[0].removeprefix("index "), "inclusion")
    return EntryProof(index, path, read_checkpoint(note.encode()))
