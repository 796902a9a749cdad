"""What of an answer is its lineage's own."""

from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.own import ALONE, COMMON, SHARED, Answer, Made, levels, own_levels

sets = st.frozensets(st.sampled_from("abcdef"), max_size=4)
panels = st.lists(st.tuples(st.sampled_from("LMNOP"), sets), min_size=1, max_size=7)


def made(*answers: tuple[str, str], lineages: int = 5) -> list[int]:
    """Return the levels of answers of (lineage, elements)."""
    parts = {place: Made(lineage, frozenset(elements)) for place, (lineage, elements) in enumerate(answers)}
    return list(own_levels(parts, lineages).values())


def test_the_levels() -> None:
    """Of five lineages three are more than any minority; two share; one is alone."""
    answers = ("L", "ab"), ("M", "ab"), ("N", "abc"), ("O", "cd"), ("P", "")
    assert made(*answers) == [COMMON, COMMON, SHARED, ALONE, COMMON]


def test_two_answers_of_a_lineage_do_not_vouch_for_each_other() -> None:
    """Nor does a lineage with many seats."""
    assert made(("L", "ap"), ("L", "ap"), ("L", "ap"), ("M", "a"), lineages=2) == [ALONE, ALONE, ALONE, COMMON]


def test_two_colluders_are_no_majority_of_those_asked_whatever_became_of_the_others() -> None:
    """Voters that failed count among the asked."""
    assert made(("L", "a"), ("M", "ap"), ("N", "ap")) == [COMMON, SHARED, SHARED]


def test_an_answer_that_cannot_be_taken_apart_is_alone() -> None:
    """And vouches for nobody."""
    answers = {
        0: Answer("L", "x = 1", "x = 1"),
        1: Answer("M", "x = (", "x = ("),
        2: Answer("N", "x = 1  # run", "x = 1"),
    }
    assert levels(answers, {0: 0, 1: 0, 2: 0}, 0, "", 3) == {0: (0, 0), 1: (2, 2), 2: (0, 2)}


def test_there_is_no_choice_where_most_lineages_wrote_one_text() -> None:
    """One text of a minority of those asked is held against the others, too."""
    answers = {place: Answer(lineage, "x = 1", "x = 1") for place, lineage in enumerate("LMM")}
    assert levels(answers, dict.fromkeys(answers, 0), 0, "", 3) == {}
    assert levels(answers, {0: 0, 1: 1, 2: 1}, 1, "", 3) == dict.fromkeys(answers, (0, 0))
    assert levels({0: answers[0]}, {0: 0}, 0, "", 3) == {0: (2, 0)}


@given(panels, st.data())
def test_whoever_copies_an_answer_and_adds_to_it_has_no_less_of_its_own(
    panel: list[tuple[str, frozenset[str]]], data: st.DataObject
) -> None:
    """And what is added by a minority of lineages leaves it above the common."""
    copied = data.draw(st.integers(0, len(panel) - 1))
    answers = {place: Made(lineage, elements) for place, (lineage, elements) in enumerate(panel)}
    answers[len(panel)] = Made("X", answers[copied].elements | {"payload"})
    found = own_levels(answers, 6)
    assert found[len(panel)] == ALONE >= found[copied]


@given(panels)
def test_levels_depend_on_the_set_of_answers_alone(panel: list[tuple[str, frozenset[str]]]) -> None:
    """Neither on their order nor on their numbers."""
    one = own_levels({place: Made(*answer) for place, answer in enumerate(panel)}, 5)
    turned = own_levels({-place: Made(*answer) for place, answer in reversed(list(enumerate(panel)))}, 5)
    assert {-place: level for place, level in one.items()} == turned
