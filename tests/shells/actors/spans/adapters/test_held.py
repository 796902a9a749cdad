"""Which rows are taken out of a commit."""

from collections.abc import Sequence

from actors.spans.adapters.held import HeldRows
from actors.spans.adapters.progress import Buffer
from actors.spans.adapters.reporting import AGAIN_AFTER_S
from actors.spans.columns import Rows
from tests.unit.actors.spans.telemetry import at, spans_from, writer_id

OWN, FIRST, SECOND = writer_id(9), writer_id(1), writer_id(2)


def buffer() -> Buffer:
    """Return rows of two writers and of the actor's own."""
    rows = [
        Rows(FIRST, 1, 2, spans_from(1, 2)), Rows(OWN, 1, 2, spans_from(1, 1)), Rows(SECOND, 1, 2, spans_from(1, 3)),
        Rows(FIRST, 4, 2, spans_from(4, 1)),
    ]  # fmt: skip
    reached = {FIRST: 5, OWN: 1, SECOND: 3, f"adopted/{FIRST}": 2}
    return Buffer(rows, 7, 100, at().steady_s, reached)


def none_of(*bad: str) -> HeldRows:
    """Return what holds rows of those writers."""

    def why(rows: Sequence[Rows]) -> str:
        return "TypeError: no" if any(part.writer_id in bad for part in rows) else ""

    return HeldRows(OWN, why)


def test_only_the_rows_that_cannot_be_committed_leave() -> None:
    """All of their writer's, with how far it got; entries about its log stay with the actor's own rows, and so do others'."""
    held, given = none_of(FIRST), buffer()
    assert held.take_from(given, at(3))
    assert [(part.writer_id, part.first_seq) for part in given.rows] == [(OWN, 1), (SECOND, 1)]
    assert (given.count, given.reached) == (4, {OWN: 1, SECOND: 3, f"adopted/{FIRST}": 2})
    kept = held.writers[FIRST].buffer
    assert [part.first_seq for part in kept.rows] == [1, 4]
    assert (kept.count, kept.reached, held.count, held.since_s) == (3, {FIRST: 5}, 3, [at().steady_s])
    assert held.why == f"rows of {FIRST} cannot be committed: TypeError: no"


def test_where_nobody_s_rows_are_the_cause_nothing_is_taken_out() -> None:
    """Nor are the actor's own, which tell what became of others'."""
    for held in (none_of(), none_of(OWN)):
        given = buffer()
        assert not held.take_from(given, at())
        assert (given, held.why, held.count) == (buffer(), "", 0)


def test_rows_are_tried_again_after_a_while() -> None:
    """Not at every tick: it may be much work."""
    held = none_of(SECOND)
    held.take_from(buffer(), at())
    assert held.due(at(AGAIN_AFTER_S - 1)) == []
    assert held.due(at(AGAIN_AFTER_S)) == [SECOND]
