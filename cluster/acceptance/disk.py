"""Every decision record on the disk of a system that is down.

No process of the system is asked: one that still remembers an answer would prove nothing about what is durable.
"""

from pathlib import Path

from actors.consensus.audit import Recorded
from actors.spans.config import SpansConfig
from cluster.acceptance.accounts import by_decision
from cluster.acceptance.system import System
from cluster.records import Unread, read_records
from cluster.status import processes


def records_of(system: System) -> dict[str, list[Recorded]]:
    """Return every decision's records; raise ``RuntimeError`` while a process of the system still runs."""
    if running := processes(system.home):
        raise RuntimeError(f"{len(running)} processes still run: what they hold in memory is not on disk")
    return records_in(system.home.root)


def records_in(root: Path) -> dict[str, list[Recorded]]:
    """Return every decision's records in ``root/wal`` and ``root/spans``; raise ``RuntimeError`` if any is unreadable."""
    found: list[Recorded] = []
    for item in read_records(root, SpansConfig()):
        if isinstance(item, Unread):
            raise RuntimeError(  # noqa: TRY004 - no matter of types
                f"{item.place} cannot be read: {item.why}"
            )
        found.append(item)
    return by_decision(found)


def commits_in(root: Path) -> int:
    """Return how many commits the spans table has seen."""
    return len(list((root / "spans" / "_delta_log").glob("*.json")))
