"""Requests with a JSON Schema through the coordinator: what does not satisfy it counts for nobody."""

from collections.abc import Callable

import pytest

from actors.base.errors import CriticalSystemFailure, VoterUnavailable
from actors.consensus.reading.reading import NOT_SATISFIED
from actors.consensus.reading.schema import schema_sha256
from actors.consensus.request import GenerationRequest
from actors.consensus.verification import verify_envelope
from models.voter import Candidate, VoterRequest
from tests.unit.actors.consensus.world import CALLER, NOW_S, World, candidate, request, says, voter

MakeWorld = Callable[..., World]
SCHEMA = '{"type":"object","properties":{"age":{"type":"integer"}},"required":["age"]}'
GOOD, BAD = '{"age": 36}', '{"age": "36"}'


def asked(**changes: object) -> GenerationRequest:
    """Ask for JSON that satisfies the schema."""
    return request("How old is Ada?", **{"answer_kind": "json", "schema": SCHEMA, **changes})


async def test_what_does_not_satisfy_the_schema_is_invalid_and_the_record_names_the_schema(
    make_world: MakeWorld,
) -> None:
    """Two satisfy it and agree; the third is told why it does not count, and all of it verifies."""
    world = make_world(voter("a", says(BAD)), voter("b", says(GOOD)), voter("c", says(GOOD)))
    decision = await world.coordinator.generate(asked(explain=True), CALLER)
    assert decision.candidate.content == GOOD
    votes = {vote["voter"]: (vote["outcome"], vote.get("note")) for vote in decision.summary()["votes"]}
    assert votes["a"] == ("invalid", NOT_SATISFIED)
    record = verify_envelope(decision.committed.data, world.trust, NOW_S).record
    assert record.schema_sha256 == schema_sha256(SCHEMA)
    assert [ballot.outcome for ballot in record.ballots] == ["invalid", "agreed", "agreed"]


async def test_a_majority_that_does_not_satisfy_the_schema_cannot_win(make_world: MakeWorld) -> None:
    """Two agree on JSON that the schema rules out: nobody gets it."""
    world = make_world(voter("a", says(BAD)), voter("b", says(BAD)), voter("c", says(GOOD)))
    with pytest.raises(CriticalSystemFailure, match="does not satisfy the schema"):
        await world.coordinator.generate(asked(), CALLER)
    record = verify_envelope(world.log.committed[0].data, world.trust, NOW_S).record
    assert (record.result, record.answer_sha256) == ("unavailable", "")


@pytest.mark.parametrize("said", [BAD, "Ada is 36."])
async def test_one_voter_asked_by_name_is_held_to_it_too(make_world: MakeWorld, said: str) -> None:
    """An answer that is compared with none still has to satisfy the schema."""
    world = make_world(voter("a", says(said)), voter("b", says(GOOD)))
    with pytest.raises(VoterUnavailable):
        await world.coordinator.generate(asked(model="a"), CALLER)
    decision = await world.coordinator.generate(asked(model="b"), CALLER)
    assert decision.candidate.content == GOOD
    assert verify_envelope(decision.committed.data, world.trust, NOW_S).record.schema_sha256 == schema_sha256(SCHEMA)


async def test_voters_read_the_schema_and_the_record_commits_to_it(make_world: MakeWorld) -> None:
    """It is part of what is asked: the same words under another schema are another prompt."""
    heard: list[VoterRequest] = []

    async def listens(put: VoterRequest) -> Candidate:
        heard.append(put)
        return candidate(GOOD)

    world = make_world(voter("a", listens), voter("b", listens))
    one = await world.coordinator.generate(asked(), CALLER)
    other = await world.coordinator.generate(asked(schema='{"type":"object"}'), CALLER)
    assert {message.role for put in heard for message in put.messages} == {"system", "user"}
    assert SCHEMA in heard[0].messages[0].content
    assert {put.last_user_message for put in heard} == {"How old is Ada?"}
    assert one.committed.record.prompt_commitment != other.committed.record.prompt_commitment
