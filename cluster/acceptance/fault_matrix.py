"""What became of each request under a provider's fault, and the matrix of it all. Pure.

Rules:
- *right*: 200 with a text that a voter said, whole to the last byte, ``stop``, and ``[DONE]`` where it was streamed.
- *error*: 503 or 504 in the contract's form, that clients must not retry, with the cause of every layer, or 429 with
  ``Retry-After`` if voters said that they were only busy; a voter that was asked by name has its own (``voter_unavailable``).
- *truncated*: 200 without the end of its text, or without its end marks. *wrong*: 200 with anything else.
- *hang*: later than the deadline and the second after it, whatever it was. *unclean*: everything else.
- A ballot of a voter that was struck never counts, neither for an answer nor against one.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from cluster.acceptance.official_client import Heard
from cluster.acceptance.struck_providers import PRIMARY

Word = Literal["right", "error", "truncated", "wrong", "unclean", "hang"]
GOOD: tuple[Word, ...] = ("right", "error")
BAD: tuple[Word, ...] = ("truncated", "wrong", "unclean", "hang")
AFTER_DEADLINE_S = 1.0
CLEAN = {"all_layers_failed": 503, "deadline_exceeded": 504, "overloaded": 429}
CLEAN_BY_NAME = {"voter_unavailable": 503, "deadline_exceeded": 504, "overloaded": 429}
MODES = ("whole", "streamed")
STRIKES = {
    "one": "One provider fails, a panel is asked",
    "named": "One provider fails, its voter is asked by name",
    "primaries": "Every provider of the primary layer fails",
    "everybody": "Every provider fails, backup included",
}
Cell = Mapping[str, Any]


def judged(heard: Heard, texts: Collection[str], layers: Sequence[str], deadline_s: float) -> Word:
    """Return what became of a request; ``layers`` have each to give their cause, none where a voter was asked by name."""
    if heard.took_s > deadline_s + AFTER_DEADLINE_S:
        return "hang"
    if heard.broke or heard.status == 0:
        return "unclean"
    if heard.status != 200:
        return "error" if is_clean(heard, layers) else "unclean"
    if heard.text in texts:
        return "right" if heard.finish_reason == "stop" and heard.is_done and heard.decision_id else "truncated"
    return "truncated" if any(text.startswith(heard.text) for text in texts) else "wrong"


def is_clean(heard: Heard, layers: Sequence[str]) -> bool:
    """Tell whether a refusal has the contract's form and says why."""
    error = heard.error.get("error")
    if not isinstance(error, Mapping) or not {"message", "type", "code", "param"} <= error.keys():
        return False
    clean, told = CLEAN if layers else CLEAN_BY_NAME, heard.error.get("weavergen", {})
    causes = {item["name"]: item.get("cause") for item in told.get("layer", {}).get("tried", [])}
    return clean.get(error["code"]) == heard.status and _says_when(heard) and all(causes.get(name) for name in layers)


def _says_when(heard: Heard) -> bool:
    """Tell whether a client is told to come back in its time if voters were only busy, and else not to multiply our retries."""
    if heard.status == 429:
        return bool(heard.headers.get("retry-after"))
    return heard.headers.get("x-should-retry") == "false" or _code(heard) == "503 voter_unavailable"


def counted_ballots(heard: Heard, struck: Collection[str]) -> int:
    """Return how many ballots of struck voters counted."""
    votes = (heard.told or heard.error.get("weavergen", {})).get("votes", [])
    return sum(vote["voter"] in struck and vote["outcome"] in ("agreed", "dissented") for vote in votes)


