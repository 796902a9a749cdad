"""Whether candidates that were run again do what the record says. Pure: what they did is handed in.

Rules:
- The candidates are those that were run then, the inputs are drawn from the recorded salt, the rounds are as many as then.
- The same groups and the same examples passed are ``same``, though a digest of behaviour may differ: nobody decided by it.
- A difference of which only code that did not do the same twice is part is ``nondeterministic``; so is one where another
  version compared.

Left out: running (``adapters.repeating``).
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from actors.base.canonical import micro
from actors.consensus.behaviour.compare import Comparison
from actors.consensus.grouping import Answer, group_answers
from actors.consensus.pieces import taken_apart
from actors.consensus.reading.code import PYTHON
from actors.consensus.reading.context import in_context
from actors.consensus.retention.asked import context_asked
from actors.consensus.retention.content import Content
from actors.consensus.retention.versions import BEHAVIOUR_VERSION
from actors.consensus.tally import NO_GROUP
from actors.spans.record import DecisionRecord

Ending = Literal["same", "differs", "nondeterministic", "could not run"]


class Rerun(msgspec.Struct, frozen=True):
    """What came of running again, in words that name the ballots."""

    ending: Ending
    detail: str


def sources_run(content: Content) -> dict[int, str]:
    """Return place of the ballot → code as it was run; empty if nothing was."""
    places = content.compared.ballots if content.compared else []
    context = context_asked(content.question)
    said = {place: content.said[place] for place in places if 0 <= place < len(content.said)}
    return {place: in_context(context, taken_apart(each.text, PYTHON)[0]) for place, each in said.items() if each.came}


def seed_of(record: DecisionRecord) -> int:
    """Return what the inputs were drawn from."""
    return int(record.tie_salt[:16], 16)


def compare_again(record: DecisionRecord, content: Content, again: Comparison) -> Rerun:
    """Return whether what candidates did now leads to the recorded groups and examples."""
    counted = [place for place, ballot in enumerate(record.ballots) if ballot.group != NO_GROUP]
    groups = group_answers(
        [
            Answer(
                place, "", record.ballots[place].normal_form_sha256, "syntax", micro(record.ballots[place].weight),
                again.vector_sha256.get(place, ""),
            )
            for place in counted
        ],
        0,
    )  # fmt: skip
    ballots = record.ballots
    recorded = {place: ballots[place].group for place in counted}
    passed = {place: again.examples_passed.get(place, 0) == ballots[place].examples_passed for place in counted}
    firm = [place for place in counted if place not in again.nondeterministic]
    moved = [place for place in counted if not passed[place]] + _parted(groups, recorded, counted)
    if not moved:
        equal = sum(again.vector_sha256.get(place, "") == ballots[place].outcome_vector_sha256 for place in counted)
        return Rerun("same", f"{len(counted)} candidates, {again.calls} calls; {equal} behaviours equal to the digest")
    firmly = [place for place in firm if not passed[place]] + _parted(groups, recorded, firm)
    named = "; ".join(_difference(record, place, groups[place], again) for place in sorted(set(firmly or moved)))
    if content.behaviour_version != BEHAVIOUR_VERSION:
        return Rerun(
            "nondeterministic", f"{named}; compared by {content.behaviour_version}, this is {BEHAVIOUR_VERSION}"
        )
    return Rerun("differs" if firmly else "nondeterministic", named)


def _parted(now: Mapping[int, int], then: Mapping[int, int], among: Sequence[int]) -> list[int]:
    """Return the ballots whose companions are others; numbers of groups alone say nothing."""

    def companions(groups: Mapping[int, int], place: int) -> set[int]:
        return {other for other in among if groups[other] == groups[place]}

    return [place for place in among if companions(now, place) != companions(then, place)]


def _difference(record: DecisionRecord, place: int, group: int, again: Comparison) -> str:
    ballot, passed = record.ballots[place], again.examples_passed.get(place, 0)
    return (
        f"{ballot.voter}: group {group} and {passed} examples passed, recorded as group {ballot.group} and "
        f"{ballot.examples_passed}"
    )
