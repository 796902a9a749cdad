"""Signed notes (c2sp.org/signed-note): a text, and lines that say who signed it.

Rules:
- A note is a text that ends in a newline, an empty line, and one signature line or more. It is UTF-8 without control
  characters, and no longer than ``MAX_NOTE_BYTES``. What reads as a note is written as the same bytes.
- A key is its name, its kind and its public key. Its id, four bytes of their digest, only tells which key to try.
- Signatures of unknown keys mean nothing. One of a known key that does not match makes the whole note worth nothing.
- An Ed25519 key signs the text (kind 1), or the text and a time (kind 4, c2sp.org/tlog-cosignature).

Left out: ML-DSA-44 and ECDSA; what a text says (``checkpoint``).
"""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from actors.base.canonical import b64, unb64
from actors.base.errors import IntegrityError
from actors.base.signing import PublicKey, SigningKey

MAX_NOTE_BYTES = 256 * 1024
"""Longest note that is read: sixteen signatures of any kind there is fit several times."""
MAX_TIME_S = 2**63 - 1
ID_BYTES = 4
_DASH = "— "
_TIME = struct.Struct(">Q")


class KeyKind(IntEnum):
    """Signature types of ours, as the signed-note text numbers them."""

    ED25519 = 0x01
    COSIGNATURE = 0x04


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A key that notes may be signed with, as a verifier knows it."""

    name: str
    kind: KeyKind
    public: PublicKey

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise IntegrityError(f"{self.name[:64]!r} is no key's name: it is empty or has a space or a plus", "key")

    @property
    def key_id(self) -> bytes:
        """Return the four bytes that tell it from others of its name."""
        data = self.name.encode() + b"\n" + bytes([self.kind]) + self.public.raw
        return hashlib.sha256(data).digest()[:ID_BYTES]

    @property
    def text(self) -> str:
        """Return the verifier key: name, id and key, joined by a plus."""
        return f"{self.name}+{self.key_id.hex()}+{b64(bytes([self.kind]) + self.public.raw)}"


def read_key(text: str) -> NoteKey:
    """Read a verifier key; raise ``IntegrityError`` unless it is one of ours, under the id that it must have."""
    name, _, rest = text.partition("+")
    data = unb64(rest.partition("+")[2], "key")
    if len(data) != 33 or data[0] not in set(KeyKind):
        raise IntegrityError(f"the key of {name[:64]!r} is not Ed25519", "key")
    key = NoteKey(name, KeyKind(data[0]), PublicKey(data[1:].hex()))
    if key.text != text:
        raise IntegrityError(f"the key of {name[:64]!r} is not the one that its id says", "key")
    return key


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature: whose, and its bytes."""

    name: str
    key_id: bytes
    data: bytes
    """Ed25519's 64 bytes, behind the eight bytes of a time where it has one."""

    @property
    def text(self) -> str:
        """Return the line, newline and all."""
        return f"{_DASH}{self.name} {b64(self.key_id + self.data)}\n"

    @property
    def time_s(self) -> int:
        """Return the time (Unix seconds) that a cosignature says it was made at, not believed yet."""
        if len(self.data) != _TIME.size + 64 or (time_s := int(_TIME.unpack_from(self.data)[0])) > MAX_TIME_S:
            raise IntegrityError(f"the signature of {self.name} has no time", "note")
        return time_s


def read_lines(text: str) -> tuple[SignatureLine, ...]:
    """Read signature lines; raise ``IntegrityError`` unless each is whole."""
    lines = []
    for line in text.removesuffix("\n").split("\n") if text.endswith("\n") else [""]:
        dash, name, data = line[: len(_DASH)], *line[len(_DASH) :].partition(" ")[::2]
        if dash != _DASH or not is_name(name) or len(raw := unb64(data, "note")) <= ID_BYTES:
            raise IntegrityError(f"{line[:64]!r} is no signature line of a note", "note")
        lines.append(SignatureLine(name, raw[:ID_BYTES], raw[ID_BYTES:]))
    return tuple(lines)


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures, none of which is believed yet."""

    text: str
    """Ends in a newline."""
    signatures: tuple[SignatureLine, ...]

    @property
    def data(self) -> bytes:
        """Return the whole note."""
        return f"{self.text}\n{''.join(line.text for line in self.signatures)}".encode()

    def signed_by(self, keys: Iterable[NoteKey]) -> dict[NoteKey, SignatureLine]:
        """Return which of the given keys signed it, each with its line.

        Raises ``IntegrityError`` if one of them is named by a line whose signature does not match.
        """
        known = {(key.name, key.key_id): key for key in keys}
        signed: dict[NoteKey, SignatureLine] = {}
        for line in self.signatures:
            key = known.get((line.name, line.key_id))
            if key is not None:
                verify_line(self.text, key, line)
                signed.setdefault(key, line)
        return signed


def read_note(data: bytes) -> Note:
    """Read a signed note; raise ``IntegrityError`` for anything else."""
    if len(data) > MAX_NOTE_BYTES:
        raise IntegrityError(f"a note has at most {MAX_NOTE_BYTES} bytes", "note")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise IntegrityError("a note is UTF-8", "note") from error
    if any(char < " " and char != "\n" for char in whole):
        raise IntegrityError("a note has no control characters", "note")
    text, gap, lines = whole.rpartition("\n\n")
    if not gap:
        raise IntegrityError("a note has a text, an empty line and signatures", "note")
    return Note(text + "\n", read_lines(lines))


def sign_line(text: str, name: str, key: SigningKey, time_s: int | None = None) -> SignatureLine:
    """Sign a note's text under a name; together with a time (Unix seconds) if one is given."""
    kind = KeyKind.ED25519 if time_s is None else KeyKind.COSIGNATURE
    stamp = b"" if time_s is None else _TIME.pack(time_s)
    key_id = NoteKey(name, kind, key.public).key_id
    return SignatureLine(name, key_id, stamp + key.sign_text(_message(text, time_s)))


def verify_line(text: str, key: NoteKey, line: SignatureLine) -> None:
    """Raise ``IntegrityError`` unless a line is the key's over the text."""
    time_s = line.time_s if key.kind is KeyKind.COSIGNATURE else None
    signature = line.data if time_s is None else line.data[_TIME.size :]
    key.public.verify_text(_message(text, time_s), signature, f"note of {key.name}")


def is_name(text: str) -> bool:
    """Tell whether a text may name a key."""
    return bool(text) and "+" not in text and not any(char.isspace() for char in text)


def _message(text: str, time_s: int | None) -> bytes:
    return (text if time_s is None else f"cosignature/v1\ntime {time_s}\n{text}").encode()
