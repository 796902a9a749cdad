"""Choosing among the candidates of a task, as an evaluation sees it. Pure.

A selector ranks the candidates it may choose from, best first, and says how sure it is of the first. What is measured is the
first. A selector never sees the tests.

Here stand the yardsticks that take no running of code: the first candidate, bare majorities by normal form, and self-consistency,
which is the majority among samples of one voter (Wang et al., 2022).
"""

from collections.abc import Callable, Sequence

import msgspec

from actors.consensus.reading.reading import read_answer
from cluster.evals.tasks import Task, question_of

KIND = "code:python"


class Candidate(msgspec.Struct, frozen=True):
    """One recorded answer to a task."""

    id: int
    """Its place among the candidates of the task."""
    voter: str
    lineage: str
    content: str
    greedy: bool


class Ranking(msgspec.Struct, frozen=True):
    """What a selector says of a task."""

    ids: tuple[int, ...]
    """Candidates, best first."""
    confidence: float
    """In the first. Only its order is used, within one selector: a majority's is its group's share, 0 to 1, consensus's is 10 for
    each example that the first's whole group passes, at most two, and 0 to 1 more for how close it is to the others."""
    served: bool
    """Whether the first would be served; a selector that is not sure enough abstains."""


Select = Callable[[Task, Sequence[Candidate]], Ranking]
"""Ranks the candidates of a task; there is at least one."""


def first_candidate(_: Task, candidates: Sequence[Candidate]) -> Ranking:
    """Rank candidates as they stand, as sure of one as of another, and serve the first."""
    return Ranking(tuple(candidate.id for candidate in candidates), 1.0, served=True)


def majority_of_candidates(task: Task, candidates: Sequence[Candidate]) -> Ranking:
    """Rank candidates by how many share their normal form; of equally many, by where the first of them stands.

    A candidate that cannot be read agrees with nobody and stands behind all others. More than half must agree to be served.
    """
    forms = [read_answer(KIND, question_of(task), candidate.content).sha256 for candidate in candidates]
    first: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for place, form in enumerate(forms):
        first.setdefault(form, place)
        sizes[form] = sizes.get(form, 0) + 1

    def rank(place: int) -> tuple[bool, int, int, int]:
        form = forms[place]
        return (not form, -sizes[form] if form else 0, first[form], place)

    places = sorted(range(len(forms)), key=rank)
    winner = forms[places[0]]
    share = sizes[winner] / len(forms) if winner else 0.0
    return Ranking(tuple(candidates[place].id for place in places), share, served=share > 0.5)


def majority_of_voters(task: Task, candidates: Sequence[Candidate]) -> Ranking:
    """Let every voter cast one ballot, its first candidate, and rank these as ``majority_of_candidates`` does."""
    return majority_of_candidates(task, first_of_each(candidates))


def first_of_each(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return every voter's first candidate, in their order."""
    first: dict[str, Candidate] = {}
    for candidate in candidates:
        first.setdefault(candidate.voter, candidate)
    return list(first.values())


def self_consistency(voter: str, most: int) -> Select:
    """Return the majority among at most so many candidates of one voter: its samples, then its greedy answer."""

    def select(task: Task, candidates: Sequence[Candidate]) -> Ranking:
        own = sorted((one for one in candidates if one.voter == voter), key=lambda one: one.greedy)
        return majority_of_candidates(task, own[:most])

    return select
