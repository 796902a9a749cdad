"""Fair weather is measured once, for all stacks."""

from cluster.simulation.estimator import FAIR
from cluster.simulation.fair import FairTask, fair


def test_fair_weather_is_asked_at_the_load_s_pace() -> None:
    """About as many as were wanted, all of one stratum, the same again by the same task, and nothing is broken."""
    task = FairTask("gpu", 1, 200, ("gpt-4.1", "claude-sonnet-4.5"))
    found = fair(task)
    assert 150 < found.requests < 250
    assert {tuple(counts) for counts in found.counts.values()} == {(FAIR,)}
    assert len(found.counts) == 3
    assert all(counts[FAIR].sent == found.requests for counts in found.counts.values())
    assert found.counts["gpu"][FAIR].answered > 0.9 * found.requests
    assert found.breaches == []
    assert fair(task).counts == found.counts
