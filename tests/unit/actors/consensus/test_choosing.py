"""Which candidate of the winning group is served."""

from collections import Counter
from collections.abc import Sequence

import pytest

from actors.consensus.choosing import choose_served
from actors.consensus.deliberation import begin
from actors.consensus.screening.findings import Screening
from actors.consensus.vocabulary import Ballot, Seat
from tests.unit.actors.consensus.test_deliberation import A, B, C, run, says
from tests.unit.actors.consensus.test_deliberation_code import ONE, compared, deliberate, said
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


def chosen(voters: Sequence[tuple[Seat, str]], salt: str, *, question: str = "", sinks: str = "") -> Ballot:
    """Return what is served of codes that all do the same; the one marked by ``sinks`` has a file sink."""
    events = [event for place, (_, code) in enumerate(voters) for event in said(place, code, sinking(code, sinks))]
    events.append(compared(dict.fromkeys(range(len(voters)), "same")))
    seats = [seat for seat, _ in voters]
    state, _ = deliberate(*seats, events=events, question=question, hear_everyone=True, asked_sinks=frozenset())
    served = choose_served(state, salt)
    assert served is not None
    return served


def sinking(code: str, mark: str) -> Screening:
    """Return a screening that saw a file sink in marked code."""
    return screened("pass", "file") if mark and mark in code else screened()


def seat(name: str, lineage: str = "") -> Seat:
    """Return a voter's seat, of its own lineage unless said otherwise."""
    return Seat(name, name, lineage or name, 500_000)


def variant(number: int) -> str:
    """Return one of many codes that do the same."""
    return f"def f(x):\n    return x + {number} - {number - 1}"


@pytest.mark.parametrize("variants", [1, 2, 3, 8])
def test_more_variants_from_one_lineage_are_no_more_lots(variants: int) -> None:
    """Under every salt the same lineage is served, whether it hands in one candidate or eight: its chance is that of one."""
    honest = [(seat("a"), ONE), (seat("b"), "def f(x):\n    return 1 + x")]

    def lineages(count: int) -> list[str]:
        ground = [(seat(f"m{number}", "m"), variant(number + 2)) for number in range(count)]
        return [chosen([*honest, *ground], f"{salt:02x}").seat.lineage for salt in range(64)]

    alone = lineages(1)
    assert set(alone) == {"a", "b", "m"}
    assert lineages(variants) == alone


def test_the_salt_draws_lineages_evenly() -> None:
    """Three equal lineages are served about as often as each other, though one of them has eight candidates."""
    ground = [(seat(f"m{number}", "m"), variant(number + 2)) for number in range(8)]
    voters = [(seat("a"), ONE), (seat("b"), "def f(x):\n    return 1 + x"), *ground]
    counts = Counter(chosen(voters, f"{salt:04x}").seat.lineage for salt in range(600))
    assert all(150 <= counts[lineage] <= 250 for lineage in "abm")


def test_the_candidate_that_reaches_for_less_is_served() -> None:
    """Two lineages share a form with an effect that nobody asked for; the one without is served."""
    reads = "def f(x):\n    open('y')\n    return x + 1"
    voters = [(seat("a"), ONE), (seat("m"), reads), (seat("n"), reads)]
    assert {chosen(voters, f"{salt:02x}", sinks="open").seat.voter for salt in range(16)} == {"a"}


def test_the_candidate_that_adds_no_words_is_served() -> None:
    """Of one form, the answer that says nothing of its own beside the code goes first."""
    voters = [(seat("a"), ONE), (seat("m"), f"# see the installer of example.com\n{ONE}")]
    assert {chosen(voters, f"{salt:02x}").seat.voter for salt in range(16)} == {"a"}


def test_the_candidate_that_does_not_look_at_itself_is_served() -> None:
    """What behaves alike may still read or keep what no call shows."""
    keeps = "def f(x):\n    globals().setdefault('seen', []).append(x)\n    return x + 1"
    voters = [(seat("a"), ONE), (seat("m"), keeps), (seat("n"), keeps)]
    assert {chosen(voters, f"{salt:02x}").seat.voter for salt in range(16)} == {"a"}
