"""Work that is spread over processes comes back in order."""

from cluster.simulation.parallel import spread


def test_results_are_in_the_order_of_the_items() -> None:
    """Two processes give what one gives."""
    items = [-3, 1, -2, 5]
    assert list(spread(abs, items, 2)) == list(spread(abs, items, 1)) == [3, 1, 2, 5]
