"""The real files under a clock that steps: no limit is passed, and nobody is locked out for longer than was said."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.shells.actors.admission.adapters.clock_world import SERVED_WITHIN_S, World

WORLDS, STEPS = 120, 200


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder in memory, where there is one."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as made:
        yield Path(made)


def test_no_step_of_the_clock_passes_a_limit_or_locks_a_key_out(folder: Path) -> None:
    """Steps to and fro by seconds and hours, restarts, and a lock that others hold; then the clock is right again."""
    used = 0
    for seed in range(WORLDS):
        world = World(folder / f"{seed}", seed)
        for _ in range(STEPS):
            world.step()
        used += bool(world.used)
        after_s = world.served_after_s()
        world.close()
        assert after_s <= SERVED_WITHIN_S, seed
    assert used > WORLDS / 2
