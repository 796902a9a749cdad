"""The section on cloud voters: its figures, what is wanted of them, its text. Pure.

Rules:
- Voters through the thin adapter and voters through the providers' SDKs are two panels, measured one after the other in one run;
  the peers are measured beside each, and a ratio is of figures of one panel.
- A wanted ratio is judged on requests per second, at each number of connections by itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cluster.bench.cloud_systems import ADAPTERS, PROVIDERS
from cluster.bench.figures import (
    CONSENSUS_TIMES,
    LITELLM,
    PORTKEY,
    SINGLE_TIMES,
    Table,
    Verdict,
    ratio_verdicts,
)
from cluster.bench.holders import together
from cluster.bench.hop import Hop
from cluster.bench.stages import Share
from cluster.bench.tables import rates, ratio_lines, stage_lines, verdict_lines
from models.providers.build import Adapter, Provider

TITLE = "Cloud voters"
_CARRIED: Mapping[Adapter, str] = {"thin": "thin", "sdk": "SDK"}
_HEADS: Mapping[Adapter, str] = {"thin": "through the thin adapter", "sdk": "through the SDKs"}
_CALLS = {"in process": "in the same process", "handle": "behind a Serve handle"}


def consensus(adapter: Adapter) -> str:
    """Return the row of the panel of three."""
    return f"consensus of three, {_CARRIED[adapter]}"


def single(provider: Provider, adapter: Adapter) -> str:
    """Return the row of one voter by its name."""
    return f"single {provider}, {_CARRIED[adapter]}"


def alone(provider: Provider) -> str:
    """Return the row of a provider's server, asked directly."""
    return f"{provider} server alone"


def singles(adapter: Adapter) -> tuple[Provider, ...]:
    """Return the providers whose voters are asked by name: through the SDKs all, else the one that the peers pass through to."""
    return PROVIDERS if adapter == "sdk" else PROVIDERS[:1]


def ours(adapter: Adapter) -> tuple[str, ...]:
    """Return the panel's rows of our own."""
    return (consensus(adapter), *(single(provider, adapter) for provider in singles(adapter)))


def yardsticks(adapter: Adapter) -> tuple[str, ...]:
    """Return the servers that are measured by themselves, once in a run."""
    return tuple(map(alone, PROVIDERS)) if adapter == ADAPTERS[0] else ()


def rows(adapter: Adapter) -> tuple[str, ...]:
    """Return the panel's rows."""
    return (*ours(adapter), LITELLM, PORTKEY, *yardsticks(adapter))


@dataclass(frozen=True, slots=True)
class Panel:
    """What was found with voters of one adapter."""

    adapter: Adapter
    table: Table
    missing: Mapping[str, str]
    """Row → why it could not be measured."""
    stages: Mapping[str, Sequence[Share]]
    """Row → where the replica's time goes."""
    holders: Mapping[str, Sequence[Share]]
    """Row → what holds the time that it spends on voters."""


@dataclass(frozen=True, slots=True)
class CloudRun:
    """Everything one run found."""

    machine: Mapping[str, str]
    versions: Mapping[str, str]
    seconds: float
    rounds: int
    panels: Sequence[Panel]
    hops: Sequence[Hop]


def verdicts(panels: Iterable[Panel]) -> list[Verdict]:
    """Judge what is wanted of each panel."""
    found: list[Verdict] = []
    for panel in panels:
        wanted = (
            (consensus(panel.adapter), LITELLM, CONSENSUS_TIMES),
            (single("openai", panel.adapter), PORTKEY, SINGLE_TIMES),
        )
        found += ratio_verdicts(panel.table, wanted)
    return found


def as_json(run: CloudRun) -> dict[str, Any]:
    """Return the run as plain values."""
    return {
        "seconds_per_cell": run.seconds,
        "rounds": run.rounds,
        "versions": dict(run.versions),
        "verdicts": [asdict(verdict) for verdict in verdicts(run.panels)],
        "panels": [_panel_json(panel) for panel in run.panels],
        "hops": [asdict(hop) for hop in run.hops],
    }


