"""What is looked at of rows."""

import numpy as np
from msgspec.structs import replace

from actors.spans import conventions as names
from actors.spans.checkers.baseline import OTHER, WORDS
from actors.spans.checkers.statistical_sights import ARRIVALS, TRAFFIC, look
from actors.spans.checkers.statistical_tests import bins_of
from actors.spans.columns import Rows
from tests.unit.actors.spans.checkers.traffic import A_FRAME, WRITER, Traffic


def test_voters_decisions_and_traffic_each_have_their_cells() -> None:
    """A cell a voter, layer and kind; one a layer and kind; one for all."""
    calls, decisions, traffic = look(Traffic().frames(3)).sights
    assert list(calls.keys) == [f"call|{voter}|primary|code:python" for voter in "abc"]
    assert list(decisions.keys) == ["decision|primary|code:python"]
    assert list(traffic.keys) == [TRAFFIC]
    assert (len(calls.rows), len(decisions.rows), len(traffic.rows)) == (9, 3, 3)


def test_every_row_that_is_looked_at_is_found_again() -> None:
    """By its writer and number, whatever it came in."""
    looked = look(Traffic().frames(4))
    calls, decisions, _ = looked.sights
    assert [looked.places[row] for row in decisions.rows] == [(WRITER, 1 + A_FRAME * n) for n in range(4)]
    assert [looked.places[row][1] for row in calls.rows[:3]] == [2, 3, 4]


def test_only_answers_have_a_latency() -> None:
    """How long something took that failed or came late is none of the voter's."""
    (frame,) = Traffic().frames(1)
    root, first, *others = frame.spans
    calls, *_ = look([Rows(WRITER, 1, 1, [root, replace(first, outcome="timeout"), *others])]).sights
    assert calls.values["latency"].tolist() == [
        -1, *bins_of(np.array([float(span.latency_ms) for span in others])).tolist(),
    ]  # fmt: skip
    assert WORDS[calls.words[0]] == "timeout"


def test_what_is_not_told_is_not_measured() -> None:
    """Tokens that are missing or no number, an outcome that nobody knows."""
    (frame,) = Traffic().frames(1)
    root, first, second, third = frame.spans
    odd = replace(first, attributes={names.GEN_AI_USAGE_OUTPUT_TOKENS: "many"}, outcome="vanished")
    calls, *_ = look([Rows(WRITER, 1, 1, [root, odd, second, third])]).sights
    assert (calls.values["input"][0], calls.values["output"][0], calls.words[0]) == (-1, -1, OTHER)
    assert (calls.values["output"][1:] > 0).all()


def test_other_rows_are_not_looked_at() -> None:
    """A breaker's, a client's word, another service's."""
    (frame,) = Traffic().frames(1)
    plain = replace(frame.spans[0], record=b"", decision_id="")
    rows = [plain, replace(plain, name=names.BREAKER, voter="a"), replace(plain, name=names.FEEDBACK, decision_id="d")]
    assert [len(sight.rows) for sight in look([Rows(WRITER, 1, 1, rows)]).sights] == [0, 0, 0]
    assert [len(sight.rows) for sight in look([]).sights] == [0, 0, 0]


def test_a_rate_is_how_fast_the_last_decisions_began() -> None:
    """A hundred a second, whatever their order; the first of a batch have none."""
    frames = Traffic().frames(30)
    for rows in (frames, frames[::-1]):
        *_, traffic = look(rows).sights
        rates = traffic.values["rate"].tolist()
        assert rates.count(-1) == ARRIVALS
        assert set(rates) == {-1, int(bins_of(np.array([100_000.0]))[0])}
