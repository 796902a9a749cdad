"""Shifts change what they say, scores tell them apart, figures are those of the scores."""

from random import Random

import numpy as np
import pytest

from cluster.acceptance.bad_spans_shifts import KINDS, Judged, auc, curve, figures, judged, learned, sweep
from tests.unit.actors.spans.checkers.traffic import Traffic


@pytest.fixture(scope="module")
def decisions() -> list[list[object]]:
    """Return decisions of three voters."""
    return [list(rows.spans) for rows in Traffic().frames(1_600)]


@pytest.mark.parametrize("name", KINDS)
def test_a_shift_changes_some_rows_and_leaves_their_number(name: str, decisions: list[list[object]]) -> None:
    """By its largest magnitude, in most decisions."""
    shift, _, magnitudes = KINDS[name]
    largest, random = magnitudes[-1], Random(1)
    changed = [shift(decision, "a", largest, random) for decision in decisions[:50]]  # type: ignore[arg-type]
    assert [len(new) for new in changed] == [len(old) for old in decisions[:50]]
    assert sum(new != old for new, old in zip(changed, decisions, strict=False)) > 10


def test_a_great_shift_scores_above_rows_as_they_were(decisions: list[list[object]]) -> None:
    """And what does not shift stays below; nobody else is set aside."""
    detector = learned(decisions[:900])  # type: ignore[arg-type]
    found = sweep(detector, decisions[900:1300], decisions[1300:1600], "a", 3)  # type: ignore[arg-type]
    told = found["kinds"]["a voter saying other things"]["magnitudes"]["16"]
    assert told["auc"] > 0.99
    assert told["recall_at_0.1_percent"] > 0.8
    assert told["set_aside"] > 0.05
    assert found["calm"]["set_aside"] == 0
    slower = found["kinds"]["a voter slower"]["magnitudes"]
    assert slower["1.5"]["auc"] < slower["16"]["auc"]
    assert all(one["set_aside"] == 0 for one in slower.values())


def test_figures_are_those_of_the_scores() -> None:
    """A threshold from rows as they were, recall above it, ties counted half."""
    calm = Judged(np.linspace(0, 1, 1001), np.zeros(1001, bool), np.zeros(1001, np.int64))
    shifted = Judged(np.array([0.5, 2.0, 3.0, 0.1]), np.array([True, True, True, False]), np.array([0, 2, 3, 1]))
    told = figures(calm, shifted)
    assert (told["rows"], told["recall_at_0.1_percent"]) == (3, round(2 / 3, 4))
    assert (told["noticed"], told["warned"], told["set_aside"], told["others_set_aside"]) == (
        0.6667,
        0.6667,
        0.3333,
        0.0,
    )
    assert auc(np.array([1.0, 2.0]), np.array([1.0, 0.0])) == 0.875
    assert figures(calm, Judged(calm.score, calm.bad, calm.severity)) == {"rows": 0}


def test_a_curve_rises_to_one() -> None:
    """From what is called bad of one in ten thousand to all."""
    points = curve(np.array([0.2, 0.9, 5.0]), np.linspace(0, 1, 10_001))
    shares, recalls = zip(*points, strict=True)
    assert (shares[0], shares[-1], recalls[-1]) == (0.0001, 1.0, 1.0)
    assert list(recalls) == sorted(recalls)


def test_what_was_judged_was_learned_in_batches(decisions: list[list[object]]) -> None:
    """One score a row, none of them bad where nothing was shifted."""
    found = judged(learned(decisions[:900]), decisions[900:960])  # type: ignore[arg-type]
    assert len(found.score) == 60 * 4
    assert not found.bad.any()
