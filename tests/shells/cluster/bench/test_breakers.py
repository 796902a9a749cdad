"""The section on breakers."""

import pytest

from actors.consensus.breakers.vocabulary import Transition
from cluster.bench import breakers
from cluster.bench.breakers import EMPTY, SHELL, measured, section


def test_the_section_compares_each_with_an_empty_function() -> None:
    """Microseconds, and how many more than a function that does nothing."""
    text = section({EMPTY: 40.0, SHELL: 3040.0}, 5, 10, {"load": "0.1"})
    assert f"| {EMPTY} | 0.04 | +0.00 |" in text
    assert f"| {SHELL} | 3.04 | +3.00 |" in text
    assert "Medians of 5 rounds of 10 calls" in text
    assert text.endswith("load 0.1.")


def test_a_round_is_measured() -> None:
    """Every figure is a positive time of calls that ended as they should."""
    figures = measured(1, 20)
    assert next(iter(figures)) == EMPTY
    assert len(figures) == 7
    assert min(figures.values()) > 0


def test_a_breaker_that_moves_ends_the_measurement() -> None:
    """What was measured then is something else."""
    with pytest.raises(SystemExit, match="moved"):
        breakers._Silent().moved("s", Transition("closed", "open", "failure_rate", 0.0, 60.0))
