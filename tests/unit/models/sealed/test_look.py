"""When what an engine sees means that it is closed off."""

import pytest

from models.sealed.look import Look, why_open

CLOSED = Look(interfaces=("lo",), routes=(), families=(), reached=False)


def test_an_engine_that_sees_its_own_loopback_alone_is_closed_off() -> None:
    """Another namespace, one interface, no route, nobody reached."""
    assert why_open(CLOSED, 1, 2) == ""
    assert why_open(Look((), (), (), reached=False), 1, 2) == ""


@pytest.mark.parametrize(
    ("seen", "namespaces", "reason"),
    [
        (CLOSED, (1, 1), "in the network namespace of the machine"),
        (Look(("lo",), (), (), reached=True), (1, 2), "reached a listener"),
        (Look(("eth0", "lo"), (), (), reached=False), (1, 2), "interface eth0"),
        (Look(("lo",), ("wlan0",), (), reached=False), (1, 2), "interface wlan0"),
        (Look(("lo",), (), (40,), reached=False), (1, 2), "address family 40"),
    ],
)
def test_anything_else_is_open(seen: Look, namespaces: tuple[int, int], reason: str) -> None:
    """Each sign alone is enough, and is named."""
    assert reason in why_open(seen, *namespaces)
