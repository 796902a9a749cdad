"""One more gateway replica, and one less: when, and why not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.health.config import HealthConfig
from actors.health.ports import Replicas
from actors.health.scaling import Size, grown, shrunk

CONFIG = HealthConfig(extra_replicas=2, replica_mib=500, reserve_mib=1000, scale_back_after_s=900)
SIZE = Size(2, 1.0)
PLENTY_MIB = 8000


def test_there_is_room_for_one_more() -> None:
    """One, and it is said why."""
    decided = grown(Replicas(2, 2, 2.0), SIZE, PLENTY_MIB, CONFIG)
    assert decided.to == 3
    assert "8000 MiB of memory are free" in decided.why


@pytest.mark.parametrize(
    ("now", "available_mib", "why"),
    [
        (Replicas(3, 2, 2.0), PLENTY_MIB, "of 3 gateway replicas 2 run"),
        (Replicas(4, 4, 2.0), PLENTY_MIB, "4 are allowed"),
        (Replicas(2, 2, 2.0), 1499, "takes 1500 at least"),
        (Replicas(2, 2, 1.5), PLENTY_MIB, "1.5 logical CPUs are free, a gateway replica and jobs beside it take 2"),
    ],
)
def test_there_is_none_and_it_is_said_why(now: Replicas, available_mib: int, why: str) -> None:
    """One at a time, a bound, memory with a reserve, a logical CPU: each alone is a reason."""
    decided = grown(now, SIZE, available_mib, CONFIG)
    assert decided.to is None
    assert why in decided.why


def test_none_is_brought_where_none_is_allowed() -> None:
    """``extra_replicas: 0`` turns it off."""
    assert grown(Replicas(2, 2, 9.0), SIZE, PLENTY_MIB, HealthConfig(extra_replicas=0)).to is None


def test_one_goes_back_after_a_long_quiet_and_never_below_what_is_configured() -> None:
    """Not a second before, one at a time, down to the configured number."""
    assert shrunk(Replicas(4, 4, 0.0), SIZE, 899, CONFIG).to is None
    assert shrunk(Replicas(4, 4, 0.0), SIZE, 900, CONFIG).to == 3
    assert shrunk(Replicas(2, 2, 0.0), SIZE, 9000, CONFIG).to is None


@given(st.integers(0, 8), st.integers(0, 8), st.floats(0, 8), st.integers(0, 20_000), st.floats(0, 1e6))
def test_the_number_stays_in_bounds_and_moves_by_one(
    asked: int, missing: int, free_cpus: float, available_mib: int, quiet_s: float
) -> None:
    """Whatever is seen: up by one and no further than allowed, down by one and no further than configured."""
    now = Replicas(asked, max(asked - missing, 0), free_cpus)
    more, less = grown(now, SIZE, available_mib, CONFIG), shrunk(now, SIZE, quiet_s, CONFIG)
    assert more.to is None or more.to == asked + 1 <= SIZE.replicas + CONFIG.extra_replicas
    assert less.to is None or asked - 1 == less.to >= SIZE.replicas
