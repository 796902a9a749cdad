"""One decision as a client and a disk saw it."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from actors.base.errors import GenerationHalted
from actors.consensus.audit import Recorded
from cluster.acceptance.accounts import by_decision
from cluster.acceptance.load import Outcome
from tests.unit.actors.consensus.world import CALLER, World, request, says, voter


@dataclass(frozen=True, slots=True)
class Decided:
    """The world a decision was made in, its id and its records."""

    world: World
    decision_id: str
    rows: tuple[Recorded, ...]

    @property
    def records(self) -> dict[str, list[Recorded]]:
        """Return the records as they are found on a disk."""
        return by_decision(self.rows)

    def received(self, ended_s: float = 1.0) -> Outcome:
        """Return what a client saw that got the answer."""
        return Outcome(0.0, ended_s, 200, self.decision_id)


async def decided(make_world: Callable[..., World], *, halted: bool = False) -> Decided:
    """Make a decision; if ``halted``, its answer is withheld after it was recorded."""
    world = make_world(voter("a", says("Paris")), voter("b", says("Paris")))
    if halted:
        world.log.on_commit = lambda record: world.policy.halt() if record.result == "answered" else None
    with contextlib.suppress(GenerationHalted):
        await world.coordinator.generate(request(), CALLER)
    rows = [Recorded(c.record.writer.id, c.record.writer.seq, c.record.id, c.data) for c in world.log.committed]
    return Decided(world, rows[0].decision_id, tuple(rows))
