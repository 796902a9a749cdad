"""What requests can use and did use."""

from msgspec.structs import replace

from actors.admission.estimate import most_tokens, used_tokens
from actors.consensus.deliberation import begin, step
from actors.consensus.request import GenerationRequest
from actors.consensus.vocabulary import Answered, Ask, Seat, Slow, State
from models.voter import Candidate, Message, Sampling
from tests.unit.actors.consensus.world import plan

REQUEST = GenerationRequest("consensus", (Message("user", "héllo"),), Sampling(max_tokens=100), 1000)

A, B, C = (Seat(voter, voter, voter, 1_000_000) for voter in "abc")


def answered(ask_id: int, content: str = "Paris") -> Answered:
    """Return an answer of 30 tokens to a prompt of 12."""
    return Answered(ask_id, Candidate(content, "stop", 12, 30), 10)


def test_a_request_can_use_as_many_tokens_as_bytes_from_everybody() -> None:
    """And what templates put around it, and max_tokens."""
    assert most_tokens(REQUEST, 3) == 3 * (6 + 16 + 64 + 100)
    assert most_tokens(REQUEST, 0) == most_tokens(REQUEST, 1)
    with_schema = replace(REQUEST, schema="{}")
    assert most_tokens(with_schema, 1) > most_tokens(REQUEST, 1)


def hedged() -> State:
    """Return a panel whose slow voter was asked beside by another."""
    state, _ = begin(plan([A, B], spares=(C,), max_substitutes=1))
    state, commands = step(state, Slow(0))
    assert commands == [Ask(2, "c")]
    return state


def test_both_ends_of_a_hedge_count_once() -> None:
    """What came of either was used, and whoever was still asked when it ended had taken in the prompt."""
    state = hedged()
    state, _ = step(state, answered(1))
    state, _ = step(state, answered(2))
    assert state.ballots[0].state == "outstanding"
    assert used_tokens(state) == 2 * 42 + 12
    both, _ = step(hedged(), answered(0))
    both, _ = step(both, answered(2))
    assert used_tokens(both) == 2 * 42 + 12


def test_what_an_earlier_layer_asked_counts_once() -> None:
    """Its answers stand in the next layer, and are no new ones."""
    first, _ = begin(plan([A, B]))
    first, _ = step(first, answered(0, "Paris"))
    first, _ = step(first, answered(1, "Rome"))
    assert first.conclusion is not None
    second, _ = begin(plan([A, C], index=1), (first,))
    assert used_tokens(replace(second, earlier=(first,))) == 2 * 42 + 12
