"""The page and the picture of the soak campaign. Pure."""

from collections.abc import Mapping
from typing import Any

from cluster.acceptance import soak_figures
from cluster.acceptance.soak import VERDICT
from cluster.acceptance.timeline import Panel, picture

_COLUMNS = {
    "minute": "minute", "fault": "fault", "requests": "requests", "served": "served", "p50_ms": "p50 ms",
    "p99_ms": "p99 ms", "refused_429_by_code": "429", "other_outcomes": "other outcomes",
    "last_not_served_s_after_the_fault": "last not served, s after the fault", "p99_after_the_fault_ms": "p99 after it, ms",
}  # fmt: skip
_HELD = {
    "minute": "minute", "rss_mib": "resident MiB", "handles": "file handles", "threads": "threads", "tasks": "tasks",
    "wal_mib": "log MiB", "spans_mib": "spans MiB", "state_db_mib": "state database MiB", "load_average": "load average",
}  # fmt: skip


def page(name: str, about: str, results: Mapping[str, Any]) -> str:
    """Return Markdown."""
    checkpoints = [found for stage, found in results.items() if stage != VERDICT]
    parts = [f"# {name}", "", about.replace("``", "`").strip(), "", f"`make acceptance NAME={name}`", ""]
    parts += [f"![resident memory over time]({name}.svg)", ""]
    if (found := results.get(VERDICT)) is not None:
        parts += _verdict(found)
    parts += [
        "## Requests",
        "",
        *_table(_COLUMNS, checkpoints),
        "",
        "## What the system held",
        "",
        *_table(_HELD, checkpoints),
    ]
    if found is not None:
        parts += ["", "## Trends", "", *_trends(found["trends"]), "", "## How it is judged", "", *_rule(found)]
    return "\n".join(parts) + "\n"


def svg(results: Mapping[str, Any]) -> str:
    """Return resident memory over time, of everything and of the largest roles."""
    series: Mapping[str, Any] = results.get(VERDICT, {}).get("series", {})
    lines = {role: [(minute * 60.0, mib) for minute, mib in points] for role, points in series.items()}
    parts = sorted((role for role in lines if role != "all"), key=lambda role: -lines[role][-1][1])[:6]
    panels = [
        Panel("resident memory of all processes, MiB", {role: lines[role] for role in ("all",) if role in lines}),
        Panel("resident memory by role, MiB", {role: lines[role] for role in parts}),
    ]
    return picture("resident memory under a long load", {"weavergen": panels})


def _verdict(found: Mapping[str, Any]) -> list[str]:
    records = found["records"]
    lines = [
        f"{'Flat' if found['flat'] else '**Not flat**'} after {found['minutes']:g} minutes, {found['looks']} looks.",
        f"Records looked for on disk: {records['checked_on_disk']},",
        f"missing or wrong: {records['answers_without_verifiable_record']}.",
    ]
    return [*lines, "", *(f"- {climb}" for climb in found["not_flat"]), ""]


def _table(columns: Mapping[str, str], rows: list[Mapping[str, Any]]) -> list[str]:
    heads = [f"| {' | '.join(columns.values())} |", "|" + "---|" * len(columns)]
    return heads + [f"| {' | '.join(_shown(row.get(key)) for key in columns)} |" for row in rows]


def _trends(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    heads = "| role | what | level | highs, a day | at least | lows, a day | at least | windows | judged, s | |"
    return [heads, "|---|---|" + "---:|" * 7 + "---|"] + [
        f"| {role} | {what.replace('_', ' ')} | {one['level']:g} | {one['highs_per_day']:+g} | {one['highs_at_least']:+g} | "
        f"{one['lows_per_day']:+g} | {one['lows_at_least']:+g} | {one['windows']} | {one['judged_s']:g} | "
        f"{one['verdict'] if one['flat'] else '**' + one['verdict'] + '**'} |"
        for role, held in found.items() for what, one in held.items()
    ]  # fmt: skip


def _rule(found: Mapping[str, Any]) -> list[str]:
    """Return the judge's rules and limits in its own words, with this run's figures."""
    allowed = ", ".join(f"{what.replace('_', ' ')} {most:g}" for what, most in found["allowed_a_day"].items())
    _, _, rules = str(soak_figures.__doc__).partition("\n\n")
    told = f"`warm_s` {found['warm_s']:g}, `window_s` {found['window_s']:g}; allowed growth a day: {allowed}."
    return [told, "", rules.replace("``", "`").replace("Rules:\n", "Rules:\n\n", 1).strip()]


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever a checkpoint has
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {count}" for key, count in value.items()) or "none"
    return "–" if value is None else str(value)