def _panel_json(panel: Panel) -> dict[str, Any]:
    cells = [{"system": row, "connections": count, **asdict(found)} for (row, count), found in panel.table.items()]
    shares = {"stages": panel.stages, "holders": panel.holders}
    plain = {what: {row: [asdict(s) for s in found] for row, found in each.items()} for what, each in shares.items()}
    return {"adapter": panel.adapter, "cells": cells, "missing": dict(panel.missing), **plain}


def section(run: CloudRun) -> str:
    """Return the section's text."""
    told = ", ".join(f"{name} {value}" for name, value in {**run.machine, **run.versions}.items())
    parts = [
        (
            "Voters of OpenAI, Anthropic and Google Gemini, each behind a local server that speaks its provider's protocol, with "
            "prices, so that the cap on spending is on the path, and `cloud`'s breakers. LiteLLM's proxy and Portkey's gateway "
            "pass through to the same OpenAI server. First all voters go through our thin adapter, then, in a system of its own, "
            f"through its provider's SDK; the peers are measured beside both. {run.seconds:g} s a cell after a warm-up, "
            f"{run.rounds} rounds in which they take turns, medians of the rounds."
        ),
        "",
        *verdict_lines(verdicts(run.panels)),
        "",
    ]
    for panel in run.panels:
        parts += [*rates(_HEADS[panel.adapter], rows(panel.adapter), panel.table, panel.missing, _what(), 0), ""]
        parts += [*ratio_lines(panel.table, ours(panel.adapter)), ""]
    parts += [*_holder_lines(run.panels), *_stage_lines(run.panels), *_hop_lines(run.hops)]
    return "\n".join([*parts, f"Run with `python -m cluster.bench.cloud`, part of `make bench`; {told}."])


def _what() -> dict[str, str]:
    found = {LITELLM: "peer: one call passed through", PORTKEY: "peer: one call passed through"}
    for adapter in ADAPTERS:
        found[consensus(adapter)] = "three calls, tally, signed record, durable before the answer leaves"
        for provider in PROVIDERS:
            found[single(provider, adapter)] = "one call, signed record, durable before the answer leaves"
    return found | {alone(provider): "yardstick: asked directly" for provider in PROVIDERS}


def _holder_lines(panels: Iterable[Panel]) -> list[str]:
    found = {row: shares for panel in panels for row, shares in panel.holders.items()}
    if not found:
        return []
    lines = [
        (
            "What holds a gateway replica's processor time at 16 connections, in microseconds a request and as its share of the "
            "whole: the kernel's account of the process, divided by what a sampler saw holding the interpreter."
        ),
        "",
        *stage_lines("held by", found),
        "",
        "| | " + " | ".join(found) + " |",
        "|---|" + "---:|" * len(found),
        _row(
            "the SDKs and what they stand on, µs", [f"{together(each).us_per_request:.0f}" for each in found.values()]
        ),
        _row("**their share of the replica**", [f"**{together(each).percent:.0f} %**" for each in found.values()]),
        _row("the whole, µs", [f"{sum(s.us_per_request for s in each):.0f}" for each in found.values()]),
    ]
    return [*lines, ""]


def _row(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def _stage_lines(panels: Iterable[Panel]) -> list[str]:
    found = {row: shares for panel in panels for row, shares in panel.stages.items()}
    return ["The same by stage:", "", *stage_lines("stage", found), ""] if found else []


def _hop_lines(hops: Sequence[Hop]) -> list[str]:
    if not hops:
        return []
    lines = [
        (
            "Why cloud voters run inside the gateway's replica: a voter that answers at once, asked in the same process and in a "
            "deployment of its own behind the Serve handle that engines are asked through."
        ),
        "",
        "| asked | at once | calls/s | µs of processor time a call, asking | answering | MiB of its own, answering |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for hop in hops:
        other = f"{hop.callee_us:.0f} | {hop.callee_mib:.0f}" if hop.where == "handle" else "– | –"
        lines.append(f"| {_CALLS[hop.where]} | {hop.width} | {hop.calls_per_s:.0f} | {hop.caller_us:.1f} | {other} |")
    return [*lines, ""]
