"""What is held dead is ended as often as it comes back."""

import signal

from cluster.acceptance.dead import held_dead
from tests.shells.cluster.acceptance.stubborn import Stubborn

WAIT_S = 20.0


def test_it_is_dead_when_the_block_begins_and_killed_whenever_it_comes_back(stubborn: Stubborn) -> None:
    """Every one that was started was killed, however late; each is counted, and how long it was seen alive."""
    first = stubborn.start()
    with held_dead(stubborn.alive) as held:
        assert stubborn.alive() == []
        assert first.wait(WAIT_S) == -signal.SIGKILL
        for _ in range(3):
            assert stubborn.start().wait(WAIT_S) == -signal.SIGKILL
        held.strike_all()
        assert len(held.seen_s) == len(held.gone_s) == 4
    assert 0.0 <= held.longest_life_s() < WAIT_S


def test_it_is_let_go_when_the_block_ends(stubborn: Stubborn) -> None:
    """Nothing is killed any more afterwards."""
    with held_dead(stubborn.alive) as held:
        pass
    last = stubborn.start()
    assert [known.pid for known in stubborn.alive()] == [last.pid]
    assert held.seen_s == {}
