"""Which candidate of the winning group is served."""

from collections.abc import Sequence

import pytest

from actors.consensus.causes import UNVOUCHED_CAUSE
from actors.consensus.choosing import choose_served
from actors.consensus.deliberation import begin
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


def chosen(voters: Sequence[tuple[Seat, str]], salt: str) -> Ballot:
    """Return what ``evidence`` serves of codes that all do the same."""
    events = [event for place, (_, code) in enumerate(voters) for event in said(place, code)]
    events.append(compared(dict.fromkeys(range(len(voters)), "same")))
    seats = [seat for seat, _ in voters]
    state, _ = deliberate(*seats, events=events, hear_everyone=True, policy="evidence")
    served = choose_served(state, salt)
    assert served is not None
    return served


def strictly(*codes: str, salt: str = "00") -> tuple[str, str]:
    """Return whose code ``strict`` serves of one lineage each that do the same, and why nobody's; a code may stand by a flag."""
    verdicts = ["flag" if code.startswith("!") else "pass" for code in codes]
    events = [
        event
        for place, (code, verdict) in enumerate(zip(codes, verdicts, strict=True))
        for event in said(place, code.removeprefix("!"), screened(verdict))
    ]
    events.append(compared(dict.fromkeys(range(len(codes)), "same")))
    state, _ = deliberate(*(seat(name) for name in "abcdefg"[: len(codes)]), events=events)
    served = choose_served(state, salt)
    assert state.conclusion is not None
    return served.seat.voter if served else "", state.conclusion.cause


def seat(name: str, lineage: str = "") -> Seat:
    """Return a voter's seat, of its own lineage unless said otherwise."""
    return Seat(name, name, lineage or name, 500_000)


def variant(number: int) -> str:
    """Return one of 27 codes, of different forms, that are made of the same and equally large."""
    lines = "".join(f"    y = {number // 3**place % 3}\n" for place in range(3))
    return f"def f(x):\n{lines}    return x + 1"


@pytest.mark.parametrize("variants", [1, 2, 3, 8])
def test_variants_from_one_lineage_never_raise_its_chance(variants: int) -> None:
    """Under every salt that serves it with several candidates it is served with one too; another lineage goes before several."""
    honest = [(seat("a"), variant(0)), (seat("b"), variant(1))]

    def lineages(count: int) -> list[str]:
        ground = [(seat(f"m{number}", "m"), variant(number + 2)) for number in range(count)]
        return [chosen([*honest, *ground], f"{salt:02x}").seat.lineage for salt in range(64)]

    alone, more = lineages(1), lineages(variants)
    assert set(alone) == {"a", "b", "m"}
    assert all(before == "m" for before, after in zip(alone, more, strict=True) if after == "m")
    assert variants == 1 or "m" not in more


def test_a_lineage_with_most_of_the_ballots_is_never_served_while_another_agrees() -> None:
    """Not even where the other's candidate is flagged: whoever fills the panel vouches, and somebody else's text leaves."""
    codes = [ONE, variant(2), variant(3), variant(4)]
    seats = [seat("a"), *(seat(f"m{number}", "m") for number in range(3))]
    events = [
        event
        for place, code in enumerate(codes)
        for event in said(place, code, screened("flag" if place == 0 else "pass"))
    ]
    state, _ = deliberate(*seats, events=[*events, compared(dict.fromkeys(range(4), "same"))], hear_everyone=True)
    served = [choose_served(state, f"{salt:02x}") for salt in range(64)]
    assert {ballot.seat.lineage for ballot in served if ballot is not None} == {"a"}


@pytest.mark.parametrize("policy", ["strict", "evidence"])
def test_who_copies_the_lineage_with_most_ballots_and_adds_to_it_is_not_served(policy: str) -> None:
    """Three samples of one voter agree with an attacker alone, who hands in one of them and more."""
    for added in (f"{ONE}  # run it as root", OPENS):
        seats = [seat(f"a{number}", "a") for number in range(3)]
        events = [event for place, code in enumerate([variant(2), ONE, ONE, added]) for event in said(place, code)]
        events.append(compared(dict.fromkeys(range(4), "same")))
        state, _ = deliberate(*seats, seat("m"), events=events, hear_everyone=True, policy=policy)
        served = [choose_served(state, f"{salt:02x}") for salt in range(64)]
        assert {ballot.seat.lineage for ballot in served if ballot is not None} == {"a"}


def test_of_lineages_with_as_many_ballots_each_has_one_lot() -> None:
    """Under every salt the same lineage is served, whichever two texts it hands in and whether they differ."""
    lots = [
        [
            chosen([(seat(f"{x}{n}", x), variant(base + n * step)) for x, base in (("a", 2), ("m", 20)) for n in (0, 1)],
                   f"{salt:02x}").seat.lineage
            for salt in range(64)
        ]
        for step in (0, 1, 5)
    ]  # fmt: skip
    assert lots[0] == lots[1] == lots[2]
    assert set(lots[0]) == {"a", "m"}


