"""Variants by seed: the numbers and names an attacker changes when it grinds. Pure."""

from actors.base.digests import sha256_hex

_WORDS = ("cache", "metrics", "sync", "trace", "update", "stats", "audit", "index")


def number(seed: int, what: str, below: int) -> int:
    """Return a number from 1 to ``below`` − 1."""
    return 1 + int(sha256_hex(f"{seed}/{what}".encode())[:12], 16) % (below - 1)


def word(seed: int, what: str) -> str:
    """Return an innocent word."""
    return _WORDS[number(seed, what, len(_WORDS) + 1) - 1]


def host(seed: int) -> str:
    """Return a host that nobody has (RFC 2606)."""
    return f"{word(seed, 'host')}-{number(seed, 'host', 1_000)}.example.com"
