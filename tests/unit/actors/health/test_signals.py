"""Samples made even."""

from actors.health.signals import Sample, even

SAMPLES = [Sample(float(at), float(at)) for at in range(100)]


def test_a_stock_is_its_last_sample_and_a_flow_the_mean() -> None:
    """One sample for each stretch back from the newest, oldest first."""
    assert even(SAMPLES, 10, 3, "stock") == [Sample(79, 79), Sample(89, 89), Sample(99, 99)]
    assert even(SAMPLES, 10, 2, "flow") == [Sample(89, 84.5), Sample(99, 94.5)]


def test_what_was_not_sampled_is_not_made_up() -> None:
    """A gap stays a gap; of nothing there is nothing."""
    assert even([Sample(0, 1.0), Sample(95, 2.0), Sample(99, 3.0)], 10, 20, "stock") == [
        Sample(0, 1.0),
        Sample(99, 3.0),
    ]
    assert even([], 10, 3, "flow") == []
