"""Which candidate of the winning group is served."""

from actors.consensus.choosing import choose_served
from actors.consensus.deliberation import begin
from actors.consensus.vocabulary import Seat
from tests.unit.actors.consensus.test_deliberation import A, B, C, run, says
from tests.unit.actors.consensus.test_deliberation_code import ONE, deliberate, said
from tests.unit.actors.consensus.world import plan, screened


def test_the_served_candidate_is_the_form_most_lineages_share() -> None:
    """In a prose group the text that more lineages gave word for word is served."""
    start, _ = begin(plan([A, B, C], kind="text"))
    state, _ = run(start, says(0, "The sky is blue!"), says(1, "the sky is blue today"), says(2, "the sky is blue"))
    served = choose_served(state, "00")
    assert served is not None
    assert served.seat.voter in {"a", "c"}


def test_the_salt_decides_between_equals() -> None:
    """Among equal candidates the drawn salt picks; different salts pick differently."""
    state, _ = run(begin(plan([A, B]))[0], says(0, "Paris"), says(1, "It is Paris."))
    picks = {served.ask_id for n in range(32) if (served := choose_served(state, f"{n:02x}")) is not None}
    assert picks == {0, 1}


def test_a_flagged_candidate_is_served_last() -> None:
    """Inside a group a candidate without findings goes first, whatever the voters weigh."""
    heavy = Seat("h", "h", "h", 900_000)
    events = [*said(0, ONE, screened("flag")), *said(1, f"{ONE}  # same")]
    state, _ = deliberate(heavy, B, events=events)
    served = choose_served(state, "00")
    assert served is not None
    assert served.seat.voter == "b"
