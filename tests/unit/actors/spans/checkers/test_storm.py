"""When there is a storm, and how far back it began."""

from hypothesis import given
from hypothesis import strategies as st

from actors.spans.checkers.storm import Seen, Storm, StormWindow

WINDOW_S, MIN_BAD, SHARE = 60.0, 10, 0.05


def window() -> StormWindow:
    """Return a window of a minute."""
    return StormWindow(WINDOW_S, MIN_BAD, SHARE)


def seen(rows: int, bad: int = 0, log_size: int = 7, first: str = "w 1") -> Seen:
    """Return what came in one look."""
    return Seen(rows, bad, first if bad else "", log_size)


def test_few_bad_rows_are_no_storm_and_too_many_are() -> None:
    """It takes so many and such a share of all."""
    assert window().add(seen(9, 9), 0) is None
    assert window().add(seen(201, 10), 0) is None
    storm = window().add(seen(200, 10), 0)
    assert storm == Storm(200, 10, 7, "w 1")
    assert storm.share == 0.05


def test_bad_rows_add_up_over_looks_and_are_forgotten() -> None:
    """What came a window ago counts no more."""
    made = window()
    assert made.add(seen(50, 6), 0) is None
    assert made.add(seen(50, 6), 59.9) == Storm(100, 12, 7, "w 1")
    assert made.add(seen(50, 0), 60.0) is None
    assert made.add(seen(50, 6, 9, "w 300"), 61.0) == Storm(150, 12, 7, "w 1")
    assert made.add(seen(50, 9, 11, "w 400"), 120.5) == Storm(100, 15, 9, "w 300")


def test_good_rows_end_a_storm() -> None:
    """The share falls below the limit though nothing is forgotten."""
    made = window()
    assert made.add(seen(20, 10), 0) is not None
    assert made.add(seen(1_000), 1) is None


def test_the_clean_point_is_before_the_first_bad_row_of_its_second() -> None:
    """Looks in one second are one entry; what was clean before its first bad row counts."""
    made = window()
    made.add(seen(10, 0, 5), 0.1)
    made.add(seen(10, 5, 6, "w 20"), 0.5)
    assert made.add(seen(10, 5, 8, "w 30"), 0.9) == Storm(30, 10, 6, "w 20")


def test_who_judged_what_came_begins_anew() -> None:
    """Until so many come again."""
    made = window()
    assert made.add(seen(20, 10), 0) is not None
    made.clear()
    assert made.add(seen(20, 9), 1) is None


def test_a_clock_that_is_set_back_changes_nothing() -> None:
    """Rows go into the newest second there is."""
    made = window()
    made.add(seen(20, 5), 100)
    assert made.add(seen(20, 5), 50) == Storm(40, 10, 7, "w 1")
    assert made.add(seen(20, 0), 159.9) == Storm(60, 10, 7, "w 1")


LOOKS = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 50), st.floats(0, 5)).map(lambda t: (max(t[0], t[1]), t[1], t[2])),
    max_size=60,
)


@given(LOOKS)
def test_a_storm_is_what_the_last_seconds_add_up_to(looks: list[tuple[int, int, float]]) -> None:
    """Whatever came, counted once more from the beginning."""
    made, at, all_seen = window(), 0.0, list[tuple[float, int, int]]()
    for rows, bad, pause in looks:
        at += pause
        all_seen.append((at, rows, bad))
        storm = made.add(seen(rows, bad), at)
        latest = [(r, b) for when, r, b in all_seen if at - int(when) < WINDOW_S]
        total, set_aside = sum(r for r, _ in latest), sum(b for _, b in latest)
        assert (storm is not None) == (set_aside >= MIN_BAD and set_aside >= SHARE * total)
        if storm is not None:
            assert (storm.rows, storm.bad) == (total, set_aside)
