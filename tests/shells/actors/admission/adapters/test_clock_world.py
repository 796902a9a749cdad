"""The real files under a clock that steps, with a Redis and without: no limit is passed, nobody locked out for long."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from actors.admission.adapters import redis_leases
from tests.shells.actors.admission.adapters import redis_clock_world
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


def test_with_a_redis_that_may_be_away_the_same_holds_of_two_homes(folder: Path) -> None:
    """Also while it is away for good: the home whose clock was ahead serves alone, and has nothing of what is in a note."""
    used = 0
    for seed in range(WORLDS):
        was_used, after_s = explored(folder, seed)
        used += was_used
        assert after_s <= redis_clock_world.SERVED_WITHIN_S, seed
    assert used > WORLDS / 2


def explored(folder: Path, seed: int) -> tuple[bool, float]:
    """Let a world of two homes have its way; tell whether anything was used, and when all is as it should be again."""
    with closing(redis_clock_world.World(folder / f"{seed}", seed)) as world:
        for _ in range(STEPS):
            world.step()
        return bool(world.used), world.served_after_s()


def test_a_wait_that_notes_outlive_passes_a_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or else the worlds above could not see it."""
    monkeypatch.setattr(redis_leases, "PATIENCE_S", 60.0)
    with pytest.raises(AssertionError):
        _ = [explored(folder, seed) for seed in range(WORLDS)]