def test_a_form_that_less_than_half_share_is_no_argument() -> None:
    """Two colluders of five do not go before three that differ; three of five that agree go before two."""
    codes = [variant(0), variant(1), variant(2)]
    honest = [(seat(name), code) for name, code in zip("abc", codes, strict=True)]
    colluding = [(seat("m"), variant(9)), (seat("n"), variant(9))]
    served = {chosen([*honest, *colluding], f"{salt:02x}").seat.voter for salt in range(64)}
    assert served == set("abcmn")
    agreed = [(seat(name), variant(0)) for name in "abc"]
    assert {chosen([*agreed, *colluding], f"{salt:02x}").seat.voter for salt in range(64)} == set("abc")


OPENS = "def f(x):\n    if x == 7919:\n        return x.leak\n    return x + 1"


def test_who_adds_to_an_honest_answer_is_served_after_it() -> None:
    """Under every salt, alone and as two of five that collude; those that wrote nothing but what others wrote draw."""
    honest = [(seat("a"), ONE), (seat("b"), "def f(x):\n    return 1 + x")]
    served = {chosen([*honest, (seat("m"), OPENS)], f"{salt:02x}").seat.voter for salt in range(64)}
    assert served == {"a", "b"}
    third = (seat("c"), "def f(x):\n    return sum((x, 1))")
    served = {
        chosen([*honest, third, (seat("m"), OPENS), (seat("n"), OPENS)], f"{salt:02x}").seat.voter for salt in range(64)
    }
    assert served == {"a", "b"}


def test_words_of_its_own_come_after_code_of_its_own() -> None:
    """A remark that nobody else makes is served after none; code that nobody else writes is served after any remark."""
    remark = f"{ONE}  # run this as root"
    for honest in (ONE, "def f(x):\n    return 1 + x"):
        panel = [(seat("m"), remark), (seat("a"), honest)]
        assert {chosen(panel, f"{salt:02x}").seat.voter for salt in range(64)} == {"a"}
    panel = [(seat("m"), OPENS), (seat("a"), remark), (seat("b"), "def f(x):\n    return 1 + x  # ask me")]
    assert {chosen(panel, f"{salt:02x}").seat.voter for salt in range(64)} == {"a", "b"}


SWAPPED = "def f(x):\n    return 1 + x"
ALONE = "def f(x):\n    return sum((x, 1))"
BRANCHES = "def f(x):\n    return x + 1 if x else 1"
GREATEST = "def f(x):\n    return max((x + 1,))"


def test_strict_serves_only_what_most_lineages_wrote_part_by_part() -> None:
    """Three that do the same in three ways vouch for none; two of three vouch for what both are made of."""
    assert strictly(ONE, SWAPPED, ALONE)[0] in ("a", "b")
    assert strictly(f"{ONE}  # run it", SWAPPED, ALONE) == ("b", "")
    assert strictly(BRANCHES, GREATEST, ALONE) == (
        "",
        UNVOUCHED_CAUSE,
    )


def test_two_of_five_that_collude_serve_nothing_of_their_own_under_strict() -> None:
    """Where the honest ones agree in parts one of them leaves; where they do not, nobody does."""
    honest = [BRANCHES, GREATEST, ALONE]
    assert {strictly(ONE, SWAPPED, ONE, OPENS, OPENS, salt=f"{n:02x}")[0] for n in range(64)} <= set("abc")
    assert strictly(*honest, OPENS, OPENS) == ("", UNVOUCHED_CAUSE)


def test_a_flagged_answer_leaves_if_it_alone_is_vouched_for() -> None:
    """A flag comes after what is vouched for: it is no rejection."""
    assert strictly(f"!{ONE}", f"{SWAPPED}  # run it", ALONE) == ("a", "")
    assert strictly(f"!{ONE}", SWAPPED, ALONE) == ("b", "")


def test_one_text_of_two_heavy_lineages_of_five_is_not_vouched_for() -> None:
    """They are a quorum by weight and no majority of those asked."""
    heavy = [Seat(name, name, name, 900_000) for name in "ab"]
    light = [Seat(name, name, name, 100_000) for name in "cde"]
    others = [f"def f(x):\n    return x * {number}" for number in range(10, 13)]
    events = [event for place, code in enumerate([OPENS, OPENS, *others]) for event in said(place, code)]
    events.append(compared({0: "same", 1: "same", 2: "c", 3: "d", 4: "e"}))
    state, _ = deliberate(*heavy, *light, events=events)
    assert state.conclusion is not None
    assert (state.conclusion.outcome, state.conclusion.cause) == ("disagreed", UNVOUCHED_CAUSE)
