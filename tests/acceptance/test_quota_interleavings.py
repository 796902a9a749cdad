"""A hundred thousand orders of what can happen to five callers on one key over several replicas."""

from tests.unit.actors.admission.interleavings import World

INTERLEAVINGS, STEPS = 100_000, 40


def test_no_interleaving_of_a_hundred_thousand_passes_a_limit() -> None:
    """Σ used ≤ limit in each of them at every step, and limits are reached, not only kept."""
    answered = reached = 0
    for seed in range(INTERLEAVINGS):
        world = World(seed)
        for _ in range(STEPS):
            world.step()
        answered += world.answered
        reached += world.has_reached_the_limit()
    assert answered > INTERLEAVINGS / 10
    assert reached > INTERLEAVINGS / 50
