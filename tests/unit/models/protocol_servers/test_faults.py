"""Orders of faults: which stands, whom it hits, how often."""

from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.protocol_servers.faults import Fault, Order, Switches

MODELS = ("m1", "m2")


def never() -> float:
    """Return the highest chance, which no probability below one covers."""
    return 0.999_999


def test_there_are_sixteen_faults_each_with_a_meaning() -> None:
    """Names are what an order spells, and every one is explained in a line."""
    assert len(Fault) == 16
    assert all(fault.value == fault.name.lower() and 10 < len(fault.meaning) < 120 for fault in Fault)


def test_order_is_spelled_as_json() -> None:
    """An order survives its encoding, and its fault is spelled by name."""
    order = Order(fault=Fault.SILENT, model="m1", remaining=3, probability=0.5, delay_s=1.5, retry_after_s=2.0)
    encoded = msgspec.json.encode(order)
    assert msgspec.json.decode(encoded, type=Order) == order
    assert b'"fault":"silent"' in encoded


def test_own_order_goes_before_the_common_one() -> None:
    """A model with an order of its own gets that, the others the one for all."""
    switches = Switches()
    switches.put(Order(fault=Fault.SILENT))
    switches.put(Order(fault=Fault.SERVER_ERROR, model="m1"))
    assert switches.draw("m1", never) == Order(fault=Fault.SERVER_ERROR, model="m1")
    assert switches.draw("m2", never) == Order(fault=Fault.SILENT)


def test_order_for_all_replaces_every_other() -> None:
    """What concerns everybody leaves no exception standing; lifting it lifts all."""
    switches = Switches()
    switches.put(Order(fault=Fault.SERVER_ERROR, model="m1"))
    switches.put(Order(fault=Fault.SILENT))
    assert switches.orders == [Order(fault=Fault.SILENT)]
    switches.put(Order(fault=Fault.SERVER_ERROR, model="m1"))
    switches.put(Order(fault=None))
    assert switches.orders == []


def test_lifting_one_model_leaves_the_others() -> None:
    """Without its own order a model falls back to the common one."""
    switches = Switches()
    switches.put(Order(fault=Fault.SILENT))
    switches.put(Order(fault=Fault.SERVER_ERROR, model="m1"))
    switches.put(Order(fault=None, model="m1"))
    assert switches.draw("m1", never) == Order(fault=Fault.SILENT)


def test_probability_is_compared_with_the_chance() -> None:
    """A chance below the probability is hit, one at it is not; a miss uses nothing up."""
    switches = Switches()
    switches.put(Order(fault=Fault.SILENT, probability=0.25, remaining=1))
    assert switches.draw("m1", lambda: 0.25) is None
    assert switches.draw("m1", lambda: 0.249) is not None
    assert switches.draw("m1", lambda: 0.0) is None


@pytest.mark.parametrize("field", [{"model": "m1"}, {"remaining": 1}, {"probability": 0.5}])
def test_refusal_of_connections_cannot_be_counted(field: dict[str, object]) -> None:
    """Nobody knows whose connection a closed port refuses, nor how many."""
    assert Order(fault=Fault.CONNECTION_REFUSED).complaint() is None
    assert "concerns everybody" in str(Order(fault=Fault.CONNECTION_REFUSED, **field).complaint())
    assert Order(fault=Fault.SILENT, **field).complaint() is None


@given(
    st.lists(
        st.one_of(
            st.builds(
                Order,
                st.sampled_from([None, Fault.SILENT]),
                st.sampled_from([None, *MODELS]),
                st.none() | st.integers(1, 3),
            ),
            st.sampled_from(MODELS),
        ),
        max_size=40,
    ),
)
def test_orders_hit_as_often_as_they_say(steps: list[Order | str]) -> None:
    """Whatever is ordered and asked in whatever order, no order hits more than its number, and each model's own goes first."""
    switches, left = Switches(), dict[str | None, int | None]()
    for step in steps:
        if isinstance(step, Order):
            switches.put(step)
            if step.model is None:
                left.clear()
            left.pop(step.model, None)
            if step.fault is not None:
                left[step.model] = step.remaining
            continue
        whose = step if step in left else None
        drawn = switches.draw(step, never)
        assert (drawn is not None) == (whose in left)
        if drawn is not None:
            assert drawn.model == whose
            remaining = left[whose]
            if remaining is not None:
                left[whose] = remaining - 1
                if remaining == 1:
                    del left[whose]
    assert {order.model: order.remaining for order in switches.orders} == left


def test_share_of_hits_is_the_probability() -> None:
    """Over many requests a probability of a quarter hits a quarter."""
    switches, random = Switches(), Random(1)
    switches.put(Order(fault=Fault.SILENT, probability=0.25))
    hits = sum(switches.draw("m1", random.random) is not None for _ in range(4000))
    assert 900 < hits < 1100
