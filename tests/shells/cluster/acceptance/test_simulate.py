"""The simulator's campaign: its page tells the stages that there are."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from cluster.acceptance import simulate
from cluster.simulation.availability import Availability
from cluster.simulation.expiries.table import Passed
from cluster.simulation.hunt import Hunt
from cluster.simulation.lifetimes import Outlived
from cluster.simulation.strata import Interval
from cluster.simulation.validation import Compared

FOUND = Availability(
    profile="gpu", source="histories", years=104.0, seconds=520.0, processor_s=900.0, workers=2, requests=1000,
    fair_requests=400, available={"gpu": {"0.1": Interval(0.9995, 0.999, 0.9999, 0.00002)}},
    answered={"gpu": {"0.1": Interval(0.97, 0.96, 0.98)}}, right={"gpu": {"0.1": Interval(0.96, 0.95, 0.97)}},
    lost={"openai: down": 0.0004}, breaches=[],
)  # fmt: skip
STORMS = Hunt("", 1000, 30_000, 100.0, None, "", 0, 0)
PLANTED = Hunt("leak a permit", 13, 400, 2.0, 12, "seed 12: 5 of 41 events are enough", 5, 41)
PASSED = [Passed("idempotency.keep_s", 86_400.0, "replay", "claim", as_it_must=True)]
BROKEN = {
    "nothing fails": 9.0, "half of what failed is forgotten": 4.5, "the costliest stratum is dropped": 3.5,
    "requests stand for all time alike": 2.5,
}  # fmt: skip
DAYS, HUNG = (
    Compared(720, 43_200, 900, 0.02, 0.001, 0.021, 0.002, 0, BROKEN),
    Compared(1, 9_000, 300, 0.1, 0.1, 0.9, 0.1, 0, BROKEN),
)
RESULTS: dict[str, Any] = {
    "history": msgspec.to_builtins(FOUND),
    "validation": simulate._told(DAYS), "outage hung": simulate._told(HUNG), "outage down": simulate._told(HUNG),
    "storms": msgspec.to_builtins(STORMS), "leak a permit": msgspec.to_builtins(PLANTED),
    "lifetimes": msgspec.to_builtins(Outlived(28.6, 405, 405, ["a certificate", "a week"], 0, PASSED)),
}  # fmt: skip


def test_the_page_tells_every_stage() -> None:
    """Rate, intervals, what costs most, the estimate's error, storms, and the schedule that shows a bug."""
    page = simulate.page("simulate", "about ``it``", RESULTS)
    for words in (
        "104.0 simulated years in 520 s on 2 processors: 12.0 years a minute", "450 s where nothing else runs",
        "| gpu | 99.9500 % (99.9000 % to 99.9900 %; ± 0.0020 %) |",
        "| gpu | 96.0000 % (95.0000 % to 97.0000 %; ± 0.0000 %) |", "1 hours in which openai, anthropic, gemini are hung",
        "1000 requests decided, 400 of them in fair weather", "| openai: down | 0.0400 % | 3.51 |", "0.45 standard errors apart",
        "Within 3 standard errors: yes. Broken on purpose, standard errors apart: nothing fails 9.0, half of what failed",
        "Within 3 standard errors: **no**. Broken on purpose, standard errors apart: nothing fails 9.0,",
        "Rejected by one comparison at least, more than 3 standard errors apart: nothing fails: yes; half",
        "the costliest stratum is dropped: yes; requests stand for all time alike: **no**.",
        "1000 seeds in 100 s, 30000 outcomes judged: no invariant broken", "| leak a permit | 13 seeds | 41 | 5 |",
        "seed 12: 5 of 41 events are enough", "405 of 405 requests answered around the ends of a certificate, a week",
        "1 of 1 lifetimes end as they must", "| idempotency.keep_s | 86400 | replay | claim |",
    ):  # fmt: skip
        assert words in page


@pytest.mark.parametrize("stage", RESULTS)
def test_a_stage_that_was_not_run_is_not_told(stage: str) -> None:
    """A page can be written of what there is."""
    page = simulate.page("simulate", "about", {name: found for name, found in RESULTS.items() if name != stage})
    assert page != simulate.page("simulate", "about", RESULTS)


def test_stages_that_are_done_are_not_run_again() -> None:
    """With everything there, nothing is simulated and nothing saved."""
    saved: list[str] = []
    keep: Callable[[str, dict[str, Any]], None] = lambda stage, _: saved.append(stage)  # noqa: E731
    simulate.stages(
        keep, {"history", "validation", "outage hung", "outage down", "storms", "lifetimes", *simulate.PLANTS}
    )
    assert saved == []
