"""What was seen lately is remembered, and no more than that."""

from actors.spans.checkers.recent import Recent


def key(number: int) -> bytes:
    """Return an id."""
    return number.to_bytes(24, "big")


def test_the_last_rows_are_known_and_the_memory_is_bounded() -> None:
    """At least the last ``size`` of them, at most twice as many, however many there were."""
    recent = Recent(10)
    for number in range(1000):
        recent.add([(key(number), ("W", number))])
        assert len(recent) <= 20
    assert all(recent.find(key(number)) == ("W", number) for number in range(990, 1000))
    assert recent.find(key(5)) is None
    assert (recent.knows_any({key(5), key(999)}), recent.knows_any({key(5)})) == (True, False)
