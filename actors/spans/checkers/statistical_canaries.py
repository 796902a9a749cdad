"""Canaries of the StatisticalAnomalyDetector: voters that it has known from the first, and that are not as they were. Pure.

Rules:
- They vote in layers that no profile can have; the detector has a baseline for them that it was not taught, so that it proves
  that it sees before anybody taught it. What it sees of real voters while they are warming up is nothing, and told as that.
- They are judged beside real rows and believed apart from them: a hundred made up to be odd must not make others look odd.

Left out: that baseline (``statistical``).
"""

from collections.abc import Iterator

from actors.spans import conventions as names
from actors.spans.checkers.baseline import CANARY_OUTPUT, CANARY_VOTERS, Canaries
from actors.spans.checkers.canaries import Canary, Given, plain, rows_of
from actors.spans.checkers.statistical import LEAST_WINDOW, NAME
from actors.spans.span import Span

_FAR = 2**12


def statistical_canaries(given: Given) -> list[Canary]:
    """Return an odd row, a voter that moved, and one that is another."""
    odd = rows_of(given, 80, *_calls(given, 600, Canaries.ODD, 1, "agreed", CANARY_OUTPUT * _FAR))
    moved = rows_of(given, 81, *_calls(given, 700, Canaries.MOVED, LEAST_WINDOW, "agreed", CANARY_OUTPUT * 4))
    other = rows_of(given, 82, *_calls(given, 900, Canaries.OTHER, LEAST_WINDOW, "dissented", CANARY_OUTPUT * 16))
    return [Canary(odd, NAME, "odd"), Canary(moved, NAME, "moved"), Canary(other, NAME, "another_voter")]


def _calls(given: Given, first: int, layer: str, count: int, outcome: str, output: int) -> Iterator[Span]:
    """Yield calls of a voter that is as it was, then as many of one that is not."""
    steady, changed = CANARY_VOTERS
    for place in range(count):
        yield _call(given, first + 2 * place, layer, steady, "agreed", CANARY_OUTPUT)
    for place in range(count):
        yield _call(given, first + 2 * place + 1, layer, changed, outcome, output)


def _call(given: Given, number: int, layer: str, voter: str, outcome: str, output: int) -> Span:
    return plain(
        given, number, voter=voter, layer=layer, outcome=outcome, decision_id="canary", answer_kind="text",
        attributes={names.GEN_AI_USAGE_INPUT_TOKENS: "8", names.GEN_AI_USAGE_OUTPUT_TOKENS: str(output)},
    )  # fmt: skip
