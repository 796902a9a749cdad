"""Checkpoints (c2sp.org/tlog-checkpoint): what a log was at a moment, signed by it and by those who watch it.

Rules:
- The text is three lines: the log's origin, its size, the root over its leaves. Lines beyond them are refused in our own log's.
- Our log signs twice with one key: the text, for anyone's verifier, and the text with a time (a cosignature of its own), by
  which a key is judged that was replaced or revoked since.
- Our log's origin names its root key: it outlives any log key. A key that signed is good if root certified it for that time.
- A witness is who root certifies as one and has not revoked by now. The time of a signature is its signer's own word: a stolen
  key tells any. A key that root certified for anything else is no witness, so that whoever has the log's key makes none.
- Who changes a witness's line changes its name, its key's id or its signature: a line that has one of the first two and is not
  that witness's is spoiled, also where the witness was revoked since. Lines of others mean nothing.
- A witness counts once, whatever keys it has or had, and so does a key, whatever names it has.

Left out: who watches (``witness``), where checkpoints lie (``adapters.log``).
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from actors.base.canonical import b64, unb64
from actors.base.certificates import TrustBundle, check_certificate, holders, role_keys
from actors.base.errors import IntegrityError
from actors.base.signing import PublicKey, SigningKey
from actors.spans.log.note import KeyKind, Note, NoteKey, SignatureLine, read_note, sign_line, verify_line
from actors.spans.merkle import HASH_BYTES

ORIGIN_BEGINS = "weavergen/"
MAX_SIZE = 2**63 - 1
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class TreeHead:
    """The first three lines of a checkpoint."""

    origin: str
    """Whose log."""
    size: int
    """How many leaves."""
    root: bytes
    """What they come to."""
    more: tuple[str, ...] = ()
    """Extension lines: no witness vouches for them."""

    @property
    def text(self) -> str:
        """Return a note's text."""
        return "".join(f"{line}\n" for line in (self.origin, self.size, b64(self.root), *self.more))


def read_head(text: str) -> TreeHead:
    """Read a checkpoint's text; raise ``IntegrityError`` unless it is one."""
    lines = text.removesuffix("\n").split("\n")
    if not text.endswith("\n") or len(lines) < 3 or not all(lines):
        raise IntegrityError("a checkpoint is three lines or more, none of them empty", "checkpoint")
    origin, size, root, *more = lines
    data = unb64(root, "checkpoint")
    if len(data) != HASH_BYTES:
        raise IntegrityError("a checkpoint's root is 32 bytes", "checkpoint")
    return TreeHead(origin, read_number(size, "checkpoint"), data, tuple(more))


def read_number(text: str, what: str) -> int:
    """Read a number as these formats write it: ASCII digits without zeros before them."""
    if _NUMBER.fullmatch(text) is None or (number := int(text)) > MAX_SIZE:
        raise IntegrityError(f"{what}: {text[:32]!r} is no number of leaves", what)
    return number


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What our log was at a moment, believed."""

    log_id: str
    size: int
    root: str
    """Hex."""
    issued_at: int
    """Unix seconds."""
    witnesses: tuple[str, ...] = ()
    """Who else signed it, of those that were asked for."""


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A note that says what a log was; not believed yet."""

    note: Note

    @property
    def data(self) -> bytes:
        """Return the note's bytes."""
        return self.note.data

    @property
    def head(self) -> TreeHead:
        """Return what it says."""
        return read_head(self.note.text)

    def verify(self, trust: TrustBundle, witnesses: Sequence[NoteKey] = ()) -> Checkpoint:
        """Return what it says if a log key that was good when it was issued signed it, for the log of this bundle.

        Of ``witnesses`` those are told that signed it; a line in the name of one that is not its own spoils it.
        """
        head = self.head
        if head.origin != origin(trust):
            raise IntegrityError("checkpoint: it is of another log", "checkpoint")
        if head.more:
            raise IntegrityError("checkpoint: this log's have no lines beyond the third", "checkpoint")
        for time_s in dict.fromkeys(line.time_s for line in self.note.signatures if _is_own(line, head.origin)):
            for key in role_keys(trust, "log", time_s).values():
                plain, timed = log_keys(head.origin, key)
                signed = self.note.signed_by((plain, timed))
                if plain in signed and timed in signed and signed[timed].time_s == time_s:
                    others = _each_once(self.note.signed_by(witnesses))
                    return Checkpoint(log_id(trust), head.size, head.root.hex(), time_s, others)
        raise IntegrityError("checkpoint: no trusted log key signed it", "checkpoint")

    def cosigners(self, witnesses: Collection[NoteKey]) -> int:
        """Return how many of these witnesses signed it; 0 where a line spoils it: nobody who counts them takes it then."""
        try:
            return len(_each_once(self.note.signed_by(witnesses)))
        except IntegrityError:
            return 0

    def cosigned(self, lines: Iterable[SignatureLine]) -> "SignedCheckpoint":
        """Return it with what witnesses signed, each line once."""
        added = dict.fromkeys((*self.note.signatures, *lines))
        return SignedCheckpoint(Note(self.note.text, tuple(added)))


