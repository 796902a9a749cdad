"""The tables that several parts of the page have. Pure."""

from collections.abc import Mapping, Sequence

from cluster.bench.figures import CONNECTIONS, LITELLM, PORTKEY, Table, Verdict, ratio
from cluster.bench.stages import Share

_REACHED = {True: "reached", False: "**not reached**", None: "not measured"}


def reached(verdict: Verdict) -> str:
    """Say whether what is wanted was reached."""
    return _REACHED[verdict.reached]


def measured(verdict: Verdict) -> str:
    """Return what was measured, with its unit, or a dash."""
    return "–" if verdict.measured is None else f"{verdict.measured:.2f} {verdict.unit}"


def verdict_lines(judged: Sequence[Verdict]) -> list[str]:
    """Return a row for each wanted figure: what was measured, the limit, whether it was reached."""
    lines = ["| wanted | measured | limit | |", "|---|---:|---:|---|"]
    for verdict in judged:
        limit = f"{verdict.limit:.2f} {verdict.unit}"
        lines.append(f"| {verdict.wanted} | {measured(verdict)} | {limit} | {reached(verdict)} |")
    return lines


def ratio_lines(table: Table, ours: Sequence[str]) -> list[str]:
    """Return a row for each of ours and each peer: its requests a second as a multiple of the peer's."""
    lines = ["| requests/s of ours as a multiple of | 1 connection | 16 connections |", "|---|---:|---:|"]
    for row in ours:
        for peer in (LITELLM, PORTKEY):
            found = [ratio(table, row, peer, count) for count in CONNECTIONS]
            lines.append(f"| {row} / {peer} | " + " | ".join("–" if x is None else f"{x:.2f}" for x in found) + " |")
    return lines


def stage_lines(title: str, profiles: Mapping[str, Sequence[Share]]) -> list[str]:
    """Return a row for each stage, by the most that any column spends in it: its microseconds a request."""
    found = {system: {share.stage: share.us_per_request for share in shares} for system, shares in profiles.items()}
    stages = dict.fromkeys(share.stage for shares in profiles.values() for share in shares)
    ranked = sorted(stages, key=lambda stage: -max(each.get(stage, 0.0) for each in found.values()))
    lines = [f"| {title} | {' | '.join(found)} |", "|---|" + "---:|" * len(found)]
    for stage in ranked:
        cells = " | ".join(f"{each[stage]:.0f}" if stage in each else "–" for each in found.values())
        lines.append(f"| {stage} | {cells} |")
    return lines


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
