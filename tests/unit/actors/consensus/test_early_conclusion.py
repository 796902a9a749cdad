"""Concluding early is safe: on small panels, whatever the ballots that were not waited for had been, the end is the same.

Every voter does everything it can: fail, answer any of three forms, use a sink or not, be rejected, be isolated before it has
answered or before its answer was screened, or not answer until the deadline. Two deliberations are led through all combinations
side by side, one that ends when it is certain and one that hears everybody. Where both are over, and behaviour has merged the
forms in every way there is, they must have ended alike.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest
from msgspec.structs import replace

from actors.base.canonical import MICRO
from actors.base.digests import sha256_hex
from actors.consensus.choosing import ballot_outcome, choose_served
from actors.consensus.deliberation import begin, step
from actors.consensus.independence import Pair
from actors.consensus.readable import readable
from actors.consensus.reading.examples import Example
from actors.consensus.screening.findings import Screening
from actors.consensus.tally import Rule
from actors.consensus.vocabulary import (
    Answered,
    Ballot,
    Compared,
    DeadlinePassed,
    Event,
    Failed,
    Plan,
    PolicyChanged,
    Screened,
    Seat,
    State,
)
from tests.unit.actors.consensus.panels import CODES
from tests.unit.actors.consensus.world import candidate, comparison, plan, screened

pytestmark = pytest.mark.usefixtures("read_once")
FORMS = CODES[:3]
Deed = tuple[str, Screening | None] | Literal["isolated", "hangs"] | None
"""What a voter answers and what screening says of it (``None`` if it is isolated before), or what it is instead; ``None`` if
it fails."""
DEEDS: tuple[Deed, ...] = (
    None,
    (FORMS[0], screened()),
    (FORMS[1], screened()),
    (FORMS[2], screened()),
    (FORMS[0], screened("pass", "network")),
    (FORMS[1], screened("pass", "network")),
    (FORMS[0], screened("reject")),
)
LATER: tuple[Deed, ...] = ("isolated", "hangs", (FORMS[0], None))
"""What else may become of a ballot that is waited for."""
MERGES = ("abc", "aab", "aba", "baa", "aaa", "aa-")
"""What each form does on the inputs tried; ``-`` did nothing that could be compared."""
EXAMPLES = (Example("f(1)", "2"), Example("f(2)", "3"))
THREE, THREE_OF_FOUR = Rule(500_000, 3, 1_000_000, 0), Rule(740_000, 2, 1_000_000, 0)
HALF, TWO_THIRDS = Rule(500_000, 2, 1_000_000, 0), Rule(660_000, 2, 1_300_000, 500_000)


@dataclass
class Walk:
    """All combinations of one panel."""

    deeds: tuple[Deed, ...]
    screened_last: bool
    """Whether every voter has answered before the first answer is screened."""
    done: dict[int, Deed] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)

    def through(self, early: State, patient: State) -> None:
        """Lead both deliberations through everything that may come next, and compare their ends."""
        ballot = self._next(patient)
        if ballot is None:
            self._compare(early, patient)
        elif ballot.state == "screening":
            deed = self.done[ballot.ask_id]
            assert isinstance(deed, tuple)
            event = Screened(ballot.ask_id, deed[1]) if deed[1] else isolation(ballot)
            self._both(early, patient, event)
        else:
            for deed in self.deeds:
                self.done[ballot.ask_id] = deed
                event = event_of(ballot, deed)
                self._both(early, patient, event) if event else self.through(early, patient)
            del self.done[ballot.ask_id]

    def _both(self, early: State, patient: State, event: Event) -> None:
        self.through(step(early, event)[0], step(patient, event)[0])

    def _next(self, state: State) -> Ballot | None:
        waiting = {kind: [b for b in state.ballots if b.state == kind] for kind in ("outstanding", "screening")}
        waiting["outstanding"] = [b for b in waiting["outstanding"] if self.done.get(b.ask_id) != "hangs"]
        order = ("outstanding", "screening") if self.screened_last else ("screening", "outstanding")
        return next((ballot for kind in order for ballot in waiting[kind]), None)

    def _compare(self, early: State, patient: State) -> None:
        if "hangs" in self.done.values():
            early, patient = (step(state, DeadlinePassed(9))[0] for state in (early, patient))
        ended_early = early.conclusion is not None and any(
            ballot_outcome(early, b) == "cancelled" for b in early.ballots
        )
        for event in comparisons(patient) if patient.comparing else [DeadlinePassed(9)]:
            one, other = step(early, event)[0], step(patient, event)[0]
            assert one.conclusion is not None
            assert other.conclusion is not None
            ends = [one.conclusion.outcome, other.conclusion.outcome]
            assert ends[0] == ends[1] or (self._is_kept_out() and "agreed" not in ends), self.done
            assert agreed(one) <= agreed(other), self.done
            assert_servable(one)
            self.seen[f"{'early' if ended_early else 'late'} {one.conclusion.outcome}"] += 1

    def _is_kept_out(self) -> bool:
        """Tell whether somebody was isolated or out of time: that may be another cause for there being no winner."""
        return any(deed in ("isolated", "hangs") or (deed and deed[1] is None) for deed in self.done.values())


def event_of(ballot: Ballot, deed: Deed) -> Event | None:
    """Return what becomes of an ask, if anything does before the deadline."""
    match deed:
        case None:
            return Failed(ballot.ask_id, "failed", "x", 5)
        case "isolated":
            return isolation(ballot)
        case "hangs":
            return None
        case (form, _):
            return Answered(ballot.ask_id, candidate(form), 7)


def isolation(ballot: Ballot) -> PolicyChanged:
    """Return the policy that keeps a ballot's voter out."""
    return PolicyChanged(frozenset({ballot.seat.voter}), halted=False)