def read_checkpoint(data: bytes) -> SignedCheckpoint:
    """Read a signed checkpoint without believing it; raise ``IntegrityError`` if it is none."""
    signed = SignedCheckpoint(read_note(data))
    read_head(signed.note.text)
    return signed


def sign_checkpoint(key: SigningKey, of: str, size: int, root: bytes, now_ms: int) -> SignedCheckpoint:
    """Sign what the log of that origin is now."""
    text = TreeHead(of, size, root).text
    return SignedCheckpoint(Note(text, (sign_line(text, of, key), sign_line(text, of, key, now_ms // 1000))))


def log_id(trust: TrustBundle) -> str:
    """Return the id of the log whose checkpoints this bundle's keys may sign: it outlives any of them."""
    return PublicKey(trust.root).key_id


def origin(trust: TrustBundle) -> str:
    """Return the first line of that log's checkpoints."""
    return ORIGIN_BEGINS + log_id(trust)


def log_keys(of: str, key: PublicKey) -> tuple[NoteKey, NoteKey]:
    """Return a log key as others' verifiers know it: without and with a time."""
    return NoteKey(of, KeyKind.ED25519, key), NoteKey(of, KeyKind.COSIGNATURE, key)


def witness_keys(trust: TrustBundle, now_s: int) -> list[NoteKey]:
    """Return the keys of the witnesses that count by this bundle now."""
    other = {found.public_key for signed in trust.certificates if (found := signed.read()).role != "witness"}
    keys = [(found.subject, key) for found, key in holders(trust, "witness", now_s) if key.hex not in other]
    return [NoteKey(name, KeyKind.COSIGNATURE, key) for name, key in keys if name != origin(trust)]


def spoiled(signed: SignedCheckpoint, trust: TrustBundle) -> list[str]:
    """Return the names in lines that should be a witness's, by this bundle, and are not."""
    root, keys = PublicKey(trust.root), list[NoteKey]()
    for certified in trust.certificates:
        if (found := certified.read()).role == "witness" and found.subject != origin(trust):
            check_certificate(certified, root, "root", found.not_before)
            keys.append(NoteKey(found.subject, KeyKind.COSIGNATURE, PublicKey(found.public_key)))
    return [line.name for line in signed.note.signatures if _is_spoiled(signed.note.text, line, keys)]


def _is_spoiled(text: str, line: SignatureLine, keys: Sequence[NoteKey]) -> bool:
    near = [key for key in keys if line.name == key.name or line.key_id == key.key_id]
    for key in near:
        if (line.name, line.key_id) == (key.name, key.key_id):
            try:
                verify_line(text, key, line)
            except IntegrityError:
                continue
            return False
    return bool(near)


def _each_once(keys: Iterable[NoteKey]) -> tuple[str, ...]:
    """Return names of keys, of which no two are one's, and no two keys' are one key."""
    by_key = {key.public: key.name for key in keys}
    return tuple(dict.fromkeys(by_key.values()))


def _is_own(line: SignatureLine, of: str) -> bool:
    """Tell whether a line may be the log's own with a time, which is below 2^63."""
    return line.name == of and len(line.data) == 8 + 64 and line.data[0] < 0x80
