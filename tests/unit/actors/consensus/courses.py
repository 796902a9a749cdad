"""Requests that may go through several layers, and how they are played to their end."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st
from msgspec.structs import replace as changed

from actors.consensus.layers import barred, following
from actors.consensus.vocabulary import Plan, Seat, State
from tests.unit.actors.consensus.panels import RULES, WEIGHTS, Script, play, scripts

EVERYONE = [Seat(f"v{n}", f"f{n}", lineage, WEIGHTS[n % 4]) for n, lineage in enumerate("LMNOLPQ")]
"""Voters that layers are drawn from; the first and the fifth are of one lineage."""


@dataclass(frozen=True)
class Course:
    """A first layer with what its voters do, and the layers behind it, whose voters may be the same."""

    first: Script
    later: tuple[Plan, ...]

    def plans(self, tried: Sequence[State]) -> list[Plan]:
        """Return the plans of the layers behind those that were tried, as planning hands them over."""
        return [changed(p, barred=barred(tried)) for p in self.later if p.index > tried[-1].plan.index]


@st.composite
def courses(draw: st.DrawFn) -> Course:
    """Draw two to four layers over seven voters: rules weaker and stronger, members shared and not, some isolated."""
    first = draw(scripts(spares=0))
    pool = [*first.plan.seats, *EVERYONE[len(first.plan.seats) :]]
    does = {**{v.voter: draw(st.sampled_from(sorted(first.does.values()))) for v in EVERYONE}, **first.does}
    plans = []
    for index in range(1, draw(st.integers(2, 4))):
        members = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=4, unique=True))
        out = draw(st.frozensets(st.sampled_from([seat.voter for seat in pool]), max_size=1))
        size = draw(st.integers(1, len(members)))
        plans.append(
            changed(
                first.plan, index=index, layer=f"layer{index}", seats=tuple(members[:size]), spares=tuple(members[size:]),
                isolated=out & {seat.voter for seat in members[:size]}, rule=draw(st.one_of(st.just(first.plan.rule), RULES)),
            )
        )  # fmt: skip
    return Course(replace(first, does=does), tuple(plans))


def run(course: Course, order: Sequence[str]) -> State:
    """Play every layer that is asked, each voter's deed in the given order; return the last, which knows the others."""
    tried: tuple[State, ...] = ()
    plan: Plan | None = course.first.plan
    while plan is not None:
        script = replace(course.first, plan=plan)
        held = [voter for voter in order if voter in script.voters]
        state = changed(play(script, held, earlier=tried), tie_salt="ab" * 16)
        tried = (*tried, changed(state, earlier=()))
        plan = following(tried, course.plans(tried))
    return changed(tried[-1], earlier=tried[:-1])
