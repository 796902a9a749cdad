"""TEMPORARY."""

from collections.abc import Mapping


def unshared(
    sinks_by_candidate: Mapping[int, tuple[str, frozenset[str]]], asked: frozenset[str]
) -> dict[int, tuple[str, ...]]:
    """Temporary."""
    lineages = {lineage for lineage, _ in sinks_by_candidate.values()}
    if len(lineages) < 2:
        return {}
    users: dict[str, set[str]] = {}
    for lineage, sinks in sinks_by_candidate.values():
        for sink in sinks - asked:
            users.setdefault(sink, set()).add(lineage)
    found = {
        k: tuple(sorted(s for s in sinks - asked if len(users[s]) == 1)) for k, (_, sinks) in sinks_by_candidate.items()
    }
    return {k: v for k, v in found.items() if v}


def asked_sinks(question: str) -> frozenset[str]:
    """Temporary."""
    return frozenset()