def cell(heard: Sequence[Heard], words: Sequence[Word], ballots: int, met: int) -> dict[str, Any]:
    """Return the figures of one cell: ``met`` requests reached a provider's fault."""
    bad = [item for item, word in zip(heard, words, strict=True) if word in BAD]
    return {
        "outcomes": {word: words.count(word) for word in (*GOOD, *BAD) if word in words},
        "p95_s": round(p95([item.took_s for item in heard]), 3),
        "codes": sorted({_code(item) for item in heard if item.status != 200}),
        "messages": {_code(item): _message(item) for item in heard if item.error},
        "asked": len(heard),
        "met_the_fault": min(met, len(heard)),
        "faulty_ballots_that_counted": ballots,
        "examples": [f"{item.status} {item.broke or item.text or dict(item.error)}"[:400] for item in bad[:2]],
    }


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile (nearest rank), of few values the largest."""
    return sorted(values)[max(0, math.ceil(0.95 * len(values)) - 1)]


def totals(results: Mapping[str, Any]) -> dict[str, int]:
    """Return what both modes add up to."""
    cells = [item for mode in MODES for item in results.get(mode, {}).get("cells", {}).values()]
    counts = {word: sum(item["outcomes"].get(word, 0) for item in cells) for word in (*GOOD, *BAD)}
    records = [results[mode]["records"] for mode in MODES if mode in results]
    return {
        "cells": len(cells),
        "requests": sum(item["asked"] for item in cells),
        "right answers": counts["right"],
        "clean errors": counts["error"],
        "truncated successes": counts["truncated"],
        "wrong answers": counts["wrong"],
        "unclean errors": counts["unclean"],
        "hangs past deadline + 1 s": counts["hang"],
        "ballots of struck voters that counted": sum(item["faulty_ballots_that_counted"] for item in cells),
        "requests that met no fault": sum(item["asked"] - item["met_the_fault"] for item in cells),
        "answers whose record was looked for on disk": sum(item["checked_on_disk"] for item in records),
        "answers without a verifiable record": sum(item["answers_without_verifiable_record"] for item in records),
    }


def page(name: str, about: str, results: Mapping[str, Any]) -> str:
    """Return Markdown: the totals, the short matrix, then every strike's."""
    loads = [f"{mode}: {results[mode]['load_average']}" for mode in MODES if mode in results]
    parts = [f"# {name}", "", about.replace("``", "`").strip(), "", f"`make acceptance NAME={name}`"]
    parts += ["", f"Load average of the machine before and after each mode: {'; '.join(loads)}."]
    parts += ["", "| total | |", "|---|---|", *(f"| {key} | {value} |" for key, value in totals(results).items())]
    parts += ["", "## In short", "", *short(results)]
    for strike, title in STRIKES.items():
        parts += ["", f"## {title}", "", *_matrix(strike, results)]
    return "\n".join(parts) + "\n"


def short(results: Mapping[str, Any]) -> list[str]:
    """Return the matrix that fits into the README: whole and streamed side by side."""
    names = {"openai": "OpenAI", "anthropic": "Anthropic", "gemini": "Gemini"}
    columns = [("one", item) for item in PRIMARY] + [("primaries", "all"), ("everybody", "all")]
    heads = [*(names[item] for item in PRIMARY), "all three", "backup, too"]
    lines = [f"| fault | {' | '.join(heads)} |", "|---|" + "---|" * len(columns)]
    for row in _rows(results):
        cells = [[_cell(results, mode, strike, who, row) for mode in MODES] for strike, who in columns]
        lines.append(f"| {row} | {' | '.join(_both(pair) for pair in cells)} |")
    return lines


def key_of(strike: str, who: str, row: str) -> str:
    """Return a cell's name in the results."""
    return f"{strike}/{who}/{row}"


def _matrix(strike: str, results: Mapping[str, Any]) -> list[str]:
    struck = PRIMARY if strike in ("one", "named") else ("all",)
    columns = [(who, mode) for who in struck for mode in MODES]
    lines = [f"| fault | {' | '.join(f'{who}, {mode}' for who, mode in columns)} |", "|---|" + "---|" * len(columns)]
    for row in _rows(results):
        shown = [_shown(_cell(results, mode, strike, who, row)) for who, mode in columns]
        lines.append(f"| {row} | {' | '.join(shown)} |")
    return lines


def _rows(results: Mapping[str, Any]) -> list[str]:
    names = [name.split("/")[2] for mode in MODES for name in results.get(mode, {}).get("cells", {})]
    return list(dict.fromkeys(names))


def _cell(results: Mapping[str, Any], mode: str, strike: str, who: str, row: str) -> Cell | None:
    found: Cell | None = results.get(mode, {}).get("cells", {}).get(key_of(strike, who, row))
    return found


def _shown(found: Cell | None) -> str:
    if found is None:
        return ""
    codes = f" ({', '.join(found['codes'])})" if found["codes"] else ""
    return f"{_words(found)}{codes}, {found['p95_s']:.2f} s"


def _words(found: Cell) -> str:
    outcomes = found["outcomes"]
    return next(iter(outcomes)) if len(outcomes) == 1 else ", ".join(f"{n} {word}" for word, n in outcomes.items())


def _both(pair: Sequence[Cell | None]) -> str:
    found = [item for item in pair if item is not None]
    words = " / ".join(dict.fromkeys(_words(item) for item in found))
    times = " / ".join(f"{item['p95_s']:.1f}" for item in found)
    return f"{words} {times} s" if found else ""


def _code(heard: Heard) -> str:
    error = heard.error.get("error")
    return f"{heard.status} {error.get('code')}" if isinstance(error, Mapping) else str(heard.status)


def _message(heard: Heard) -> str:
    error = heard.error.get("error")
    return str(error.get("message", ""))[:400] if isinstance(error, Mapping) else ""
