"""A writer of forgeries has no more of them judged than are set aside; one that writes well is not slowed."""

from actors.spans.checkers.pace import Pace
from actors.spans.columns import Rows
from tests.unit.actors.spans.telemetry import spans_from, writer_id

W, X = writer_id(1), writer_id(2)


def frames(writer: str, count: int, first: int = 1) -> list[Rows]:
    """Return so many frames of two rows each."""
    return [Rows(writer, first + 2 * n, 1, spans_from(first + 2 * n, 2)) for n in range(count)]


def test_whoever_is_not_slowed_is_judged_whole() -> None:
    """However much there is."""
    rows = frames(W, 50)
    assert Pace(4, 64).cut(rows) == (rows, {})


def test_a_writer_that_reached_its_bound_is_judged_up_to_it() -> None:
    """Exceeded by at most one frame; nobody else is slowed, and the rest waits from its first number on."""
    pace, others = Pace(3, 64), frames(X, 9)
    pace.begin({W: 3, X: 2})
    now, waits = pace.cut([*frames(W, 9), *others])
    assert now == [*frames(W, 2), *others]
    assert waits == {W: 5}


def test_what_was_judged_in_a_tick_counts_through_all_of_its_rounds() -> None:
    """A second look in the same tick has no room left."""
    pace = Pace(4, 64)
    pace.begin({W: 4})
    pace.cut(frames(W, 2))
    assert pace.cut(frames(W, 1, 5)) == ([], {W: 5})


def test_each_tick_that_goes_well_doubles_it_until_it_is_lifted() -> None:
    """One in which less was judged than might have been says nothing; one that is bad again begins anew."""
    pace, judged = Pace(4, 32), list[int]()
    pace.begin({W: 4})
    for bad in (4, 3, 0, 4, 0, 0, 0):
        judged.append(sum(len(part.spans) for part in pace.cut(frames(W, 50))[0]))
        pace.begin({W: bad})
    assert judged == [4, 4, 8, 16, 4, 8, 16]
    assert pace.cut(frames(W, 50))[1] == {}
    pace.begin({W: 4})
    for _ in range(9):
        pace.cut(frames(W, 1))
        pace.begin({})
    assert pace.cut(frames(W, 50))[1] == {W: 5}
