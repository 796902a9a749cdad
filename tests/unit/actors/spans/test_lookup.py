"""Looking decisions up in several places."""

import pytest

from actors.base.errors import StorageUnavailable
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


def test_a_source_that_cannot_tell_is_not_taken_for_no() -> None:
    """The others are asked all the same; if none has the decision, the error is the answer."""

    class Full:
        def find(self, decision_id: str) -> bytes | None:
            raise StorageUnavailable("too much to look through")

    lookup = DecisionLookup([Full(), Source(a=b"archived")])
    assert lookup.find("a") == b"archived"
    with pytest.raises(StorageUnavailable, match="too much"):
        lookup.find("b")
