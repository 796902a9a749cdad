"""What requests can use and did use."""

from msgspec.structs import replace

from actors.admission.estimate import most_tokens, used_tokens
from actors.consensus.deliberation import begin, step
from actors.consensus.request import GenerationRequest
from actors.consensus.vocabulary import Answered, Ask, DeadlinePassed, Failed, Seat, Slow, State
from models.voter import Candidate, Message, Sampling
from tests.unit.actors.consensus.world import plan

REQUEST = GenerationRequest("consensus", (Message("user", "héllo"),), Sampling(max_tokens=100), 1000)

PROMPT = 6 + 16 + 64
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


def used(state: State, *sent: int) -> int:
    """Return what was used if these asks went out; all of them if none is named."""
    asked = frozenset(sent or range(len(state.ballots)))
    return used_tokens(replace(state, sent=asked), REQUEST)


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
    assert used(state) == 2 * 42 + 12
    both, _ = step(hedged(), answered(0))
    both, _ = step(both, answered(2))
    assert used(both) == 2 * 42 + 12


def test_what_an_earlier_layer_asked_counts_once() -> None:
    """Its answers stand in the next layer, and are no new ones."""
    first, _ = begin(plan([A, B]))
    first, _ = step(first, answered(0, "Paris"))
    first, _ = step(first, answered(1, "Rome"))
    assert first.conclusion is not None
    first = replace(first, sent=frozenset({0, 1}))
    second, asked = begin(plan([A, C], index=1), (first,))
    assert asked == [Ask(1, "c")]
    assert used(replace(second, earlier=(first,)), 1) == 2 * 42 + 12


def test_whoever_was_sent_the_prompt_has_read_it_however_that_ended() -> None:
    """Out of time, failed, or isolated while it was asked; as long as others tell, or as it can be if nobody does."""
    state, _ = begin(plan([A, B, C]))
    late, _ = step(state, DeadlinePassed(1000))
    assert {ballot.outcome for ballot in late.ballots} == {"timeout"}
    assert used(late) == 3 * PROMPT
    told, _ = step(state, answered(0))
    told, _ = step(told, Failed(1, "failed", "503", 20))
    told, _ = step(told, DeadlinePassed(1000))
    assert used(told) == 42 + 2 * 12


def test_whoever_was_never_sent_it_used_nothing() -> None:
    """An open breaker, a full bulkhead, an ask that was cancelled before it began."""
    state, _ = begin(plan([A, B, C]))
    state, _ = step(state, Failed(2, "breaker_open", "open", 0))
    assert used(state, 0, 1) == 2 * PROMPT
    assert used(state) - used(state, 0, 1) == PROMPT
    assert used_tokens(state, REQUEST) == 0


def test_a_server_without_usage_counts_as_long_as_it_can_be() -> None:
    """Bytes of the prompt, and of the answer as far as it may be long."""
    state, _ = begin(plan([A, B]))
    silent, _ = step(state, Answered(0, Candidate("Paris", "stop", 0, 0), 10))
    assert used(silent, 0) == PROMPT + 5
    long, _ = step(state, Answered(0, Candidate("x" * 1000, "stop", 0, 0), 10))
    assert used(long, 0) == PROMPT + 100 == most_tokens(REQUEST, 1)
