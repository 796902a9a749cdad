"""Putting answers that mean the same into groups.

Rules:
- Comparable kinds: equal normal forms, equal group; and code that does the same on every input tried (equal behaviour digest).
- Prose (method ``similarity``): the heaviest unassigned text with the most near neighbours is a medoid; every unassigned
  text at least ``similarity_micro`` like it joins. The result does not depend on the order answers came in.
- Groups are numbered from 0 by their smallest normal-form digest, so that numbers do not depend on order either.

Left out: what behaviour is and when it is equal (``behaviour``).
"""

from collections.abc import Sequence
from itertools import combinations

import msgspec

from actors.consensus.reading.text import likeness_micro, word_counts
from actors.spans.record import Method


class Answer(msgspec.Struct, frozen=True):
    """A readable answer to be grouped."""

    ask_id: int
    form: str
    form_sha256: str
    method: Method
    weight_micro: int
    behaviour_sha256: str = ""
    """Digest of what the code did on the inputs tried; empty if it has not run, or did nothing that could be compared."""


def group_answers(answers: Sequence[Answer], similarity_micro: int) -> dict[int, int]:
    """Return ask_id → group number."""
    prose = any(answer.method == "similarity" for answer in answers)
    sets = _by_similarity(answers, similarity_micro) if prose else _by_form(answers)
    ordered = sorted(sets, key=lambda members: min(m.form_sha256 for m in members))
    return {member.ask_id: number for number, members in enumerate(ordered) for member in members}


def _by_form(answers: Sequence[Answer]) -> list[list[Answer]]:
    """Join answers with a form or a behaviour in common, until no two sets have one."""
    sets: list[list[Answer]] = []
    for answer in answers:
        related = [members for members in sets if any(_means_the_same(answer, member) for member in members)]
        sets = [members for members in sets if members not in related]
        sets.append([*(member for members in related for member in members), answer])
    return sets


def _means_the_same(one: Answer, other: Answer) -> bool:
    behaves = one.behaviour_sha256 != "" and one.behaviour_sha256 == other.behaviour_sha256
    return behaves or one.form_sha256 == other.form_sha256


def _by_similarity(answers: Sequence[Answer], least: int) -> list[list[Answer]]:
    near = _neighbours(answers, least)
    left = sorted(answers, key=lambda a: a.form_sha256)
    sets: list[list[Answer]] = []
    while left:
        joins = {a.ask_id: [b for b in left if b.ask_id in near[a.ask_id]] for a in left}
        medoid = min(left, key=lambda a: (-sum(b.weight_micro for b in joins[a.ask_id]), a.form_sha256, a.ask_id))
        members = joins[medoid.ask_id]
        sets.append(members)
        taken = {member.ask_id for member in members}
        left = [a for a in left if a.ask_id not in taken]
    return sets


def _neighbours(answers: Sequence[Answer], least: int) -> dict[int, set[int]]:
    """Return ask_id → the answers at least ``least`` like it, itself among them; every pair is compared once."""
    counts = {answer.ask_id: word_counts(answer.form) for answer in answers}
    near = {answer.ask_id: {answer.ask_id} for answer in answers}
    for a, b in combinations(counts, 2):
        if likeness_micro(counts[a], counts[b]) >= least:
            near[a].add(b)
            near[b].add(a)
    return near
