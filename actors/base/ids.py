"""ULIDs (github.com/ulid/spec): 48 bits of milliseconds, 80 random bits, 26 base32 characters, sortable by time."""

import os
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTERS = frozenset(_ALPHABET)
_LENGTH = 26
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def ulid(now_ms: int, randomness: bytes) -> str:
    """Build a ULID from a time in Unix milliseconds and ten random bytes."""
    if len(randomness) != 10:
        raise ValueError("a ULID takes ten random bytes")
    number = ((now_ms & (2**48 - 1)) << 80) | int.from_bytes(randomness, "big")
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])


def new_ulid() -> str:
    """Draw a ULID from the wall clock and the operating system's randomness (for shells; cores are handed ids)."""
    return ulid(time.time_ns() // 1_000_000, os.urandom(10))


def is_ulid(text: str) -> bool:
    """Tell whether ``text`` is a well-formed ULID."""
    return len(text) == _LENGTH and text[0] in "01234567" and _LETTERS.issuperset(text)


def ulid_time_ms(text: str) -> int:
    """Return the Unix milliseconds a ULID carries."""
    if not is_ulid(text):
        raise ValueError(f"{text!r} is not a ULID")
    number = 0
    for character in text[:10]:
        number = number * 32 + _ALPHABET.index(character)
    return number
