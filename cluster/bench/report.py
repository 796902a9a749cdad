"""The report: one Markdown page and the same as JSON. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cluster.bench.figures import (
    CONSENSUS,
    EMPTY,
    LITELLM,
    PORTKEY,
    SINGLE,
    UPSTREAM,
    Table,
    verdicts,
)
from cluster.bench.stages import Share
from cluster.bench.tables import rates, ratio_lines, verdict_lines

SYSTEMS = (CONSENSUS, SINGLE, LITELLM, PORTKEY, EMPTY, UPSTREAM)
_WHAT = {
    CONSENSUS: "WeaverGen, `model: consensus`: three calls, tally, signed record, durable before the answer leaves",
    SINGLE: "WeaverGen, one voter by name: one call, signed record, durable before the answer leaves",
    LITELLM: "peer: one call passed through",
    PORTKEY: "peer: one call passed through",
    EMPTY: "yardstick: an ASGI application that answers `{}`, behind the same Ray Serve and HAProxy",
    UPSTREAM: "yardstick: the local server that plays the voters, asked directly",
}


@dataclass(frozen=True, slots=True)
class Run:
    """Everything one run found."""

    machine: Mapping[str, str]
    versions: Mapping[str, str]
    seconds: float
    rounds: int
    table: Table
    missing: Mapping[str, str]
    """System → why it could not be measured."""
    sync_p50_ms: float
    sync_p99_ms: float
    profiles: Mapping[str, Sequence[Share]]
    """System → where a replica's time goes, at 16 connections."""


def as_json(run: Run) -> dict[str, Any]:
    """Return the run as plain values."""
    cells = [{"system": system, "connections": count, **asdict(found)} for (system, count), found in run.table.items()]
    return {
        "machine": dict(run.machine),
        "versions": dict(run.versions),
        "seconds_per_cell": run.seconds,
        "rounds": run.rounds,
        "cells": cells,
        "missing": dict(run.missing),
        "fdatasync_4kib": {"p50_ms": run.sync_p50_ms, "p99_ms": run.sync_p99_ms},
        "verdicts": [asdict(verdict) for verdict in verdicts(run.table, run.sync_p50_ms)],
        "profiles": {system: [asdict(share) for share in found] for system, found in run.profiles.items()},
    }


def markdown(run: Run) -> str:
    """Return the page."""
    parts = [
        "# Benchmarks",
        "",
        (
            "Written by `make bench`; the same figures are in `benchmarks.json`. "
            f"Everything ran on one machine, on loopback, with one worker each and authentication on: {run.seconds:g} s a cell "
            f"after a warm-up, {run.rounds} rounds in which the systems take turns, medians of the rounds, a closed loop of wrk."
        ),
        "",
        *verdict_lines(verdicts(run.table, run.sync_p50_ms)),
        "",
        *rates("system", SYSTEMS, run.table, run.missing, _WHAT, digits=0),
        "",
        (
            f"The disk: one `fdatasync` of a 4 KiB append takes {run.sync_p50_ms:.2f} ms (p50), {run.sync_p99_ms:.2f} ms (p99), "
            "measured between the rounds. Every answer of ours waits for one; concurrent answers share them."
        ),
        "",
        *ratio_lines(run.table, (CONSENSUS, SINGLE)),
        "",
        *_profile_lines(run.profiles),
        "## The machine",
        "",
        *_facts(run.machine),
        *_facts(run.versions),
        "",
        (
            "LiteLLM authenticates by its master key. Portkey's gateway has no keys of its own: it passes the caller's on, and "
            "the upstream checks it. Every system refused a wrong key, every request of every cell was answered with success, "
            "one answer of each system was compared with the recorded one, and our records verified."
        ),
    ]
    return "\n".join(parts) + "\n"


def _profile_lines(profiles: Mapping[str, Sequence[Share]]) -> list[str]:
    if not profiles:
        return []
    lines = [
        "## Where the time goes",
        "",
        (
            "Processor time of a gateway replica per request at 16 connections: the kernel's account of the process, divided "
            "by what a sampler saw holding the interpreter, by the innermost part of ours on the stack."
        ),
        "",
    ]
    for system, found in profiles.items():
        lines += [f"| {system} | share | µs a request |", "|---|---:|---:|"]
        lines += [f"| {share.stage} | {share.percent:.0f} % | {share.us_per_request:.0f} |" for share in found]
        lines.append("")
    return lines


def _facts(facts: Mapping[str, str]) -> list[str]:
    return [f"- {name}: {value}" for name, value in facts.items()]
