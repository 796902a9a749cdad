"""Rows as three voters at work leave them, drawn by a seed; and what may become of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from actors.spans import conventions as names
from actors.spans.checkers.finding import Arrivals, Finding
from actors.spans.checkers.statistical import StatisticalAnomalyDetector
from actors.spans.columns import Rows
from actors.spans.span import Span
from tests.unit.actors.spans.telemetry import NOW_S, writer_id

WRITER = writer_id(1)
VOTERS = ("a", "b", "c")
A_FRAME = 1 + len(VOTERS)


@dataclass(frozen=True)
class Call:
    """What a voter's call was like."""

    voter: str
    outcome: str
    latency_ms: int
    output: int


Change = Callable[[Call], Call]


def as_it_was(call: Call) -> Call:
    """Change nothing."""
    return call


class Traffic:
    """Draws decisions one after another."""

    def __init__(self, seed: int = 1) -> None:
        self._rng = np.random.default_rng(seed)
        self._number = 0

    def frames(self, count: int, change: Change = as_it_was) -> list[Rows]:
        """Return so many decisions' rows, about a hundred a second."""
        return [self._frame(change) for _ in range(count)]

    def _frame(self, change: Change) -> Rows:
        rng, number = self._rng, self._number
        self._number += 1
        began = int(NOW_S * 1e9) + number * 10_000_000
        calls = [
            change(Call(
                voter, "agreed" if rng.random() < 0.9 else "dissented", int(rng.lognormal(6, 0.6)), int(rng.lognormal(5, 0.4)),
            ))
            for voter in VOTERS
        ]  # fmt: skip
        root = Span(
            number.to_bytes(16, "big"), b"root----", b"", names.INVOKE_WORKFLOW, "server", began, began + 10**9, "ok",
            f"decision {number}", "t", {}, layer="primary", outcome="answered", latency_ms=int(rng.lognormal(7, 0.5)),
            agreement=1.0, answer_kind="code:python", record=b"{}",
        )  # fmt: skip
        return Rows(WRITER, 1 + A_FRAME * number, 1, [root, *(_span(call, root) for call in calls)])


def _span(call: Call, root: Span) -> Span:
    return Span(
        root.trace_id, call.voter.encode().ljust(8), root.span_id, names.chat_span_name(call.voter), "client",
        root.start_unix_nano, root.start_unix_nano + call.latency_ms * 1_000_000, "ok", root.decision_id, "t",
        {names.GEN_AI_USAGE_INPUT_TOKENS: "100", names.GEN_AI_USAGE_OUTPUT_TOKENS: str(call.output)},
        voter=call.voter, family=call.voter, layer="primary", outcome=call.outcome, latency_ms=call.latency_ms,
        answer_kind=root.answer_kind,
    )  # fmt: skip


def arrivals(frames: Iterable[Rows]) -> Arrivals:
    """Return rows that came now."""
    return Arrivals(list(frames), NOW_S)


def passed(
    detector: StatisticalAnomalyDetector, frames: Sequence[Rows], batch: int = 100
) -> list[Finding]:  # fmt: skip
    """Let frames through batch by batch: judged, what is critical set aside, the rest learned. Return all that was found."""
    found: list[Finding] = []
    for first in range(0, len(frames), batch):
        part = frames[first : first + batch]
        said = detector.check(arrivals(part))
        critical = {finding.seq for finding in said if finding.severity == "CRITICAL"}
        detector.set_aside(finding for finding in said if finding.seq in critical)
        detector.learn(arrivals(kept for rows in part for kept in _without(rows, critical)))
        found += said
    return found


def _without(rows: Rows, seqs: set[int]) -> list[Rows]:
    return [
        Rows(rows.writer_id, seq, rows.schema_version, [span])
        for seq, span in enumerate(rows.spans, rows.first_seq)
        if seq not in seqs
    ]
