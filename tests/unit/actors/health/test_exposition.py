"""Metrics as text: the queue and the ballots in it."""

from actors.health.exposition import BallotWindow, parse, queue_level
from actors.health.monitors import Unread

PAGE = """# HELP weavergen_votes_total Ballots by outcome.
# TYPE weavergen_votes_total counter
weavergen_votes_total{outcome="agreed",replica="r1",voter="a"} 7.0
weavergen_votes_total{replica="r2",voter="a",outcome="failed"} 3.0
weavergen_vote_seconds_sum{replica="r1",voter="a"} 14.0
weavergen_vote_seconds_count{replica="r1",voter="a"} 7.0
weavergen_under_way{replica="r1"} 6.0
weavergen_under_way{replica="r2"} 2.0
other_metric{replica="r1"} 9.0
weavergen_broken{replica=
"""


def votes(replica: str, outcome: str, number: float, voter: str = "a") -> str:
    """Return one line of ballots."""
    return f'weavergen_votes_total{{replica="{replica}",voter="{voter}",outcome="{outcome}"}} {number}\n'


def test_the_queue_is_a_share_of_what_all_replicas_take() -> None:
    """Eight under way in two replicas of ten each; nobody publishing is no empty queue."""
    assert queue_level(parse(PAGE), 10) == 0.4
    assert isinstance(queue_level(parse(""), 10), Unread)


def test_a_replica_that_sheds_load_is_full_with_less() -> None:
    """What it takes now counts, and who waits; one that says nothing takes what is configured."""
    shedding = 'weavergen_admission_limit{replica="r1"} 8\nweavergen_admission_waiting{replica="r1"} 1\n'
    assert queue_level(parse(PAGE + shedding), 10) == 0.5
    waits = 'weavergen_admission_limit{replica="r1"} 4\nweavergen_admission_waiting{replica="r1"} 128\n'
    assert queue_level(parse(PAGE + waits), 10) == 1.0


def test_labels_may_hold_anything() -> None:
    """Quoted quotes and commas are part of a value."""
    (key,) = parse('weavergen_x{a="1,2",b="say \\"no\\""} 1')
    assert key == ("weavergen_x", (("a", "1,2"), ("b", 'say \\"no\\"')))


def test_ballots_are_what_came_since_the_windows_beginning() -> None:
    """Before there are two pages nothing is said; then the differences, over all replicas."""
    window = BallotWindow(300, 100)
    window.add(0, parse(PAGE))
    assert window.voters() == {}
    window.add(10, parse(PAGE.replace(" 7.0", " 9.0").replace("14.0", "20.0") + votes("r2", "failed", 4)))
    ballots = window.voters()["a"]
    assert ballots.outcomes == {"agreed": 2.0, "failed": 1.0}
    assert (ballots.timed, ballots.latency_s) == (2.0, 3.0)


def test_old_ballots_leave_the_window() -> None:
    """After five minutes a burst of failures is forgotten."""
    window = BallotWindow(300, 100)
    window.add(0, parse(votes("r", "failed", 0)))
    for at in range(10, 310, 10):
        window.add(at, parse(votes("r", "failed", 8)))
        assert window.voters()["a"].failures == 8
    window.add(310, parse(votes("r", "failed", 8)))
    assert window.voters() == {}


def test_a_process_that_began_again_counts_from_zero_and_one_that_is_gone_takes_nothing() -> None:
    """Counters are compared series by series."""
    window = BallotWindow(300, 100)
    window.add(0, parse(votes("old", "agreed", 100) + votes("again", "agreed", 50)))
    window.add(5, parse(votes("again", "agreed", 3) + votes("new", "failed", 2)))
    assert window.voters()["a"].outcomes == {"agreed": 3.0, "failed": 2.0}


def test_pages_are_bounded() -> None:
    """However often it is looked at."""
    window = BallotWindow(1e9, 3)
    for at in range(10):
        window.add(at, parse(votes("r", "agreed", at)))
    assert window.voters()["a"].outcomes == {"agreed": 2.0}