def comparisons(state: State) -> Iterator[Compared]:
    """Return every way in which the candidates' behaviour may merge them, and in which they may pass the examples."""
    total = len(state.plan.examples)
    for passing in (range(1 << len(FORMS))) if total else (0,):
        passes = {form: total if passing >> place & 1 else 1 for place, form in enumerate(FORMS)}
        for merge in MERGES if not total else MERGES[:2]:
            yield compared(state, dict(zip(FORMS, merge, strict=True)), passes)


def compared(state: State, does: Mapping[str, str], passes: Mapping[str, int]) -> Compared:
    """Return what running the candidates shows, by form."""
    codes = {ask_id: state.ballots[ask_id].code for ask_id in state.compared}
    vectors = {ask_id: sha256_hex(does[code].encode()) for ask_id, code in codes.items() if does[code] != "-"}
    total = len(state.plan.examples)
    return Compared(comparison(vectors, {n: min(total, passes[c]) for n, c in codes.items()}, total))


def agreed(state: State) -> set[int]:
    """Return the ballots that the answer rests on."""
    return {ballot.ask_id for ballot in state.ballots if ballot_outcome(state, ballot) == "agreed"}


def assert_servable(state: State) -> None:
    """Check that what would be served was screened, uses no sink alone, and failed no example that was run."""
    served = choose_served(state, "00")
    if served is None:
        return
    assert served.screening is not None
    assert served.screening.verdict != "reject"
    using = {b.seat.lineage for b in state.ballots if b.screening and "network" in b.screening.sinks}
    assert not served.screening.sinks or len(using) > 1
    if state.comparison is not None:
        assert state.comparison.examples_passed.get(served.ask_id, 0) == state.comparison.examples_total


def panel(lineages: str, rule: Rule, weights: tuple[int, ...] = (), spares: int = 0, **changes: object) -> Plan:
    """Return the plan of a panel: one seat a letter, the last ``spares`` of them standing by."""
    heavy = weights or (500_000,) * len(lineages)
    seats = [Seat(f"v{n}", f"f{n}", lineage, heavy[n]) for n, lineage in enumerate(lineages)]
    seated = seats[: len(seats) - spares]
    return plan(seated, spares=tuple(seats[len(seated) :]), rule=rule, kind="code:python", **changes)


ALIKE = Rule(500_000, 2, 1_300_000, 500_000, pairs=(Pair("L", "M", 900_000), Pair("M", "N", 100_000)))
APART = Rule(500_000, 2, 1_600_000, 700_000, pairs=(Pair("K", "L", 0), Pair("K", "M", 200_000), Pair("L", "M", MICRO)))
LEADING = Rule(400_000, 2, 1_000_000, 0, min_gap_micro=250_000)
LEADING_APART = Rule(400_000, 2, 1_300_000, 500_000, min_gap_micro=300_000, pairs=(Pair("L", "M", 900_000),))
UNEQUAL = (900_000, 500_000, 300_000, 300_000)
RUNS: dict[str, object] = {"compare_ms": 100}


FEW = (None, DEEDS[1], DEEDS[2], DEEDS[5], DEEDS[6])
_BEFORE, _PLAIN, _AFTER = sorted(
    (CODES[0], CODES[1], CODES[3]), key=lambda code: readable("code:python", "", "strict", code, "stop").reading.sha256
)
REMARKED: tuple[Deed, ...] = (
    (_PLAIN, screened()),
    (f"{_PLAIN}  # see gist", screened()),
    (_BEFORE, screened("pass", "network")),
    (_AFTER, screened()),
)
"""Code whose every part is common, one of it with a remark beside it. What is put out if one lineage alone reaches for a sink has
the first number: the others' change with it."""
HEAVY = (900_000, 900_000, 100_000, 100_000, 100_000)


