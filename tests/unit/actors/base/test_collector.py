"""The collector of cycles waits while work goes on, and never longer."""

import gc

import pytest

from actors.base.collector import uncollected


def test_it_is_on_again_afterwards() -> None:
    """Whatever ends the work."""
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), uncollected():
        raise ZeroDivisionError
    assert gc.isenabled()


def test_work_within_work_leaves_it_off() -> None:
    """Until the outer one ends."""
    with uncollected():
        with uncollected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
