"""The text of an API key, ``wg_<id>_<secret>``: made, taken apart, hashed.

Rules:
- The id is a ULID and no secret; the secret is 32 random bytes in URL-safe base64 without padding (43 characters).
- Stored is SHA-256 of the whole text. A slow hash would guard guessable secrets; nobody guesses 256 random bits, and
  every request pays for the hash.
- Two digests are compared in constant time, and an unknown id costs the same work as a wrong secret.

Left out: who may do what (``auth``), and where the randomness comes from (adapters).
"""

import base64
import hashlib

from actors.base.ids import is_ulid

PREFIX = "wg_"
SECRET_BYTES = 32
_ID_END = len(PREFIX) + 26
_LENGTH = _ID_END + 1 + 43


def key_text(key_id: str, secret: bytes) -> str:
    """Write a key from its ULID and its 32 secret bytes."""
    if not is_ulid(key_id) or len(secret) != SECRET_BYTES:
        raise ValueError(f"a key takes a ULID and {SECRET_BYTES} secret bytes")
    return f"{PREFIX}{key_id}_{base64.urlsafe_b64encode(secret).decode().rstrip('=')}"


def key_id_of(presented: str) -> str | None:
    """Return the id in a presented key, ``None`` if it does not have a key's shape."""
    if len(presented) != _LENGTH or not presented.startswith(PREFIX) or presented[_ID_END] != "_":
        return None
    return presented[len(PREFIX) : _ID_END] if presented.isascii() else None


def key_digest(text: str) -> bytes:
    """Return the 32 bytes that are kept in a key's stead."""
    return hashlib.sha256(text.encode()).digest()
