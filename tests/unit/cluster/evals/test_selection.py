from cluster.evals.selection import (
    Candidate,
    Ranking,
    first_candidate,
    majority_of_candidates,
    majority_of_voters,
    self_consistency,
)
from tests.unit.cluster.evals.suite import ADD, fenced

RIGHT = "def add(a, b):\n    return a + b"
SAME = 'def add(a: int, b: int) -> int:\n    """Add two numbers."""\n    return a + b  # sum'
WRONG = "def add(a, b):\n    return a"
BROKEN = "def add(:"


def candidates(*codes: str, voters: str = "abcdefgh", greedy: str = "") -> list[Candidate]:
    """Return one candidate a code; ``voters`` names each one's voter by a letter, ``greedy`` the greedy ones by place."""
    return [
        Candidate(number, voters[number], voters[number], fenced(code), str(number) in greedy)
        for number, code in enumerate(codes)
    ]


def test_the_first_candidate_is_first() -> None:
    """Candidates are ranked as they stand."""
    assert first_candidate(ADD, candidates(RIGHT, WRONG)) == Ranking((0, 1), 1.0, served=True)


def test_the_majority_wins_wherever_it_stands() -> None:
    """Two that differ in annotations, docstring and comment outweigh one that stands before them, by their share."""
    assert majority_of_candidates(ADD, candidates(WRONG, RIGHT, SAME)) == Ranking((1, 2, 0), 2 / 3, served=True)


def test_of_equally_many_the_earliest_wins() -> None:
    """Without a majority the ranking is the given order, and half is too few to be served."""
    assert majority_of_candidates(ADD, candidates(WRONG, RIGHT)) == Ranking((0, 1), 0.5, served=False)


def test_what_cannot_be_read_stands_last() -> None:
    """Two that do not parse agree with nobody, each other included, and alone deserve no confidence."""
    assert majority_of_candidates(ADD, candidates(BROKEN, BROKEN, RIGHT)).ids == (2, 0, 1)
    assert majority_of_candidates(ADD, candidates(BROKEN, BROKEN)).confidence == 0.0


def test_a_voter_has_one_ballot() -> None:
    """Three equal answers of one voter are one ballot against two others that agree."""
    found = majority_of_voters(ADD, candidates(WRONG, WRONG, WRONG, RIGHT, SAME, voters="aaabc"))
    assert found == Ranking((3, 4, 0), 2 / 3, served=True)


def test_self_consistency_votes_over_the_samples_of_one_voter() -> None:
    """Other voters have no say, and the greedy answer fills up what samples leave of the budget."""
    pool = candidates(WRONG, RIGHT, SAME, WRONG, WRONG, voters="aaabb", greedy="0")
    assert self_consistency("a", 2)(ADD, pool).ids == (1, 2)
    assert self_consistency("a", 9)(ADD, pool) == Ranking((1, 2, 0), 2 / 3, served=True)
