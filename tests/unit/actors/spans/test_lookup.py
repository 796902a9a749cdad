"""Looking decisions up in several places."""

import pytest

from actors.spans.lookup import DecisionLookup


class Source:
    """Holds some decisions and remembers what it was asked."""

    def __init__(self, **held: bytes) -> None:
        self.held, self.asked = held, []

    def find(self, decision_id: str) -> bytes | None:
        """Answer from what is held."""
        self.asked.append(decision_id)
        return self.held.get(decision_id)


def test_the_first_source_that_knows_answers() -> None:
    """Later sources are asked only for what earlier ones do not hold."""
    recent, old = Source(a=b"recent"), Source(a=b"old", b=b"old b")
    lookup = DecisionLookup([recent, old])
    assert [lookup.find(name) for name in ("a", "b", "c")] == [b"recent", b"old b", None]
    assert old.asked == ["b", "c"]


def test_a_lookup_without_sources_is_refused() -> None:
    """An empty composite fails closed."""
    with pytest.raises(ValueError, match="at least one"):
        DecisionLookup([])
