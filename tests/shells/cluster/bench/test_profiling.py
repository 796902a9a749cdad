"""What a sampler saw of a process."""

import pytest

from cluster.bench.profiling import RATE_HZ, Sampled
from cluster.bench.stages import COORDINATOR, LOOP, VOTERS


def test_the_same_stacks_are_told_by_stage_and_by_any_other_name() -> None:
    """Each sample is a 250th of a second; what the kernel counted beyond them is the loop's."""
    raw = "run (a.py:1);ask (models/http1.py:2) 25\nrun (a.py:1);act (actors/consensus/adapters/effects.py:8) 75\n"
    found = Sampled(raw, 1000.0, 500.0)
    assert RATE_HZ == 250
    by_stage = [(share.stage, share.percent, share.us_per_request) for share in found.by()]
    assert by_stage == [
        (COORDINATOR, 60, pytest.approx(300)),
        (VOTERS, 20, pytest.approx(100)),
        (LOOP, 20, pytest.approx(100)),
    ]
    assert [share.stage for share in found.by(lambda frames: frames[0])] == ["run (a.py:1)", LOOP]
    assert "http1" not in repr(found)
