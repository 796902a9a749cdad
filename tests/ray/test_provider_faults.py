"""A small part of the fault campaign against a real node: four faults at each of three providers that stream, and at all."""

from typing import Any

import pytest

from cluster.acceptance.fault_matrix import GOOD, totals
from cluster.acceptance.provider_faults import mode_ran, orders
from tests.ray.world import free_port

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]
ROWS = ("cut_stream", "stalled_stream", "error_event", "unavailable")
MODE = "streamed"
ANSWERED = {"one": True, "named": False, "primaries": True, "everybody": False}
"""Whether somebody is left who can answer."""


@pytest.fixture(scope="module")
def ran() -> dict[str, Any]:
    """Return what became of every request, in a system and with providers of its own."""
    rows = {name: wanted for name, wanted in orders().items() if name in ROWS}
    return mode_ran("provider_faults_test", free_port(), MODE, rows)


def test_a_fault_ends_in_a_right_answer_or_a_clean_error_in_time(ran: dict[str, Any]) -> None:
    """Nothing cut, wrong or late: others answer, later layers too, and where nobody can, every cause is told."""
    ends = {name: set(cell["outcomes"]) for name, cell in ran["cells"].items()}
    bad = {name: ran["cells"][name] for name, end in ends.items() if not end <= set(GOOD)}
    assert not bad, bad
    answered = {name: "right" in end for name, end in ends.items()}
    other = {name: ran["cells"][name] for name, was in answered.items() if was != ANSWERED[name.split("/")[0]]}
    assert not other, other
    assert len(ends) == len(ROWS) * 8


def test_every_fault_was_met_and_no_ballot_of_a_struck_voter_counted(ran: dict[str, Any]) -> None:
    """What was not met would prove nothing."""
    assert all(cell["met_the_fault"] for cell in ran["cells"].values())
    assert totals({MODE: ran})["ballots of struck voters that counted"] == 0


def test_every_received_answer_is_on_disk_and_verifies(ran: dict[str, Any]) -> None:
    """Answers of the first layer and of later ones alike."""
    received = sum(cell["outcomes"].get("right", 0) for cell in ran["cells"].values())
    assert ran["records"] == {"checked_on_disk": received, "answers_without_verifiable_record": 0, "examples": []}
    assert received > 0
