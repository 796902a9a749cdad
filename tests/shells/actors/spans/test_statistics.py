"""What statistics learned is kept with the home: a young one warms up, and one that lost it says that it sees nothing."""

from pathlib import Path

import pytest

from actors.spans.checkers.statistical import NAME
from actors.spans.frames import encode_spans
from serve_apps.actors import span_gauges, span_problem
from tests.unit.actors.spans.checkers.decisions import WRITER, agreed, frame
from tests.unit.actors.spans.telemetry import Home, SegmentBytes, at

ROWS = 5
"""Of a decision."""


def decide(home: Home, first: int, count: int, second: float) -> dict[str, object]:
    """Let an actor take in so many decisions' rows, and end it; return its health."""
    segment, seq = SegmentBytes(number=first + 1, writer=WRITER), 1 + ROWS * first
    for number in range(first, first + count):
        rows = frame(agreed(), number, seq)
        segment.raw(seq, len(rows.spans), encode_spans(list(rows.spans)))
        seq += len(rows.spans)
    segment.save(home.wal)
    actor = home.actor()
    actor.tick(at(second), flush=True)
    health = actor.health(at(second))
    actor.close()
    return health


@pytest.fixture
def young(home: Home) -> Home:
    """Return a home with all checkers that has taken in a few decisions."""
    home.more = None
    decide(home, 0, 3, 1)
    return home


def baseline(home: Home) -> Path:
    """Return where it lies."""
    return home.path / "quarantine" / "baseline.json"


def test_a_young_home_warms_up_and_says_nothing(young: Home) -> None:
    """The file is there from the first start on, long before it is due; a restart finds it, however little was learned."""
    health = decide(young, 3, 3, 2)
    assert young.incidents.opened == []
    assert baseline(young).exists()
    assert (health["statistics_failing"], health["statistics_cells_warm"]) == (0.0, 0)
    assert float(str(health["statistics_rows_unjudged"])) > 0
    assert span_problem(health) == ""


@pytest.mark.parametrize("how", ["removed", "damaged"])
def test_a_baseline_that_is_gone_beside_rows_is_a_failed_check(young: Home, how: str) -> None:
    """An alert, never a pass: rows come in, and status says that nothing compares them, in this process and the next."""
    if how == "removed":
        baseline(young).unlink()
    else:
        baseline(young).write_bytes(baseline(young).read_bytes()[:-1])
    for again in (1, 2):
        health = decide(young, 3 * again, 3, 2 * again)
        assert [(kind, said["checker"]) for kind, said in young.incidents.opened] == [
            ("integrity_checker_failure", NAME)
        ] * again
        assert "learned anew" in span_problem(health)
        assert span_gauges(health)["span_statistics_failing"] == 1.0
    assert len(young.rows()) == 9 * ROWS


def test_a_baseline_that_cannot_be_kept_is_a_failed_check(young: Home) -> None:
    """A folder lies in its place: what is learned ends with the process."""
    baseline(young).unlink()
    baseline(young).mkdir()
    (baseline(young) / "something").touch()
    actor = young.actor()
    actor.tick(at(2))
    actor.close()
    ((kind, said),) = young.incidents.opened
    assert (kind, said["checker"]) == ("integrity_checker_failure", NAME)


def test_a_first_baseline_that_the_disk_does_not_take_is_a_failed_check(home: Home) -> None:
    """It is not there for the next start: that is said now."""
    home.more = None
    (home.path / "quarantine").symlink_to("a disk that is away")
    actor = home.actor()
    actor.tick(at(1))
    health = actor.health(at(1))
    actor.close()
    assert home.incidents.kinds == ["integrity_checker_failure"]
    assert "cannot be kept" in span_problem(health)
