"""What followed data is made of."""

from actors.consensus.screening.labels import (
    MAX_LABELS,
    Label,
    State,
    Summary,
    cleaned,
    copied,
    flavours,
    join,
    made_so,
    mark,
    merge,
)
from actors.consensus.screening.routes import Entry
from actors.consensus.screening.tables import ALL

REMOTE = frozenset({Label("remote")})


def state() -> State:
    """Return a state that knows nothing."""
    return State(Entry(False, frozenset(), frozenset()), Summary())


def test_flavours_tell_what_text_is_for() -> None:
    """Statements, markup and filters are told by the constant part."""
    assert "sql" in flavours("SELECT a FROM b WHERE")
    assert "markup" in flavours("<p>")
    assert flavours("hello") == {"built"}


def test_labels_join_within_a_bound() -> None:
    """However much flows together, the labels kept are bounded."""
    many = frozenset(Label(f"param:{n}") for n in range(100))
    assert len(join(many, REMOTE)) == MAX_LABELS


def test_cleaning_is_by_category() -> None:
    """Cleaned for everything is gone; cleaned for one harm is clean for that alone."""
    assert cleaned(REMOTE, ALL) == frozenset()
    (label,) = cleaned(made_so(REMOTE, {"sql"}), frozenset({"html"}))
    assert (label.clean, label.made) == (frozenset({"html"}), frozenset({"sql"}))


def test_branches_do_not_touch_each_other_and_join() -> None:
    """A copy is its own; what any branch leaves tainted stays so."""
    whole = state()
    whole.taints["x"] = REMOTE
    one, other = copied(whole), copied(whole)
    mark(one, "x", ALL)
    assert whole.taints["x"] == REMOTE
    merge(whole, [one, other])
    assert whole.taints["x"] == REMOTE
    merge(whole, [one])
    assert whole.taints["x"] == frozenset()


def test_marking_reaches_what_a_name_was_parsed_from() -> None:
    """A checked host name makes the address it came from checked."""
    whole = state()
    whole.taints |= {"url": REMOTE, "host": REMOTE}
    whole.parsed_from["host"] = {"url"}
    mark(whole, "host", ALL)
    assert whole.taints["url"] == frozenset()
