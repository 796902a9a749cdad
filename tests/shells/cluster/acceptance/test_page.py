"""Results are told in words."""

from cluster.acceptance.page import render


def test_lists_and_counts_are_told_in_words() -> None:
    """A list is its items, a count by cause is cause and count, and nothing is none."""
    page = render("n", "about ``this``", {"stage one": {"a_b": {"x y": 2, "z": 1}, "c": [], "d": {}, "e": 1.5}})
    assert "about `this`" in page
    assert "## stage one" in page
    assert "| a b | x y: 2, z: 1 |\n| c | none |\n| d | none |\n| e | 1.5 |" in page
