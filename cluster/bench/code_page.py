"""The section on requests for code: its figures, what is wanted of them, its text. Pure.

Rules:
- Screening cannot be switched off, so "before" is the same request with the same answers, asked for as text: nothing is screened
  or run, and all else is done. JSON of the same size, which is parsed and compared by its form as code is, stands beside it.
- A wanted ratio is judged on requests per second, at each number of connections by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cluster.bench.figures import CONNECTIONS, LITELLM, Table, Verdict, ratio_verdicts
from cluster.bench.spent import PARTS
from cluster.bench.stages import Share
from cluster.bench.tables import measured, rates, reached, stage_lines

TITLE = "Code"
SAME, NEW, DIFFERS = (
    "identical, the same code in every request",
    "identical, new code in each request",
    "written three ways",
)
TEXT, JSON = "the same answers as text", "JSON of that size"
ROWS = (SAME, TEXT, JSON, NEW, LITELLM, DIFFERS)
OURS = (SAME, TEXT, JSON, NEW, DIFFERS)
SAME_TIMES, NEW_TIMES = 0.8, 1.0
_WHAT = {
    SAME: "three candidates, screened once and then remembered",
    TEXT: "what it was before: three candidates, nothing screened or run",
    JSON: "three candidates, parsed and compared by their form; nothing screened or run",
    NEW: "three candidates, screened in each request",
    LITELLM: "peer: one call passed through, new code in each request",
    DIFFERS: "three candidates of three forms, screened and run in the sandbox until their behaviour is told",
}


@dataclass(frozen=True, slots=True)
class CodeRun:
    """Everything one run found."""

    machine: Mapping[str, str]
    seconds: float
    rounds: int
    table: Table
    missing: Mapping[str, str]
    """System → why it could not be measured."""
    spent: Mapping[tuple[str, int], Mapping[str, float]]
    """(system, connections) → milliseconds of processor time a request, by part."""
    profiles: Mapping[str, Sequence[Share]]
    """System → where the replica's time goes."""


def connections_of(system: str) -> tuple[int, ...]:
    """Return at how many connections a system is measured: comparing takes a processor to itself."""
    return CONNECTIONS[:1] if system == DIFFERS else CONNECTIONS


def verdicts(table: Table) -> list[Verdict]:
    """Judge what is wanted."""
    wanted = ((SAME, TEXT, SAME_TIMES), (NEW, LITELLM, NEW_TIMES))
    return ratio_verdicts(table, wanted)


def as_json(run: CodeRun) -> dict[str, Any]:
    """Return the run as plain values."""
    return {
        "seconds_per_cell": run.seconds,
        "rounds": run.rounds,
        "cells": [
            {
                "system": system, "connections": count, **asdict(found),
                "cpu_ms_a_request": {part: round(ms, 3) for part, ms in run.spent.get((system, count), {}).items()},
            }
            for (system, count), found in run.table.items()
        ],
        "missing": dict(run.missing),
        "verdicts": [asdict(verdict) for verdict in verdicts(run.table)],
        "profiles": {system: [asdict(share) for share in found] for system, found in run.profiles.items()},
    }  # fmt: skip


def section(run: CodeRun) -> str:
    """Return the section's text."""
    told = ", ".join(f"{name} {value}" for name, value in run.machine.items())
    parts = [
        (
            "Three recorded voters are asked for a function; LiteLLM's proxy passes one of them through, in the same run: "
            f"{run.seconds:g} s a cell (three times that for comparisons) after a warm-up, {run.rounds} rounds in which "
            "they take turns, medians of the rounds. "
            "Screening cannot be switched off: what a request for code cost before it is told by the same answers asked for as "
            "text, and by JSON of their size."
        ),
        "",
        *_verdict_lines(verdicts(run.table)),
        "",
        *rates("answers", ROWS, run.table, run.missing, _WHAT, digits=1),
        "",
        *_spent_lines(run),
        "",
        *_profile_lines(run.profiles),
        f"Run with `python -m cluster.bench.code`, part of `make bench`; {told}.",
    ]
    return "\n".join(parts)


def _verdict_lines(judged: Sequence[Verdict]) -> list[str]:
    lines = ["| wanted | measured | |", "|---|---:|---|"]
    return lines + [f"| {verdict.wanted} | {measured(verdict)} | {reached(verdict)} |" for verdict in judged]


def _spent_lines(run: CodeRun) -> list[str]:
    counts = {
        system: connections_of(system)[-1] for system in OURS if (system, connections_of(system)[-1]) in run.spent
    }
    if not counts:
        return []
    heads = " | ".join(f"{system}, {count} conn." for system, count in counts.items())
    lines = [
        "Processor time of a request in milliseconds, by process, as the kernel counted it:",
        "",
        f"| process | {heads} |",
        "|---|" + "---:|" * len(counts),
    ]
    for part in PARTS:
        cells = " | ".join(f"{run.spent[system, count][part]:.2f}" for system, count in counts.items())
        lines.append(f"| {part} | {cells} |")
    return lines


def _profile_lines(profiles: Mapping[str, Sequence[Share]]) -> list[str]:
    if not profiles:
        return []
    return [
        "Where the gateway replica's share of it goes, by a sampler, in microseconds a request:",
        "",
        *stage_lines("stage", profiles),
        "",
    ]
