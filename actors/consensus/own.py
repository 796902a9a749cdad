"""What of an answer is its lineage's own: elements that the other lineages' answers do not have.

A payload that no tried input shows is something that the honest answers lack. Who copies an honest answer and adds to it shares
everything of the honest one, so the honest one has less of its own; the other way round nothing can be taken from it.

Levels of a set of elements, over the lineages that a decision asked:
0. every element stands in the answers of more than half of them, so of more than any minority; so it is without an element;
1. every element stands in another lineage's answer, too;
2. some element stands in no other lineage's answer, or the answer could not be taken apart.

A level is no scale: having fewer elements does not lower it, only having none that others have not. What rejected answers have
vouches for nothing.
"""

from collections.abc import Mapping

import msgspec

from actors.consensus.reading.elements import Parts, parts_of
from actors.consensus.vocabulary import RUNNABLE, State

COMMON, SHARED, ALONE = 0, 1, 2


class Answer(msgspec.Struct, frozen=True):
    """An answer that counts."""

    lineage: str
    content: str
    code: str
    """The Python in it."""


class Made(msgspec.Struct, frozen=True):
    """What one answer is made of."""

    lineage: str
    elements: frozenset[str]


def levels_in(
    state: State, groups: Mapping[int, int], winner: int, more: frozenset[str] = frozenset()
) -> dict[int, tuple[int, int]]:
    """Return the levels of a deliberation's counted answers, of those whose behaviour can be compared.

    ``more`` are lineages that count as asked beside those that were.
    """
    if state.plan.kind != RUNNABLE or state.plan.policy == "direct":
        return {}
    answers = {
        b.ask_id: Answer(b.seat.lineage, b.candidate.content, b.code)
        for b in state.ballots
        if b.ask_id in groups and b.candidate is not None
    }
    asked = more.union(b.seat.lineage for b in state.ballots)
    return levels(answers, groups, winner, state.plan.question, len(asked))


def levels(
    answers: Mapping[int, Answer], groups: Mapping[int, int], winner: int, question: str, lineages: int
) -> dict[int, tuple[int, int]]:  # fmt: skip
    """Return the levels of code and words of every counted answer to a question, if there is a choice between them.

    ``groups`` are those of the answers, ``winner`` is the group that is chosen from, ``lineages`` is how many were asked.
    There is none where most of them wrote one and the same text.
    """
    group = [answer for place, answer in answers.items() if groups[place] == winner]
    if len({one.content for one in group}) < 2 and 2 * len({one.lineage for one in group}) > lineages:
        return {}
    seen: dict[tuple[str, str], Parts | None] = {}
    for one in answers.values():
        if (one.content, one.code) not in seen:
            seen[one.content, one.code] = parts_of(one.content, one.code, question)
    apart = {place: (one.lineage, parts) for place, one in answers.items() if (parts := seen[one.content, one.code])}
    code = own_levels({place: Made(lineage, parts.code) for place, (lineage, parts) in apart.items()}, lineages)
    words = own_levels({place: Made(lineage, parts.words) for place, (lineage, parts) in apart.items()}, lineages)
    return {place: (code.get(place, ALONE), words.get(place, ALONE)) for place in answers}


def own_levels(answers: Mapping[int, Made], lineages: int) -> dict[int, int]:
    """Return the level of every answer; ``lineages`` is how many were asked, whatever came of them."""
    authors: dict[str, set[str]] = {}
    for answer in answers.values():
        for element in answer.elements:
            authors.setdefault(element, set()).add(answer.lineage)
    return {place: _level(answer, authors, lineages) for place, answer in answers.items()}


def _level(answer: Made, authors: Mapping[str, set[str]], lineages: int) -> int:
    fewest = min((len(authors[element]) for element in answer.elements), default=lineages)
    if 2 * fewest > lineages:
        return COMMON
    return SHARED if fewest > 1 else ALONE
