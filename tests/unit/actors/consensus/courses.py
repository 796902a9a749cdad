"""Requests that may go through several layers, and how they are played to their end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st
from msgspec.structs import replace as changed

from actors.consensus.deliberation import recount
from actors.consensus.layers import barred, following, no_weaker
from actors.consensus.tally import Rule
from actors.consensus.vocabulary import Plan, PolicyChanged, Seat, State
from tests.unit.actors.consensus.panels import CODES, RULES, WEIGHTS, Script, play, scripts

EVERYONE = [Seat(f"v{n}", f"f{n}", lineage, WEIGHTS[n % 4]) for n, lineage in enumerate("LMNOLPQ")]
"""Voters that layers are drawn from; the first and the fifth are of one lineage."""


@dataclass(frozen=True)
class Course:
    """A first layer with what its voters do, and the layers behind it, whose voters may be the same."""

    first: Script
    later: tuple[Plan, ...]
    changes: Mapping[int, tuple[int, PolicyChanged]] = field(default_factory=dict)
    """Place of a layer → the turn before which policy changes there, and how."""
    breaks: frozenset[int] = frozenset()
    """Places of layers in which the sandbox breaks."""
    end: tuple[frozenset[str], Rule, bool] | None = None
    """What the policy in force at the end isolates, its rule, and whether it halts, where another is in force by then."""

    def plans(self, tried: Sequence[State]) -> list[Plan]:
        """Return the plans of the layers behind those that were tried, as planning hands them over."""
        return [changed(p, barred=barred(tried)) for p in self.later if p.index > tried[-1].plan.index]


@st.composite
def courses(draw: st.DrawFn) -> Course:
    """Draw two to four layers over seven voters: rules weaker and stronger, members shared and not, some isolated meanwhile."""
    first = draw(scripts())
    own = [*first.plan.seats, *first.plan.spares]
    pool = [*own, *EVERYONE[len(own) :]]
    names = [seat.voter for seat in pool]
    does = {**{v.voter: draw(st.sampled_from(sorted(first.does.values()))) for v in EVERYONE}, **first.does}
    plans = []
    for index in range(1, draw(st.integers(2, 4))):
        members = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=4, unique=True))
        out = draw(st.frozensets(st.sampled_from(names), max_size=1))
        size = draw(st.integers(1, len(members)))
        plans.append(
            changed(
                first.plan, index=index, layer=f"layer{index}", seats=tuple(members[:size]),
                spares=tuple(seat for seat in members[size:] if seat.voter not in out),
                isolated=out & {seat.voter for seat in members[:size]}, rule=draw(st.one_of(st.just(first.plan.rule), RULES)),
            )
        )  # fmt: skip
    isolated = st.frozensets(st.sampled_from(names), max_size=2)
    change = st.builds(PolicyChanged, isolated, st.sampled_from([False] * 7 + [True]))
    changes = draw(st.dictionaries(st.integers(0, 3), st.tuples(st.integers(0, 9), change), max_size=2))
    end = draw(st.none() | st.tuples(isolated, RULES, st.sampled_from([False] * 7 + [True])))
    slow = draw(st.frozensets(st.sampled_from(names), max_size=2))
    breaks = draw(st.frozensets(st.integers(0, 3), max_size=1))
    unseen = draw(st.frozensets(st.sampled_from(CODES), max_size=2))
    return Course(replace(first, does=does, slow=slow, unseen=unseen), tuple(plans), changes, breaks, end)


def run(course: Course, order: Sequence[str]) -> State:
    """Play every layer that is asked, each voter's deed in the given order; return the last, which knows the others."""
    tried: tuple[State, ...] = ()
    plan: Plan | None = course.first.plan
    while plan is not None:
        script = replace(course.first, plan=plan, breaks=course.first.breaks or len(tried) in course.breaks)
        held = [voter for voter in order if voter in script.voters]
        state = changed(play(script, held, course.changes.get(len(tried)), earlier=tried), tie_salt="ab" * 16)
        tried = (*tried, changed(state, earlier=()))
        plan = following(tried, course.plans(tried))
    return _counted_again(changed(tried[-1], earlier=tried[:-1]), course.end)


def _counted_again(last: State, end: tuple[frozenset[str], Rule, bool] | None) -> State:
    """Count the layer that decided once more where another policy is in force by then, as the coordinator does."""
    if end is None:
        return last
    isolated, rule, halted = end
    held = no_weaker(last.plan.rule, rule) if last.plan.index else rule
    return recount(last, changed(last.plan, isolated=isolated & _panel(last.plan), rule=held), halted=halted)


def _panel(plan: Plan) -> frozenset[str]:
    return frozenset(seat.voter for seat in (*plan.seats, *plan.spares))
