"""TEMPORARY."""

import msgspec


class Comparison(msgspec.Struct, frozen=True):
    """Temporary."""

    groups: dict[int, int] = {}
    vector_sha256: dict[int, str] = {}
    examples_total: int = 0
    examples_passed: dict[int, int] = {}
    gate_failed: frozenset[int] = frozenset()
    nondeterministic: frozenset[int] = frozenset()
    calls: int = 0
