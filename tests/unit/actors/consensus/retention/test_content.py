"""Content: what is kept of a decision, byte for byte, and what opens the record's commitments."""

from typing import Any

import pytest
from msgspec.structs import replace

from actors.base.digests import sha256_hex
from actors.base.errors import IntegrityError, NotReady
from actors.consensus.retention.content import (
    Said,
    check_opens,
    encode_content,
    held_to,
    prompt_bytes,
    read_content,
    size_of,
)
from actors.store.tenants import TenantSalts, derived, renewed
from models.voter import Message
from tests.unit.actors.consensus.retention.kept import ADDS_ONE, CODE, ONE, TWO, MakeWorld, Sink, decided
from tests.unit.actors.consensus.world import CALLER, request, says, voter


async def test_content_round_trips_and_opens_its_record(make_world: MakeWorld) -> None:
    """Question and answers come back as they were received, in canonical bytes."""
    record, content = await decided(make_world, voter("a", says(ONE)), voter("b", says(TWO)), behaves=ADDS_ONE)
    data = encode_content(content)
    assert read_content(data) == content
    assert (content.question, [said.text for said in content.said]) == (CODE, [ONE, TWO])
    assert content.compared is not None
    assert (content.compared.ballots, content.compared.rounds, content.compared.complete) == ([0, 1], 1, True)
    check_opens(content, record)
    assert size_of(content) == len(CODE) + len(ONE) + len(TWO)
    with pytest.raises(IntegrityError, match="canonical"):
        read_content(b" " + data)


async def test_an_answer_that_is_no_unicode_is_kept_byte_for_byte(make_world: MakeWorld) -> None:
    """JSON has no place for a lone surrogate: its bytes are kept, and open the record's digest of what came."""
    strange = "Paris \ud800"
    record, content = await decided(
        make_world, voter("a", says("Paris")), voter("b", says("Paris")), voter("c", says(strange)),
        question="What is the capital of France?", explain=True,
    )  # fmt: skip
    assert record.ballots[2].received_sha256 == sha256_hex(strange.encode("utf-8", "surrogatepass"))
    again = read_content(encode_content(content))
    assert (again.said[2].content, again.said[2].text) == ("", strange)
    check_opens(again, record)
    with pytest.raises(IntegrityError, match="cannot be read"):
        _ = Said("c", "stop", octets="/w==").text


async def test_nobody_elses_content_is_kept(make_world: MakeWorld) -> None:
    """Only the tenants' that are named; the others leave digests and nothing more."""
    sink = Sink(("somebody else",))
    world = make_world(voter("a", says(ONE)), voter("b", says(ONE)), content=sink)
    await world.coordinator.generate(request(CODE), CALLER)
    assert (sink.kept, len(world.log.committed)) == ([], 1)


async def test_a_refusal_is_kept_like_an_answer(make_world: MakeWorld) -> None:
    """Disagreement is what one wants to look into."""
    record, content = await decided(make_world, voter("a", says(ONE)), voter("b", says("no code")))
    assert (record.result, content.decision_id) == ("unavailable", record.id)
    check_opens(content, record)


async def test_a_salt_opens_one_decision_alone(make_world: MakeWorld) -> None:
    """The same question of the same tenant twice: another salt and another commitment, so that one given away tells nothing."""
    sink = Sink()
    world = make_world(voter("a", says(ONE)), voter("b", says(ONE)), content=sink)
    for _ in range(2):
        await world.coordinator.generate(request(CODE), CALLER)
    one, two = sink.kept
    assert one.prompt_salt != two.prompt_salt
    records = [committed.record for committed in world.log.committed]
    assert records[0].prompt_commitment != records[1].prompt_commitment
    with pytest.raises(IntegrityError, match="prompt_commitment"):
        check_opens(replace(one, prompt_salt=two.prompt_salt), records[0])


async def test_an_erased_tenant_s_content_is_not_kept(make_world: MakeWorld) -> None:
    """Erased while its record was written there is no content that would open it; later, whoever writes it is told."""
    now, sink = {"acme": derived(b"1" * 32, "acme")}, Sink()
    world = make_world(voter("a", says(ONE)), voter("b", says(ONE)), content=sink, tenants=lambda tenant: now[tenant])
    await world.coordinator.generate(request(CODE), CALLER)
    assert (len(sink.kept), sink.stills[0]()) == (1, True)
    check_opens(sink.kept[0], world.log.committed[0].record)
    now["acme"] = renewed(now["acme"], lambda size: b"2" * size)
    assert not sink.stills[0]()
    await world.coordinator.generate(request(CODE), CALLER)
    one, two = (committed.record for committed in world.log.committed)
    assert (one.tenant == two.tenant, one.prompt_commitment == two.prompt_commitment) == (True, False)
    check_opens(sink.kept[1], two)
    commit = world.log.commit

    async def erases(*arguments: Any) -> Any:
        now["acme"] = renewed(now["acme"], lambda size: b"3" * size)
        return await commit(*arguments)

    world.log.commit = erases  # type: ignore[method-assign]
    await world.coordinator.generate(request(CODE), CALLER)
    assert (len(world.log.committed), len(sink.kept)) == (3, 2)


async def test_an_answer_leaves_though_its_content_cannot_be_kept(make_world: MakeWorld) -> None:
    """The disk gives the tenant's salts no more once the record is durable: keeping makes no answer fail."""
    gone, sink = [False], Sink()

    def tenants(tenant: str) -> TenantSalts:
        if gone[0]:
            raise NotReady("this tenant's salts cannot be had")
        return derived(b"1" * 32, tenant)

    world = make_world(voter("a", says(ONE)), voter("b", says(ONE)), content=sink, tenants=tenants)
    commit = world.log.commit

    async def loses(*arguments: Any) -> Any:
        gone[0] = True
        return await commit(*arguments)

    world.log.commit = loses  # type: ignore[method-assign]
    assert (await world.coordinator.generate(request(CODE), CALLER)).candidate.content == ONE
    assert sink.kept == []


async def test_the_bounds_of_a_comparison_are_kept_with_it(make_world: MakeWorld) -> None:
    """Whoever runs again makes as many calls; where nothing ran there is nothing to bound."""
    _, content = await decided(make_world, voter("a", says(ONE)), voter("b", says(TWO)), behaves=ADDS_ONE)
    kept = held_to(content, {"max_calls": 7})
    assert kept.compared is not None
    assert kept.compared.config == {"max_calls": 7}
    assert held_to(replace(content, compared=None), {"max_calls": 7}).compared is None


def test_what_is_committed_to_is_the_whole_conversation() -> None:
    """Roles and texts in order, and nothing that two conversations could share."""
    one = prompt_bytes([Message("system", "s"), Message("user", "u")])
    assert one == b'[["system","s"],["user","u"]]'
    assert one != prompt_bytes([Message("user", "u"), Message("system", "s")])
