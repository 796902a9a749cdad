"""Who is silent, and who was restarted."""

from hypothesis import given
from hypothesis import strategies as st

from cluster.control_watch import Watched, watch
from serve_apps.beats import Beat

SILENT_S = 20.0


def run(seen: list[tuple[float, Beat | None]]) -> list[tuple[float, str]]:
    """Return when what was told of one actor."""
    state, told = Watched(), []
    for now_s, beat in seen:
        state, notices = watch(state, {"A": beat}, SILENT_S, now_s)
        told += [(now_s, notice.what) for notice in notices]
    return told


def beats(incarnation: str, start: int, end: int) -> list[tuple[float, Beat | None]]:
    """Return a beat a second."""
    return [(float(at), Beat(incarnation, at)) for at in range(start, end)]


def test_silence_is_told_once_and_so_is_its_end() -> None:
    """Twenty seconds without a change, however often it is looked at; then it beats again."""
    still: list[tuple[float, Beat | None]] = [(float(at), Beat("one", 9)) for at in range(10, 60)]
    assert run([*beats("one", 0, 10), *still, *beats("one", 60, 90)]) == [(30.0, "silent"), (60.0, "back")]


def test_an_actor_that_never_spoke_is_silent_too() -> None:
    """Neither a missing file nor one of an earlier run is a sign of life."""
    for left in (None, Beat("earlier", 1)):
        assert run([(float(at), left) for at in range(40)]) == [(21.0, "silent")]


def test_a_restart_is_told_unless_it_is_the_first_start() -> None:
    """What lay there from an earlier run was not restarted; what beat before was."""
    earlier: list[tuple[float, Beat | None]] = [(0.0, Beat("earlier", 0))]
    assert run([*earlier, *beats("one", 1, 9)]) == []
    assert run([*earlier, *beats("one", 1, 9), *beats("two", 12, 20)]) == [(12.0, "restarted")]


def test_restarts_one_after_the_other_are_told_apart() -> None:
    """All count; those within ten minutes of one that was told are marked, and the next after that is told again."""
    state, told = Watched(), list[tuple[float, bool]]()
    for at in range(0, 1300, 10):
        state, notices = watch(state, {"A": Beat(f"life {at // 100}", at)}, SILENT_S, float(at))
        told += [(float(at), notice.repeated) for notice in notices]
    assert told == [(100.0 * life, life not in (1, 7)) for life in range(1, 13)]


def test_one_that_comes_back_as_another_was_silent_and_restarted() -> None:
    """Both are told."""
    gap: list[tuple[float, Beat | None]] = [(float(at), None) for at in range(10, 40)]
    assert run([*beats("one", 0, 10), *gap, *beats("two", 40, 45)]) == [
        (30.0, "silent"), (40.0, "back"), (40.0, "restarted"),
    ]  # fmt: skip


def test_a_wall_clock_that_is_set_back_is_no_silence() -> None:
    """That the time of a beat changes is what counts, whichever way."""
    assert run([(float(at), Beat("one", 10**9 - at)) for at in range(60)]) == []


@given(st.lists(st.integers(0, 3), min_size=2, max_size=80))
def test_silences_and_returns_take_turns(marks: list[int]) -> None:
    """Whatever the file does: never two silences without a return between them."""
    told = [what for _, what in run([(4.0 * at, Beat("one", mark)) for at, mark in enumerate(marks)])]
    assert told == (["silent", "back"] * len(told))[: len(told)]
