"""What of an answer is its lineage's own: elements that the other lineages' answers do not have.

A payload that no tried input shows is something that the honest answers lack. Who copies an honest answer and adds to it shares
everything of the honest one, so the honest one has less of its own; the other way round nothing can be taken from it.

Levels of a set of elements, over the lineages that a decision asked:
0. every element stands in the answers of more than half of them, so of more than any minority;
1. every element stands in another lineage's answer, too;
2. some element stands in no other lineage's answer.

A level is no scale: writing less does not lower it, only writing what others write does. What rejected answers have vouches for
nothing.
"""

from collections.abc import Mapping

import msgspec

from actors.consensus.reading.elements import elements_of, words_of

COMMON, SHARED, ALONE = 0, 1, 2


Levels = Mapping[int, tuple[int, int]]
"""Place → levels of code and of words; what is not named has neither."""


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


def levels(
    answers: Mapping[int, Answer], groups: Mapping[int, int], winner: int, question: str, lineages: int
) -> Levels:  # fmt: skip
    """Return the levels of every counted answer to a question, if there is a choice between them.

    ``groups`` are those of the answers, ``winner`` is the group that is chosen from, ``lineages`` is how many were asked.
    """
    if len({answer.content for place, answer in answers.items() if groups[place] == winner}) < 2:
        return {}
    code = {place: Made(one.lineage, elements_of(one.code, question)) for place, one in answers.items()}
    words = {place: Made(one.lineage, words_of(one.content, one.code, question)) for place, one in answers.items()}
    of_code, of_words = own_levels(code, lineages), own_levels(words, lineages)
    return {place: (of_code[place], of_words[place]) for place in answers}


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
