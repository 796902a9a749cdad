"""How many candidates each voter may give, within one budget: by learned weight. Pure.

Rules:
- Weights are learned by ``actors.learning``, from decisions of one ballot a voter: who agreed with the winner, and where there
  was none, whose code passed the prompt's examples. A suite's tests teach nothing here.
- Every voter gives one candidate, for without it nobody could agree with another. The rest goes, one by one, to the voter with
  the highest weight per candidate it would then have (the highest-averages method of D'Hondt), as far as answers are recorded.
- A voter gives its samples first, and its greedy answer, where it has both, last: that one is the yardstick.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from actors.base.canonical import MICRO
from actors.base.errors import ConfigurationError
from actors.consensus.choosing import ballot_outcome
from actors.consensus.vocabulary import RUNNABLE, Ballot, State
from actors.consensus.weights import default_weights, read_weights, weight_micro
from actors.learning.config import LearningConfig
from actors.learning.counts import VOTED, Counts, VoterSums
from actors.learning.release import next_weights
from cluster.evals.selection import Candidate, first_of_each


class Budget(msgspec.Struct, frozen=True):
    """Who gives how many candidates to a task."""

    weights: dict[str, float]
    """Voter → learned reliability, 0 to 1."""
    decisions: dict[str, int]
    """Voter → decisions that its weight was learned from."""
    candidates: dict[str, int]
    """Voter → most candidates it gives to a task."""


def one_ballot_each(pool: Sequence[Candidate]) -> list[Candidate]:
    """Return each voter's first candidate: the pool of a decision as a deployment takes it."""
    return first_of_each(_samples_first(pool))


def learned(decisions: Iterable[tuple[Sequence[Candidate], State]]) -> dict[str, VoterSums]:
    """Return of how many decisions each voter can be judged by, and in how many of them it was right as far as they tell.

    A decision is its candidates, in the order in which they were asked for, and how it ended.
    """
    votes = [
        (pool[ballot.ask_id].voter, right)
        for pool, state in decisions
        for ballot in state.ballots
        if (right := _right(state, ballot)) is not None
    ]
    judged, hits = Counter(voter for voter, _ in votes), Counter(voter for voter, hit in votes if hit)
    return {voter: VoterSums(n, hits[voter], timed=0, latency_ms=0) for voter, n in judged.items()}


def _right(state: State, ballot: Ballot) -> bool | None:
    """Tell whether a ballot was right by all that a decision knows; ``None`` where it knows nothing."""
    if state.conclusion is not None and state.conclusion.tally.winner is not None:
        outcome = ballot_outcome(state, ballot)
        return outcome == "agreed" if outcome in VOTED else None
    if state.comparison is not None and (run := state.comparison.examples_total):
        return state.comparison.examples_passed.get(ballot.ask_id, 0) == run
    return None


def weights_from(voters: Mapping[str, str], sums: Mapping[str, VoterSums]) -> dict[str, int]:
    """Return each voter's reliability in millionths; ``voters`` maps them to their lineages."""
    before = read_weights(default_weights(voters.items()))
    counts = Counts({voter: {RUNNABLE: one} for voter, one in sums.items()}, {})
    after = next_weights(before, counts, LearningConfig().shrink_n, MICRO)
    return {voter: weight_micro(after, voter, RUNNABLE) for voter in voters}


def allocate(weights: Mapping[str, int], recorded: Mapping[str, int], total: int) -> dict[str, int]:
    """Return voter → candidates, ``total`` of them or as many as are recorded.

    ``recorded`` says what each voter has in every task. Raises ``ConfigurationError`` where not every voter would get one.
    """
    if total < len(recorded):
        raise ConfigurationError(f"a budget of {total} leaves one of {len(recorded)} voters without a candidate")
    given = dict.fromkeys(recorded, 1)
    for _ in range(total - len(recorded)):
        open_to = [voter for voter in recorded if given[voter] < recorded[voter]]
        if not open_to:
            break
        taken = max(open_to, key=lambda voter: (weights[voter] / (given[voter] + 1), voter))
        given[taken] += 1
    return given


def within(budget: Mapping[str, int], pool: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates that the budget takes from a pool, in the pool's order."""
    taken: dict[str, Collection[int]] = {}
    for voter, most in budget.items():
        taken[voter] = {one.id for one in [one for one in _samples_first(pool) if one.voter == voter][:most]}
    return tuple(one for one in pool if one.id in taken.get(one.voter, ()))


def _samples_first(pool: Sequence[Candidate]) -> list[Candidate]:
    return sorted(pool, key=lambda candidate: candidate.greedy)
