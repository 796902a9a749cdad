"""What a commit of the spans table says of the batches that it numbered, signed with the log's key.

Rows lie in the table for a moment, and for days where the log cannot be sealed, before there is a leaf of them; most carry no
signature. So the commit that numbers batches says what their leaves will be, and only that is sealed.

Rules:
- It says the number of its first batch, and of each from there on the leaf hash of its manifest: writer, numbers, every row.
- It is signed like entries about the table (``entry``): who can sign checkpoints can sign it, and nobody else.
- One that is not signed by a log key that was good then, or that cannot be read, says nothing.

Left out: where it lies (``adapters.table``) and who holds batches against it (``adapters.vouched``).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from actors.base.canonical import canonical_json, decode
from actors.base.certificates import TrustBundle
from actors.base.errors import IntegrityError
from actors.base.signing import SigningKey
from actors.spans.entry import read_entry, sign_entry
from actors.spans.merkle import HASH_BYTES

BATCHES: Final = "weavergen.batches"
"""Under what name a commit says it; what is signed is an entry of that name."""
_FIRST: Final = "weavergen.batches.first"
_LEAVES: Final = "weavergen.batches.leaves"

MAX_DIGITS = 16


class _Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is written down."""

    entry: dict[str, str]


def say(key: SigningKey, trust: TrustBundle, first: int, hashes: Sequence[bytes], now_s: int) -> str:
    """Say what leaf hash each batch from ``first`` on has; raise ``IntegrityError`` if nobody would believe this key."""
    words = {_FIRST: str(first), _LEAVES: b"".join(hashes).hex()}
    return canonical_json(_Said(sign_entry(key, trust, BATCHES, words, now_s))).decode()


def read_said(said: Iterable[str], trust: TrustBundle) -> dict[int, bytes]:
    """Return number → leaf hash of all batches of which somebody said something that is believed; the newest comes first."""
    found: dict[int, bytes] = {}
    for text in said:
        try:
            told = _told(read_entry(BATCHES, _entry(text), trust))
        except IntegrityError:
            continue
        for index, digest in told.items():
            found.setdefault(index, digest)
    return found


def about(said: Iterable[str], first: int, last: int) -> list[str]:
    """Return what is said of any of some batches, whoever said it."""
    return [text for text in said if any(first <= index <= last for index in _unbelieved(text))]


def _unbelieved(text: str) -> Iterable[int]:
    try:
        return _told(_entry(text))
    except IntegrityError:
        return ()


def _entry(text: str) -> dict[str, str]:
    return decode(text.encode(), _Said, "commit").entry


def _told(words: Mapping[str, str]) -> dict[int, bytes]:
    """Return number → leaf hash; raise ``IntegrityError`` unless all of it can be read."""
    first = words.get(_FIRST, "")
    try:
        hashes = bytes.fromhex(words.get(_LEAVES, ""))
    except ValueError as error:
        raise IntegrityError("what a commit says of its batches are no digests", "commit") from error
    if not (first.isascii() and first.isdecimal() and len(first) <= MAX_DIGITS) or len(hashes) % HASH_BYTES:
        raise IntegrityError("what a commit says of its batches has no number, or half a digest", "commit")
    starts = range(0, len(hashes), HASH_BYTES)
    return {int(first) + place: hashes[at : at + HASH_BYTES] for place, at in enumerate(starts)}
