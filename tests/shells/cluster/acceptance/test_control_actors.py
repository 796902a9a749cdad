"""What is said of requests beside a kill."""

from cluster.acceptance.control_actors import around, quantiles
from cluster.acceptance.load import Outcome


def answer(began_s: float, took_s: float, status: int = 200) -> Outcome:
    """Return one request's outcome."""
    return Outcome(began_s, began_s + took_s, status, "")


def test_requests_are_told_by_whether_they_met_a_kill() -> None:
    """Begun before it, or ended after it: one under way is both; what failed after it and the longest silence are counted."""
    quiet = [answer(90.0 + second, 0.1) for second in range(10)]
    cut, slow, late = answer(99.9, 0.5, 0), answer(100.0, 4.0), answer(108.0, 0.1)
    told = around([answer(10.0, 9.0), *quiet, cut, slow, late, answer(300.0, 1.0)], [100.0])
    assert (told["kills"], told["requests_after"], told["failed_after"]) == (1, 3, 1)
    assert told["latency_before_ms"] == {"p50": 100.0, "p99": 100.0}
    assert told["latency_after_ms"] == {"p50": 100.0, "p99": 100.0}
    assert told["longest_time_without_an_answer_s"] == 4.1


def test_no_answer_at_all_is_the_longest_silence() -> None:
    """Nothing measured is not nothing met."""
    told = around([answer(100.0, 1.0, 503)], [100.0])
    assert (told["failed_after"], told["longest_time_without_an_answer_s"]) == (1, 15.0)
    assert told["latency_after_ms"] == quantiles([]) == {}
