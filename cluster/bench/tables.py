"""The tables that several parts of the page have. Pure."""

from collections.abc import Mapping, Sequence

from cluster.bench.figures import CONNECTIONS, Table, Verdict

_REACHED = {True: "reached", False: "**not reached**", None: "not measured"}


def reached(verdict: Verdict) -> str:
    """Say whether what is wanted was reached."""
    return _REACHED[verdict.reached]


def measured(verdict: Verdict) -> str:
    """Return what was measured, with its unit, or a dash."""
    return "–" if verdict.measured is None else f"{verdict.measured:.2f} {verdict.unit}"


def rates(
    title: str, rows: Sequence[str], table: Table, missing: Mapping[str, str], what: Mapping[str, str], digits: int
) -> list[str]:
    """Return a row for each system: its figures at each number of connections, and what it is or why it is missing."""
    heads = " | ".join(f"{count} conn.: req/s | p50 ms | p99 ms" for count in CONNECTIONS)
    lines = [f"| {title} | {heads} | |", "|---|" + "---:|---:|---:|" * len(CONNECTIONS) + "---|"]
    for row in rows:
        cells = " | ".join(_cell(table, row, count, digits) for count in CONNECTIONS)
        lines.append(f"| {row} | {cells} | {missing.get(row, what[row])} |")
    return lines


def _cell(table: Table, row: str, connections: int, digits: int) -> str:
    found = table.get((row, connections))
    return f"{found.requests_per_s:.{digits}f} | {found.p50_ms:.2f} | {found.p99_ms:.2f}" if found else "– | – | –"
