"""The section on the sandbox."""

import shutil

import pytest

from cluster.bench.sandbox import Figures, measured, section


def test_the_section_compares_each_with_an_empty_start() -> None:
    """Milliseconds, and how many empty starts they are."""
    text = section(Figures(3.0, 12.0, 6.0, 240.0), 5, {"load": "0.1"})
    assert "| a run, the next process waiting | 3.0 | 0.50 |" in text
    assert "| a run right behind another | 12.0 | 2.00 |" in text
    assert "| starting a warm parent, once | 240.0 | 40.00 |" in text
    assert "Medians of 5 rounds" in text
    assert text.endswith("load 0.1.")


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap (bwrap) is not installed")
def test_a_round_is_measured() -> None:
    """Every figure is a positive time of runs that went right."""
    bwrap = shutil.which("bwrap")
    assert bwrap is not None
    figures = measured(bwrap, 1)
    assert min(figures.waiting_ms, figures.behind_ms, figures.empty_ms, figures.start_ms) > 0
