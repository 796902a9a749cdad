"""Remembering pure functions of texts."""

from actors.base.memo import remembered


def test_a_call_is_computed_once_and_a_long_one_each_time() -> None:
    """The bound on characters is of all texts of a call together."""
    asked: list[str] = []

    @remembered(calls=8, max_chars=4)
    def joined(a: str, b: str) -> str:
        asked.append(a + b)
        return a + b

    assert [joined("ab", "cd"), joined("ab", "cd"), joined("ab", b="cde"), joined("ab", b="cde")] == ["abcd"] * 2 + [
        "abcde"
    ] * 2
    assert asked == ["abcd", "abcde", "abcde"]


def test_the_longest_unused_goes_first() -> None:
    """No more calls are remembered than were allowed."""
    asked: list[str] = []

    @remembered(calls=2, max_chars=4)
    def same(a: str) -> str:
        asked.append(a)
        return a

    for text in ("a", "b", "a", "c", "a", "b"):
        assert same(text) == text
    assert asked == ["a", "b", "c", "b"]