@pytest.mark.parametrize(
    ("asked", "deeds", "screened_last"),
    [
        (panel("LMN", HALF, **RUNS), DEEDS, False),
        (panel("LMN", TWO_THIRDS), DEEDS, True),
        (panel("LMM", HALF, UNEQUAL, **RUNS), DEEDS, True),
        (panel("NLMM", HALF, UNEQUAL, **RUNS), FEW, False),
        (panel("MMLN", HALF, UNEQUAL, **RUNS), DEEDS[1:5], True),
        (panel("LMNL", TWO_THIRDS), FEW, True),
        (panel("LMNM", HALF, spares=1, **RUNS), FEW, False),
        (panel("KLMN", Rule(600_000, 2, 1_000_000, 0), **RUNS), DEEDS[:4], True),
        (panel("KLMN", Rule(600_000, 2, 1_000_000, 0), (240_000, 320_000, 320_000, 120_000)), FEW, False),
        # Isolated before the answer or before it was screened, and the deadline.
        (panel("LMN", HALF, **RUNS), (*DEEDS[:5], *LATER), False),
        (panel("LMN", TWO_THIRDS), (*DEEDS, *LATER), True),
        (panel("LMNL", HALF, UNEQUAL), (*FEW[:3], *LATER), False),
        (panel("LMNM", HALF, spares=1, **RUNS), (*FEW[:3], *LATER), True),
        # Lineages that correlate unequally, and a winner that has to lead.
        (panel("LMN", ALIKE), (*DEEDS[:4], *LATER), False),
        (panel("NLMM", ALIKE, UNEQUAL, **RUNS), (*FEW[:3], *LATER), False),
        (panel("KLMN", APART), (*FEW[:3], *LATER), True),
        (panel("KLMN", LEADING), (*FEW[:3], *LATER), False),
        (panel("LMNK", LEADING_APART, UNEQUAL), (*FEW[:3], *LATER), False),
        (panel("KLML", LEADING, UNEQUAL, spares=1), (*FEW[:3], *LATER[:2]), False),
        # Two heavy ones agree and have a remark of their own; whoever is last may have the same code without one.
        (panel("KLMNO", HALF, HEAVY), REMARKED, False),
    ],
)
def test_no_completion_changes_a_concluded_end(asked: Plan, deeds: tuple[Deed, ...], screened_last: bool) -> None:
    """Late dissent, failures, rejections, isolation, shared sinks and merging behaviour would not have changed the end."""
    walk = Walk(deeds, screened_last)
    walk.through(begin(asked)[0], begin(replace(asked, hear_everyone=True))[0])
    assert walk.seen["early agreed"] > 0
    assert walk.seen["late agreed"] > 0


@pytest.mark.parametrize(
    ("asked", "deeds"),
    [
        (panel("KLMNKKK", THREE, spares=3, max_substitutes=3), (*FEW[:2], DEEDS[6])),
        (panel("KLMNKKK", THREE, spares=3, max_substitutes=3), (*FEW[:2], "isolated")),
        (panel("KLMKK", THREE_OF_FOUR, (500_000, 500_000, 500_000, 900_000, 900_000), spares=2), (*FEW[:3], *LATER)),
        (panel("LMLLN", HALF, spares=3, max_substitutes=2), (*FEW, *LATER[:2])),
    ],
)
def test_where_those_who_stand_by_are_no_hope_it_ends_as_it_would_have(asked: Plan, deeds: tuple[Deed, ...]) -> None:
    """They are of a lineage that is there, or too heavy an opponent: whoever was not waited for would have changed nothing."""
    walk = Walk(deeds, screened_last=False)
    walk.through(begin(asked)[0], begin(replace(asked, hear_everyone=True))[0])
    assert walk.seen["early unavailable"] > 0
    assert walk.seen["late agreed"] > 0


@pytest.mark.parametrize("policy", ["strict", "evidence"])
def test_with_examples_nothing_concludes_before_they_have_run(policy: str) -> None:
    """Whatever passes them and whatever merges: everybody is heard, and what wins has passed."""
    asked = panel("LMN", HALF, examples=EXAMPLES, policy=policy, **RUNS)
    walk = Walk((None, *DEEDS[2:5]), screened_last=False)
    walk.through(begin(asked)[0], begin(replace(asked, hear_everyone=True))[0])
    assert not [ending for ending in walk.seen if ending.startswith("early")]
    assert walk.seen["late agreed"] > 0


def test_who_stands_by_is_a_lineage_more_that_may_have_to_vouch() -> None:
    """Two heavy ones of three agree, and whoever fails is replaced: then two of four have written it, and that is not most."""
    asked = panel("LMNO", HALF, (900_000, 900_000, 100_000, 100_000), spares=1, max_substitutes=1)
    walk = Walk((*FEW[:3], "isolated"), screened_last=False)
    walk.through(begin(asked)[0], begin(replace(asked, hear_everyone=True))[0])
    assert walk.seen["late agreed"] > 0
    assert walk.seen["late disagreed"] > 0
