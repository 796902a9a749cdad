"""Digests and salted commitments. SHA-256 throughout; a commitment is HMAC-SHA256 keyed by its salt."""

import hashlib
import hmac


def sha256_hex(data: bytes) -> str:
    """Return the lower-case hex SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def commitment(salt: bytes, content: bytes) -> str:
    """Commit to ``content`` without revealing it: hex HMAC-SHA256(salt, content); erasing the salt erases the link."""
    return hmac.digest(salt, content, "sha256").hex()


def equal(left: str, right: str) -> bool:
    """Compare two hex digests in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())
