"""A hundred thousand orders of what can happen to five callers on one key over several replicas."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.shells.actors.admission.adapters.clock_world import SERVED_WITHIN_S
from tests.shells.actors.admission.adapters.clock_world import World as FileWorld
from tests.unit.actors.admission.interleavings import World

INTERLEAVINGS, STEPS = 100_000, 40
ON_FILES = 2000
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it


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


def test_no_interleaving_on_the_real_files_passes_a_limit_or_locks_a_key_out() -> None:
    """Fewer of them, over files, locks and words, with clocks that step by hours and differ by replica."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        for seed in range(10_000, 10_000 + ON_FILES):
            world = FileWorld(Path(folder) / f"{seed}", seed)
            for _ in range(200):
                world.step()
            assert world.served_after_s() <= SERVED_WITHIN_S, seed
            world.close()
