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

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from actors.spans import conventions as names
from actors.spans.checkers.baseline import OTHER, WORDS
from actors.spans.checkers.statistical_tests import Ints, bins_of
from actors.spans.columns import Rows
from actors.spans.span import Span

_WORD: Final[Mapping[str, int]] = {word: place for place, word in enumerate(WORDS)}
_ANSWERS: Final = ("agreed", "dissented")
_NOTHING: Final = -1.0
_AGREEMENT_STEPS: Final = 1024
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
    places: Sequence[tuple[str, int]]
    """Writer and number of each row that came."""


def look(parts: Iterable[Rows]) -> Looked:
    """Sort rows into columns."""
    places: list[tuple[str, int]] = []
    calls: list[tuple[int, Span]] = []
    roots: list[tuple[int, Span]] = []
    for part in parts:
        base = len(places)
        places += [(part.writer_id, seq) for seq in range(part.first_seq, part.first_seq + len(part.spans))]
        for at, span in enumerate(part.spans, base):
            if span.voter and span.decision_id:
                calls.append((at, span))
            elif span.record and span.name == names.INVOKE_WORKFLOW:
                roots.append((at, span))
    return Looked((_calls(calls), _decisions(roots), _traffic(roots)), places)


def _calls(found: Sequence[tuple[int, Span]]) -> Sight:
    spans = [span for _, span in found]
    cell, keys = _coded([f"{CALL}{span.voter}|{span.layer}|{span.answer_kind}" for span in spans])
    return Sight(
        rows=np.array([at for at, _ in found], np.int64),
        cell=cell,
        keys=keys,
        values={
            "latency": _bins([span.latency_ms if span.outcome in _ANSWERS else _NOTHING for span in spans]),
            "input": _bins([_tokens(span, names.GEN_AI_USAGE_INPUT_TOKENS) for span in spans]),
            "output": _bins([_tokens(span, names.GEN_AI_USAGE_OUTPUT_TOKENS) for span in spans]),
        },
        words=_words([span.outcome for span in spans]),
    )


def _decisions(found: Sequence[tuple[int, Span]]) -> Sight:
    spans = [span for _, span in found]
    cell, keys = _coded([f"decision|{span.layer}|{span.answer_kind}" for span in spans])
    return Sight(
        rows=np.array([at for at, _ in found], np.int64),
        cell=cell,
        keys=keys,
        values={
            "latency": _bins([span.latency_ms for span in spans]),
            "agreement": _bins([span.agreement * _AGREEMENT_STEPS for span in spans]),
        },
        words=_words([span.outcome for span in spans]),
    )


def _traffic(found: Sequence[tuple[int, Span]]) -> Sight:
    spans = [span for _, span in found]
    return Sight(
        rows=np.array([at for at, _ in found], np.int64),
        cell=np.zeros(len(found), np.int64),
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


def _coded(keys: Sequence[str]) -> tuple[Ints, list[str]]:
    codes: dict[str, int] = {}
    return np.array([codes.setdefault(key, len(codes)) for key in keys], np.int64), list(codes)


def _bins(values: Sequence[float]) -> Ints:
    measured = np.array(values, float)
    return np.where(measured < 0, -1, bins_of(measured))


def _words(words: Sequence[str]) -> Ints:
    return np.array([_WORD.get(word, OTHER) for word in words], np.int64)


def _tokens(span: Span, name: str) -> float:
    text = span.attributes.get(name, "")
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 10 else _NOTHING
