"""What a writer has handed to its log, counted where rows are numbered, and the row in which it says so. Pure.

Rules:
- Counts are of everything below a row's own number, since the writer's first row: they depend on no disk, and whoever reads
  the log can count the same rows again.
- A frame counts once its numbers are used up. One that was built and refused leaves its first number to the next one.

Left out: when such a row is written (the gateway), and what follows if counts differ (``checkers.cross_reference``).
"""

from collections.abc import Sequence

import msgspec

from actors.base.errors import IntegrityError
from actors.spans import conventions as names
from actors.spans.span import Span, moment

_DIGITS = 16
"""Of the largest count there can be: numbers of rows end at 2^53 − 1."""


class RowCounts(msgspec.Struct, frozen=True):
    """Rows by what they are."""

    rows: int = 0
    decisions: int = 0
    """Roots that carry a record."""
    voter_spans: int = 0
    withheld: int = 0
    """Answers that were taken back."""

    def __add__(self, other: "RowCounts") -> "RowCounts":
        return RowCounts(
            self.rows + other.rows, self.decisions + other.decisions, self.voter_spans + other.voter_spans,
            self.withheld + other.withheld,
        )  # fmt: skip

    def __sub__(self, other: "RowCounts") -> "RowCounts":
        mine, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return RowCounts(*(left - right for left, right in zip(mine, theirs, strict=True)))


_ATTRIBUTES = {
    "rows": names.COUNTED_ROWS, "decisions": names.COUNTED_DECISIONS, "voter_spans": names.COUNTED_VOTER_SPANS,
    "withheld": names.COUNTED_WITHHELD,
}  # fmt: skip


def counts_of(spans: Sequence[Span]) -> RowCounts:
    """Count rows."""
    recorded = [span.name for span in spans if span.record]
    voter_spans = [True for span in spans if span.voter and span.decision_id and not span.record]
    return RowCounts(
        len(spans), recorded.count(names.INVOKE_WORKFLOW), len(voter_spans), recorded.count(names.POLICY)
    )  # fmt: skip


class WriterCounts:
    """Counts what one writer numbers."""

    def __init__(self) -> None:
        self._sure = RowCounts()
        self._last: tuple[int, RowCounts] | None = None
        """First number and counts of the frame that was built last: it may yet have been refused."""

    def built(self, first_seq: int, spans: Sequence[Span]) -> None:
        """Note a frame that was built from that number on."""
        self._settle(first_seq)
        self._last = first_seq, counts_of(spans)

    def before(self, seq: int) -> RowCounts:
        """Return the counts of all rows below the number of the next frame."""
        self._settle(seq)
        return self._sure

    def _settle(self, next_seq: int) -> None:
        if self._last is not None and self._last[0] < next_seq:
            self._sure += self._last[1]
        self._last = None


def counters_span(counts: RowCounts, trace_id: bytes, span_id: bytes, now_ns: int) -> Span:
    """Build the row that says what was counted; it belongs to no decision."""
    attributes = {name: str(getattr(counts, field)) for field, name in _ATTRIBUTES.items()}
    return moment(trace_id, span_id, names.GATEWAY_COUNTERS, "internal", now_ns, attributes)


def counted(span: Span) -> RowCounts:
    """Read the counts that a row says; raise ``IntegrityError`` if it says none."""
    try:
        return RowCounts(**{field: _number(span.attributes[name]) for field, name in _ATTRIBUTES.items()})
    except (KeyError, ValueError) as error:
        raise IntegrityError(f"a row of {names.GATEWAY_COUNTERS} does not say what was counted", "counters") from error


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise ValueError("no count")
    return int(text)
