"""From repeated measurements to one table and to whether what is wanted was reached. Pure.

Rules:
- A figure is the median over the rounds; systems take turns within a round, so that what the machine does hits all alike.
- A wanted ratio is judged on requests per second, at each number of connections by itself.
- Added latency is our median at one connection less the upstream's alone; it may be 2 ms and what one ``fdatasync`` takes.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cluster.bench.load import Figures

CONSENSUS, SINGLE = "consensus of three", "single voter"
LITELLM, PORTKEY = "LiteLLM proxy", "Portkey gateway"
UPSTREAM, EMPTY = "upstream alone", "empty application"
CONNECTIONS = (1, 16)
CONSENSUS_TIMES, SINGLE_TIMES, ADDED_MS = 3.0, 1.0, 2.0

Table = Mapping[tuple[str, int], Figures]
"""(system, connections) → figures; a system that could not be measured is not in it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One wanted figure; ``measured`` is ``None`` where one of its sides could not be measured."""

    wanted: str
    measured: float | None
    limit: float
    unit: str
    reached: bool | None


def median(samples: Sequence[Figures]) -> Figures:
    """Return the median of each figure."""
    return Figures(
        statistics.median(sample.requests_per_s for sample in samples),
        statistics.median(sample.p50_ms for sample in samples),
        statistics.median(sample.p99_ms for sample in samples),
    )


def tabulate(samples: Mapping[tuple[str, int], Sequence[Figures]]) -> dict[tuple[str, int], Figures]:
    """Return the median of every cell that was measured."""
    return {cell: median(found) for cell, found in samples.items() if found}


def ratio(table: Table, ours: str, peer: str, connections: int) -> float | None:
    """Return our requests per second as a multiple of a peer's."""
    mine, theirs = table.get((ours, connections)), table.get((peer, connections))
    return mine.requests_per_s / theirs.requests_per_s if mine and theirs else None


def verdicts(table: Table, fdatasync_p50_ms: float) -> list[Verdict]:
    """Judge every wanted figure."""
    wanted = ((CONSENSUS, LITELLM, CONSENSUS_TIMES), (SINGLE, PORTKEY, SINGLE_TIMES))
    return [*ratio_verdicts(table, wanted), _added_verdict(table, fdatasync_p50_ms)]


def ratio_verdicts(table: Table, wanted: Iterable[tuple[str, str, float]]) -> list[Verdict]:
    """Judge each (ours, peer, least ratio) at each number of connections."""
    return [_ratio_verdict(table, *each, connections) for each in wanted for connections in CONNECTIONS]


def _ratio_verdict(table: Table, ours: str, peer: str, least: float, connections: int) -> Verdict:
    measured = ratio(table, ours, peer, connections)
    plural = "connection" if connections == 1 else "connections"
    wanted = f"{ours} ≥ {least:g} × {peer}, {connections} {plural}"
    return Verdict(wanted, measured, least, "×", None if measured is None else measured >= least)


def _added_verdict(table: Table, fdatasync_p50_ms: float) -> Verdict:
    mine, upstream = table.get((SINGLE, 1)), table.get((UPSTREAM, 1))
    limit = ADDED_MS + fdatasync_p50_ms
    added = mine.p50_ms - upstream.p50_ms if mine and upstream else None
    wanted = f"added p50, {SINGLE}, 1 connection ≤ {ADDED_MS:g} ms + fdatasync p50"
    return Verdict(wanted, added, limit, "ms", None if added is None else added <= limit)
