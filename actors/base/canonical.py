"""Canonical JSON (RFC 8785) of ``msgspec.Struct`` values, and strict decoding of exactly those bytes.

Rules:
- Signed structures hold strings, integers within ±(2^53-1), booleans, null, lists, objects; never floats. Fractions are
  decimal strings (``decimal_str``).
- Object keys are ASCII, so that sorting by code point (msgspec) and by UTF-16 unit (RFC 8785 §3.2.3) is the same.
- ``decode`` accepts only the canonical bytes: it re-encodes what it read and compares, and refuses integers and keys
  outside these bounds. ``canonical_json`` trusts its caller for them: it runs for every answer.

Left out: free-form JSON; every signed thing has a type.
"""

import base64
import binascii
import re
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from actors.base.errors import IntegrityError

T = TypeVar("T", bound=msgspec.Struct)

MAX_SAFE_INTEGER = 2**53 - 1
MICRO = 1_000_000

_encoder = msgspec.json.Encoder(order="sorted")
_LONG = re.compile(rb"[:,\[]-?[0-9]{16}")
"""Where an integer of sixteen digits or more may stand in canonical JSON, or a word that looks like one."""
_DECIMAL = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,6})?", re.ASCII)


def canonical_json(value: msgspec.Struct) -> bytes:
    """Return the RFC 8785 bytes of a signed structure."""
    return _encoder.encode(value)


def decode(data: bytes, kind: type[T], what: str) -> T:
    """Read canonical bytes as ``kind``; raise ``IntegrityError`` naming ``what`` if they are anything else."""
    try:
        value = msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IntegrityError(f"{what} cannot be read: {error}", what) from error
    if canonical_json(value) != data:
        raise IntegrityError(f"{what} is not in canonical form (RFC 8785)", what)
    # Hundreds of microseconds for a long record: only where a key might not be ASCII or an integer might be too large.
    if (not data.isascii() or _LONG.search(data)) and not _within_bounds(msgspec.to_builtins(value)):
        raise IntegrityError(f"{what} holds an integer beyond 2^53-1 or a key that is not ASCII", what)
    return value


def _within_bounds(value: object) -> bool:
    if isinstance(value, dict):
        return all(key.isascii() and _within_bounds(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_within_bounds, value))
    return not isinstance(value, int) or -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER


@lru_cache(maxsize=4096)  # weights, quorums, supports: a panel's few, in every record
def decimal_str(micro: int) -> str:
    """Write millionths as a decimal string with exactly six places: ``410000`` → ``"0.410000"``."""
    sign = "-" if micro < 0 else ""
    whole, part = divmod(abs(micro), MICRO)
    return f"{sign}{whole}.{part:06d}"


@lru_cache(maxsize=4096)  # quorums and weights: the same few in every request
def micro(decimal: str) -> int:
    """Read a decimal string of at most nine and six digits as millionths; the inverse of ``decimal_str``."""
    if _DECIMAL.fullmatch(decimal) is None:
        raise IntegrityError(f"{decimal[:32]!r} is not a decimal with at most six places", "decimal")
    whole, _, part = decimal.removeprefix("-").partition(".")
    value = int(whole) * MICRO + int(part.ljust(6, "0"))
    return -value if decimal.startswith("-") else value


def b64(data: bytes) -> str:
    """Write bytes as padded standard base64 (RFC 4648 §4)."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def unb64(text: str, what: str) -> bytes:
    """Read strict base64: the only accepted form is the one ``b64`` writes."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise IntegrityError(f"{what} is not base64", what) from error
    if b64(data) != text:
        raise IntegrityError(f"{what} is not canonical base64", what)
    return data


def to_builtins(value: msgspec.Struct) -> dict[str, Any]:
    """Return a structure as plain dicts and lists, for responses."""
    result: dict[str, Any] = msgspec.to_builtins(value)
    return result
