"""Witnesses (c2sp.org/tlog-witness): who remembers how far a log was, and vouches for a checkpoint only if it goes on from there.

Rules:
- A witness signs a checkpoint of a log that it knows, signed by that log's key, whose tree goes on from the last one it signed.
  So a log that was set back, or that shows two people different histories, gets no signature for one of them.
- What is judged here is the whole of the protocol's answer: status, body, and what to remember before it is given.
- A witness is heard by its own signature, made now: without it an answer is anybody's, and an older one anybody's recording.
- A checkpoint of no leaves is signed like any other; it is no memory of anything that could be lost.

Left out: keeping what is remembered and the key (``adapters.witness``), asking (``adapters.witnesses``), HTTP.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from actors.base.canonical import b64, unb64
from actors.base.errors import IntegrityError
from actors.spans.log.checkpoint import SignedCheckpoint, TreeHead, read_checkpoint, read_number
from actors.spans.log.note import MAX_NOTE_BYTES, NoteKey
from actors.spans.merkle import EMPTY_ROOT, HASH_BYTES, is_consistent

PATH = "/add-checkpoint"
MAX_PROOF_LINES = 63
MAX_REQUEST_BYTES = MAX_NOTE_BYTES + 64 * (MAX_PROOF_LINES + 2)
SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """What a log asks of a witness."""

    old_size: int
    """Of the last checkpoint that the witness signed, as far as the log knows."""
    path: tuple[bytes, ...]
    """That the new tree goes on from it."""
    checkpoint: SignedCheckpoint

    @property
    def data(self) -> bytes:
        """Return the request's body."""
        lines = [f"old {self.old_size}", *map(b64, self.path), ""]
        return "".join(f"{line}\n" for line in lines).encode() + self.checkpoint.data


def read_request(data: bytes) -> AddCheckpoint:
    """Read a request's body; raise ``IntegrityError`` for anything else."""
    if len(data) > MAX_REQUEST_BYTES:
        raise IntegrityError(f"a request has at most {MAX_REQUEST_BYTES} bytes", "request")
    head, gap, note = data.partition(b"\n\n")
    if not gap or not head.startswith(b"old ") or not head.isascii():
        raise IntegrityError(
            "a request begins with `old` and a size, and has an empty line before its checkpoint", "request"
        )
    old, *lines = head.decode().removeprefix("old ").split("\n")
    path = tuple(unb64(line, "request") for line in lines)
    if len(path) > MAX_PROOF_LINES or any(len(item) != HASH_BYTES for item in path):
        raise IntegrityError(f"a proof is at most {MAX_PROOF_LINES} hashes of 32 bytes", "request")
    return AddCheckpoint(read_number(old, "request"), path, read_checkpoint(note))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a witness answers."""

    status: int
    body: str
    content_type: str = TEXT_TYPE
    remember: SignedCheckpoint | None = None
    """To be durable before it is signed and the answer given; only then is the answer 200, and its body the signature."""


Keys = Callable[[str], Sequence[NoteKey]]
"""Origin of a log → the keys that its checkpoints may be signed with now; none of a log that is not watched."""
Last = Callable[[str], TreeHead | None]
"""Origin of a log → the last checkpoint that this witness signed."""


def judge(data: bytes, keys: Keys, last: Last) -> Verdict:
    """Answer a request to sign a checkpoint."""
    try:
        request = read_request(data)
    except IntegrityError as error:
        return Verdict(400, f"{error}\n")
    return _unknown(request, keys) or _conflict(request, last) or Verdict(200, "", remember=request.checkpoint)


def hold_fresh(shown: SignedCheckpoint, keys: Sequence[NoteKey], now_s: float, skew_s: float) -> None:
    """Raise ``IntegrityError`` unless one of a witness's keys signed what it shows, within ``skew_s`` of now (Unix seconds)."""
    times = [line.time_s for line in shown.note.signed_by(keys).values()]
    if not times:
        raise IntegrityError("it was not signed with the key of that witness", "witness")
    if (off_s := min(abs(now_s - time_s) for time_s in times)) > skew_s:
        raise IntegrityError(f"it was signed {off_s:.0f} s from now by this machine's clock, not now", "witness")


def _unknown(request: AddCheckpoint, keys: Keys) -> Verdict | None:
    """Refuse what is of no log that is watched, or not that log's word."""
    if not (known := keys(request.checkpoint.head.origin)):
        return Verdict(404, "this witness does not watch that log\n")
    try:
        if request.checkpoint.note.signed_by(known):
            return None
    except IntegrityError as error:
        return Verdict(403, f"{error}\n")
    return Verdict(403, "no key of that log signed the checkpoint\n")


def _conflict(request: AddCheckpoint, last: Last) -> Verdict | None:
    """Refuse what does not go on from the last checkpoint that was signed."""
    head = request.checkpoint.head
    seen = last(head.origin) or TreeHead(head.origin, 0, EMPTY_ROOT)
    if request.old_size > head.size:
        return Verdict(400, "the old size is larger than the checkpoint's\n")
    if request.old_size != seen.size:
        return Verdict(409, f"{seen.size}\n", SIZE_TYPE)
    if head.size == seen.size and seen.root != head.root:
        return Verdict(409, "another root was signed for that size\n")
    of_nothing = seen.size == 0
    goes_on = (
        not request.path if of_nothing else is_consistent(seen.size, head.size, seen.root, head.root, request.path)
    )
    return None if goes_on else Verdict(422, "the proof does not show that it goes on from the last checkpoint\n")
