"""What the statistics look at: rows of one sort side by side, in columns, each with its cell of the baseline. Pure.

Rules:
- A *voter's call* is looked at beside that voter's other calls in that layer for that kind of answer: how long an answer took,
  tokens in and out, how it ended. How long something took that ended otherwise is no latency of the voter's.
- A *decision* is looked at beside others of its kind and layer: how long, how much agreement, how it ended.
- *Traffic* is looked at as a whole: how fast decisions began after one another, over ``ARRIVALS`` of their batch (only fast
  is odd, not slow), and what was asked for.
- Rows of any other sort are not looked at.

Left out: what is odd about it (``statistical``).
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

import numpy as np

from actors.spans import conventions as names
from actors.spans.checkers.arrays import Places
from actors.spans.checkers.baseline import OTHER, WORDS
from actors.spans.checkers.statistical_tests import Ints, bins_of
from actors.spans.columns import Rows
from actors.spans.span import Span

_WORD: Final[Mapping[str, int]] = {word: place for place, word in enumerate(WORDS)}
_ANSWERS: Final = ("agreed", "dissented")
_NOTHING: Final = -1.0
_AGREEMENT_STEPS: Final = 1024
K = TypeVar("K", bound=Hashable)
CALL: Final = "call|"
TRAFFIC: Final = "traffic"
ARRIVALS: Final = 8


@dataclass(frozen=True, slots=True)
class Sight:
    """Rows of one sort, in columns of one length."""

    rows: Ints
    """Place of each among all rows that came."""
    cell: Ints
    """Index into ``keys``."""
    keys: Sequence[str]
    """Names of cells."""
    values: Mapping[str, Ints]
    """What is measured → bins; −1 where a row has no such value."""
    words: Ints


@dataclass(frozen=True, slots=True)
class Looked:
    """All that is looked at of some rows."""

    sights: tuple[Sight, ...]
    places: Places
    """Writer and number of each row that came."""


def look(parts: Sequence[Rows]) -> Looked:
    """Sort rows into columns."""
    spans = [span for part in parts for span in part.spans]
    calls = [at for at, span in enumerate(spans) if span.voter and span.decision_id]
    roots = [
        at for at, span in enumerate(spans)
        if span.record and span.name == names.INVOKE_WORKFLOW and not (span.voter and span.decision_id)
    ]  # fmt: skip
    asked, decided = [spans[at] for at in calls], [spans[at] for at in roots]
    return Looked((_calls(calls, asked), _decisions(roots, decided), _traffic(roots, decided)), Places(parts))


def _calls(places: Sequence[int], spans: Sequence[Span]) -> Sight:
    cell, found_in = _coded([(span.voter, span.layer, span.answer_kind) for span in spans])
    return Sight(
        rows=np.array(places, np.int64),
        cell=cell,
        keys=[f"{CALL}{voter}|{layer}|{kind}" for voter, layer, kind in found_in],
        values={
            "latency": _bins([span.latency_ms if span.outcome in _ANSWERS else _NOTHING for span in spans]),
            "input": _bins([_count(span.attributes.get(names.GEN_AI_USAGE_INPUT_TOKENS, "")) for span in spans]),
            "output": _bins([_count(span.attributes.get(names.GEN_AI_USAGE_OUTPUT_TOKENS, "")) for span in spans]),
        },
        words=_words([span.outcome for span in spans]),
    )


def _decisions(places: Sequence[int], spans: Sequence[Span]) -> Sight:
    cell, found_in = _coded([(span.layer, span.answer_kind) for span in spans])
    return Sight(
        rows=np.array(places, np.int64),
        cell=cell,
        keys=[f"decision|{layer}|{kind}" for layer, kind in found_in],
        values={
            "latency": _bins([span.latency_ms for span in spans]),
            "agreement": _bins([span.agreement * _AGREEMENT_STEPS for span in spans]),
        },
        words=_words([span.outcome for span in spans]),
    )


def _traffic(places: Sequence[int], spans: Sequence[Span]) -> Sight:
    return Sight(
        rows=np.array(places, np.int64),
        cell=np.zeros(len(spans), np.int64),
        keys=[TRAFFIC],
        values={"rate": _rates(np.array([span.start_unix_nano for span in spans], np.int64))},
        words=_words([span.answer_kind.partition(":")[0] for span in spans]),
    )


def _rates(began_ns: Ints) -> Ints:
    """Return the bin of how many decisions began in a thousand seconds, as fast as the last ones did; −1 for the first of all."""
    order = np.argsort(began_ns, kind="stable")
    took_ns = np.maximum(began_ns[order][ARRIVALS:] - began_ns[order][:-ARRIVALS], 1)
    found = np.full(len(began_ns), -1, np.int64)
    found[order[ARRIVALS:]] = bins_of(ARRIVALS * 1e12 / took_ns)
    return found


def _coded(keys: Sequence[K]) -> tuple[Ints, list[K]]:
    codes: dict[K, int] = {}
    return np.array([codes.setdefault(key, len(codes)) for key in keys], np.int64), list(codes)


def _bins(values: Sequence[float]) -> Ints:
    measured = np.array(values, float)
    return np.where(measured < 0, -1, bins_of(measured))


def _words(words: Sequence[str]) -> Ints:
    return np.array([_WORD.get(word, OTHER) for word in words], np.int64)


@lru_cache(maxsize=16_384)
def _count(text: str) -> float:
    """Return how many tokens a row says; few numbers, each of them many times."""
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 10 else _NOTHING
