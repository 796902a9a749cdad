"""Groups of answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.base.digests import sha256_hex
from actors.consensus import grouping
from actors.consensus.grouping import Answer, group_answers

FORMS = st.lists(st.sampled_from(["red fox", "red fox runs", "blue whale", "the blue whale", "green"]), max_size=6)


def answers(forms: list[str], method: str) -> list[Answer]:
    """Build answers with distinct ids and weights."""
    return [Answer(i, form, sha256_hex(form.encode()), method, 100 + i) for i, form in enumerate(forms)]  # type: ignore[arg-type]


@given(FORMS)
def test_equal_forms_are_one_group(forms: list[str]) -> None:
    """Comparable answers share a group exactly when their forms are equal."""
    groups = group_answers(answers(forms, "value"), 1_000_000)
    for i, left in enumerate(forms):
        for j, right in enumerate(forms):
            assert (groups[i] == groups[j]) == (left == right)


@given(FORMS, st.randoms(use_true_random=False))
def test_prose_groups_do_not_depend_on_order(forms: list[str], random: object) -> None:
    """Medoids and group numbers are the same whichever answer came first."""
    items = answers(forms, "similarity")
    shuffled = list(items)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert group_answers(items, 600_000) == group_answers(shuffled, 600_000)


def test_prose_near_a_medoid_joins_it() -> None:
    """Two like texts are one group, an unlike one is alone."""
    groups = group_answers(answers(["red fox", "red fox runs", "green"], "similarity"), 600_000)
    assert groups[0] == groups[1] != groups[2]


def test_every_pair_of_prose_answers_is_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the groups fall out, n answers take n(n-1)/2 comparisons: long answers are not compared again for each group."""
    compared: list[object] = []

    def counting(a: object, b: object) -> int:
        compared.append((a, b))
        return 0

    monkeypatch.setattr(grouping, "likeness_micro", counting)
    assert (
        len(set(group_answers(answers(["one", "two", "three", "four", "five"], "similarity"), 600_000).values())) == 5
    )
    assert len(compared) == 10
