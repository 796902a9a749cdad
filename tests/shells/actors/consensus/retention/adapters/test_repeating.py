"""Retained candidates run again in the real sandbox, on the inputs of the record."""

import dataclasses
from collections.abc import AsyncIterator, Callable

import pytest
from msgspec.structs import replace

from actors.base.errors import WeaverGenError
from actors.consensus.behaviour.adapters.service import BehaviourComparer
from actors.consensus.behaviour.config import BehaviourConfig
from actors.consensus.retention.adapters.repeating import run_again
from actors.consensus.retention.content import Content, held_to
from actors.consensus.sandbox.adapters.bubblewrap import BubblewrapSandbox
from actors.consensus.sandbox.config import SandboxConfig
from actors.spans.record import DecisionRecord
from tests.unit.actors.consensus.conftest import make_world, trust_chain
from tests.unit.actors.consensus.retention.kept import CODE, ONE, OTHER, TWO, Sink
from tests.unit.actors.consensus.world import CALLER, World, request, says, voter

__all__ = ["make_world", "trust_chain"]
BEHAVIOUR = BehaviourConfig(max_calls=32)
MakeWorld = Callable[..., World]


@pytest.fixture
async def sandbox() -> AsyncIterator[BubblewrapSandbox]:
    """Prove a sandbox of this machine."""
    made = BubblewrapSandbox(SandboxConfig())
    await made.start()
    if made.state():
        pytest.skip(made.state())
    yield made
    await made.close()


async def decided(make_world: MakeWorld, sandbox: BubblewrapSandbox, *answers: str) -> tuple[DecisionRecord, Content]:
    """Let voters decide with a real comparison, and return the record and its content."""
    sink = Sink()
    world = make_world(*(voter(name, says(text)) for name, text in zip("abc", answers, strict=False)), content=sink)
    real = BehaviourComparer(sandbox, BEHAVIOUR)
    world.coordinator._bench = dataclasses.replace(world.coordinator._bench, comparer=real)
    try:
        await world.coordinator.generate(request(CODE), CALLER)
    except WeaverGenError:
        assert world.log.committed
    return world.log.committed[0].record, held_to(sink.kept[0], BEHAVIOUR.model_dump())


async def test_candidates_do_the_same_again(make_world: MakeWorld, sandbox: BubblewrapSandbox) -> None:
    """Equal digests for all three, from the recorded seed; a record that parts or joins them otherwise is contradicted."""
    record, content = await decided(make_world, sandbox, ONE, TWO, OTHER)
    assert record.method == "behaviour"
    same = await run_again(record, content, sandbox)
    assert (same.ending, "3 behaviours equal" in same.detail) == ("same", True)
    joined = [replace(b, group=0) for b in record.ballots]
    lie = await run_again(replace(record, ballots=joined), content, sandbox)
    assert lie.ending == "differs"


async def test_what_cannot_run_is_told(make_world: MakeWorld, sandbox: BubblewrapSandbox) -> None:
    """Without a proven sandbox, or with bounds that nobody knows; where nothing ran there is nothing to run."""
    record, content = await decided(make_world, sandbox, ONE, TWO)
    unproven = BubblewrapSandbox(SandboxConfig())
    assert (await run_again(record, content, unproven)).ending == "could not run"
    await unproven.close()
    strange = held_to(content, {"unknown": 1})
    assert (await run_again(record, strange, sandbox)).ending == "could not run"
    nothing = replace(content, compared=None)
    assert (await run_again(record, nothing, unproven)).detail == "nothing was run then"
