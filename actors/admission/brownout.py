"""What is saved while too much comes: a table from pressure to cuts. Pure.

Rules:
- A level begins at its pressure and ends below half of it, so that it does not flicker.
- ``hedges``: nobody is asked beside a voter that is slow.
- ``voters``: a panel is cut to those who can decide although a lineage of them dissents, the heaviest first; the others stand by
  as substitutes. Its quorum is raised by what the cut took away: whoever wins has the weight that the whole panel's quorum asks
  for, and a lead that those who were not asked could not take from him. A panel without room for that stays whole.
- Whole stays, too, what rests on everybody: code under ``strict``, which most lineages must have written; code under ``evidence``
  whose examples are evidence, as who was not asked may have passed them with another answer; prose, whose groups every text may
  move; one voter asked by name; a panel to be heard out, or with somebody isolated; a later layer; a lineage.
- So no cut takes an answer below its policy: it saves asks, and can only make less agree.
- What cannot act is not said to be saved: hedges of a panel by which nobody stands, voters of a panel that stays whole.

Left out: samples of one voter, of which each is asked one; and a cache in front, as there is none.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from actors.admission.config import BrownoutConfig, Cut
from actors.base.canonical import MICRO
from actors.consensus.counting import LEAST_EXAMPLES
from actors.consensus.vocabulary import Plan, Seat

_ENDS_BELOW = 0.5


class Brownout:
    """One replica's level. Used from one event loop."""

    def __init__(self, config: BrownoutConfig) -> None:
        self._levels = config.levels
        self.all_cuts: tuple[Cut, ...] = config.levels[-1].cut if config.levels else ()
        """What is saved at the highest level."""
        self.level = 0
        """0 saves nothing."""

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """Return what is saved now."""
        return self._levels[self.level - 1].cut if self.level else ()

    def look(self, pressure: float) -> None:
        """Go to the level of a pressure."""
        while self.level < len(self._levels) and pressure >= self._levels[self.level].pressure:
            self.level += 1
        while self.level and pressure < self._levels[self.level - 1].pressure * _ENDS_BELOW:
            self.level -= 1


def without(plan: Plan, cuts: Sequence[Cut]) -> Plan:
    """Return a plan without what can be saved of it, which it says."""
    return replace(_fewer(plan, cuts), saved=tuple(savable(plan, cuts)))


def savable(plan: Plan, cuts: Sequence[Cut]) -> list[Cut]:
    """Return the cuts that save anything of a plan."""
    fewer = _fewer(plan, cuts)
    acts = {"voters": fewer is not plan, "hedges": bool(fewer.spares and fewer.max_substitutes)}
    return [cut for cut in cuts if acts[cut]]


def _fewer(plan: Plan, cuts: Sequence[Cut]) -> Plan:
    return thrifty(plan) if "voters" in cuts else plan


def thrifty(plan: Plan) -> Plan:
    """Return a plan that asks fewer at first and lets nobody win who would not have won; itself if there is none."""
    by_examples = plan.policy == "evidence" and len(plan.examples) >= LEAST_EXAMPLES
    rests_on_all = plan.policy == "direct" or plan.vouched_only or by_examples or plan.kind == "text"
    if rests_on_all or plan.index or plan.hear_everyone or plan.isolated:
        return plan
    needed = _needed(plan)
    for size in range(plan.rule.min_lineages + 1, len(plan.seats)):
        asked, rest = plan.seats[:size], plan.seats[size:]
        is_whole = {seat.lineage for seat in asked}.isdisjoint(seat.lineage for seat in rest)
        if is_whole and _decides(asked, needed, plan.rule.min_lineages):
            quorum = -(-needed * MICRO // _weight(asked))
            return replace(
                plan, seats=asked, spares=(*rest, *plan.spares), rule=replace(plan.rule, quorum_micro=quorum)
            )
    return plan


def _needed(plan: Plan) -> int:
    """Return the weight with which nobody can be outvoted in the whole panel, whatever the rest of it answers."""
    whole, rule = _weight(plan.seats), plan.rule
    lead = max(rule.min_gap_micro, 1) + 1  # a margin outlives the rounding
    return max(-(-rule.quorum_micro * whole // MICRO), -(-(MICRO + lead) * whole // (2 * MICRO)))


def _weight(seats: Sequence[Seat]) -> int:
    """Return the weight of a panel: each lineage's heaviest seat."""
    heaviest: dict[str, int] = {}
    for seat in seats:
        heaviest[seat.lineage] = max(heaviest.get(seat.lineage, 0), seat.weight_micro)
    return sum(heaviest.values())


def _decides(asked: Sequence[Seat], needed: int, min_lineages: int) -> bool:
    """Tell whether those asked can win although the heaviest lineage of them dissents."""
    lineages = {seat.lineage for seat in asked}
    without = min((_weight([seat for seat in asked if seat.lineage != lineage]) for lineage in lineages), default=0)
    return len(lineages) > min_lineages and without >= needed
