"""Medians, ratios and what counts as reached."""

import pytest

from cluster.bench.figures import (
    CONSENSUS,
    LITELLM,
    PORTKEY,
    SINGLE,
    UPSTREAM,
    median,
    ratio,
    tabulate,
    verdicts,
)
from cluster.bench.load import Figures


def cell(requests_per_s: float, p50_ms: float = 1.0) -> Figures:
    """Return one measurement."""
    return Figures(requests_per_s, p50_ms, p50_ms * 3)


def table(ours: float = 600, single: float = 900, single_p50: float = 2.4) -> dict[tuple[str, int], Figures]:
    """Return a table in which LiteLLM does 200, Portkey 900 and the upstream alone takes 0.1 ms."""
    found: dict[tuple[str, int], Figures] = {}
    for connections in (1, 16):
        found |= {
            (CONSENSUS, connections): cell(ours), (SINGLE, connections): cell(single, single_p50),
            (LITELLM, connections): cell(200), (PORTKEY, connections): cell(900), (UPSTREAM, connections): cell(9000, 0.1),
        }  # fmt: skip
    return found


def test_a_cell_is_the_median_of_its_rounds_figure_by_figure() -> None:
    """One slow round does not count, and figures are not mixed."""
    assert median([cell(100, 9), cell(300, 1), cell(200, 2)]) == Figures(200, 2, 6)


def test_a_cell_without_rounds_is_not_in_the_table() -> None:
    """A system that could not be measured has no figures at all."""
    assert tabulate({(SINGLE, 1): [cell(1)], (PORTKEY, 1): []}) == {(SINGLE, 1): cell(1)}


def test_ratio_is_ours_by_theirs() -> None:
    """Twice the requests a second are a ratio of two; without a peer there is none."""
    assert ratio(table(), CONSENSUS, LITELLM, 1) == 3.0
    assert ratio({(SINGLE, 1): cell(1)}, SINGLE, PORTKEY, 1) is None


def test_everything_wanted_is_reached_at_its_limit() -> None:
    """Exactly three times, exactly as many, and exactly 2 ms and a sync more are enough."""
    judged = verdicts(table(single_p50=2.5), 0.4)
    assert [verdict.reached for verdict in judged] == [True] * 5
    assert judged[-1].measured == pytest.approx(2.4)


@pytest.mark.parametrize(
    ("changed", "missed"),
    [({"ours": 599.0}, {0, 1}), ({"single": 899.0}, {2, 3}), ({"single_p50": 2.51}, {4})],
)
def test_a_little_less_is_not_reached(changed: dict[str, float], missed: set[int]) -> None:
    """Each wanted figure fails by itself."""
    judged = verdicts(table(**changed), 0.4)
    assert {number for number, verdict in enumerate(judged) if not verdict.reached} == missed


def test_what_could_not_be_measured_is_neither_reached_nor_missed() -> None:
    """Without a peer there is no verdict about it, and the others stand."""
    found = {key: value for key, value in table().items() if key[0] != PORTKEY}
    assert [verdict.reached for verdict in verdicts(found, 0.4)] == [True, True, None, None, True]
