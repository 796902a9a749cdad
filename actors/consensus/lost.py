"""What a layer lost with the ballots that failed, and when asking again can bring it back. Pure.

Rules:
- A voter that failed is back when it said it would be, when its breaker lets somebody in again, or when there is money for it
  again. One that merely had no room, or was no longer waited for, may be back at once. Of any other nobody knows when, so
  nothing is built on it.
- Asking again makes sense as soon as, in one of the layers that were tried, those that are back could form a quorum with those
  that did not fail; whoever disagreed is taken to disagree again. It is the soonest, by what was heard: no promise.
- It is told in whole seconds from the end of the deliberation, rounded up: one at least, and a day at most.

Left out: which error is told (``actor``), and that a client may ask sooner.
"""

from collections.abc import Sequence
from math import ceil

from msgspec.structs import replace

from actors.consensus.standing import casts_of, groups_of
from actors.consensus.tally import settled
from actors.consensus.vocabulary import Ballot, State
from models.errors import MAX_BACK_S, FailureCause, bounded_retry_after_s


def was_lost_to(state: State, cause: FailureCause) -> bool:
    """Tell whether a quorum could yet have been formed had no ballot been lost to ``cause``."""
    return _could_have(state, [ballot.cause == cause and ballot.outcome != "isolated" for ballot in state.ballots])


def asking_again_s(state: State) -> int | None:
    """Return how long after its end a request can be asked again with some hope; ``None`` if nobody knows."""
    known = [ms for layer in (*state.earlier, state) if (ms := _quorum_back_ms(layer)) is not None]
    if not known:
        return None
    left_ms = min(known) - (state.began_ms + state.took_ms)
    return min(max(-(-left_ms // 1000), 1), int(MAX_BACK_S))


def back_after_ms(now_ms: int, retry_after_s: float | None) -> int | None:
    """Return when a voter is back that wants to be left alone for so long from ``now_ms`` on."""
    wait_s = None if retry_after_s is None else bounded_retry_after_s(retry_after_s, MAX_BACK_S)
    return None if wait_s is None else now_ms + ceil(wait_s * 1000)


def _quorum_back_ms(state: State) -> int | None:
    """Return when a layer could have a quorum again, from the beginning of the request."""
    back = [_back_ms(ballot) for ballot in state.ballots]
    times = sorted({ms for ms in back if ms is not None})
    return next((now for now in times if _could_have(state, [ms is not None and ms <= now for ms in back])), None)


def _back_ms(ballot: Ballot) -> int | None:
    if ballot.outcome == "isolated":
        return None
    at_once = ballot.cause == "busy" or ballot.outcome == "cancelled"
    return 0 if ballot.back_ms is None and at_once else ballot.back_ms


def _could_have(state: State, back: Sequence[bool]) -> bool:
    """Tell whether a quorum could yet be formed if the ballots of those that are ``back`` were open."""
    votes = [cast.vote for cast in casts_of(state, groups_of(state))]
    hoped = [replace(vote, outstanding=vote.outstanding or open_) for vote, open_ in zip(votes, back, strict=True)]
    return any(back) and settled(hoped, state.plan.rule) is None
