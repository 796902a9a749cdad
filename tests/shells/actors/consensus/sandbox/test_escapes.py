"""Escape attempts are blocked, and succeed once the barrier that stops them is lifted."""

from pathlib import Path

import pytest

from actors.consensus.sandbox.adapters.warm import WarmParent
from actors.consensus.sandbox.confinement import Confinement, Interpreter
from actors.consensus.sandbox.protocol import Job, Observed, Ran
from tests.shells.actors.consensus.sandbox import danger, exhaustion, files, forgery, information, network
from tests.shells.actors.consensus.sandbox.attempts import PORT, SECRET, Case
from tests.shells.actors.consensus.sandbox.conftest import CONFIG
from tests.shells.actors.consensus.sandbox.lifting import without

CASES = [case for topic in (information, files, network, danger, exhaustion, forgery) for case in topic.CASES]
LIVE = [case for case in CASES if case.lift]
NUMBER = """
def number():
    frame = sys._getframe()
    while "nonce" not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals["nonce"]
"""
"""A candidate can find the number its record must carry: it shares a process with what writes records. It gains nothing."""
GOOD = Job("def f(x):\n    return x + 1", ("f(1)",))
SECOND = "'secret string'"


def attempt(case: Case, warm: WarmParent, secret: Path, listener: int) -> Observed:
    """Return what the case's call did."""
    code = (case.code + "\n" + NUMBER).replace(SECRET, str(secret)).replace(PORT, str(listener))
    return warm.run(Job(code, (case.call, SECOND))).calls[0]


def named(case: Case) -> str:
    """Return the test's id."""
    return f"{case.topic}: {case.name}".replace(" ", "-")


@pytest.mark.parametrize("case", CASES, ids=named)
def test_an_escape_attempt_is_blocked(case: Case, warm: WarmParent, secret: Path, listener: int) -> None:
    """Hostile code gets exactly the refusal its barrier gives, and the next job runs as if it had not been."""
    seen = attempt(case, warm, secret, listener)
    assert case.sees(seen), seen
    assert warm.alive
    assert warm.run(GOOD) == Ran("ran", (Observed("value", ["i", "2"], arguments=(["i", "1"],)),))


@pytest.mark.parametrize("case", LIVE, ids=named)
def test_an_attempt_succeeds_without_its_barrier(
    case: Case, bwrap: str, confined: Confinement, interpreter: Interpreter, secret: Path, listener: int
) -> None:
    """With only the named barriers lifted the same code gets through: it is those that stop it."""
    barriers = [barrier.replace(SECRET, str(secret)) for barrier in case.lift]
    lifted, source = without(confined, barriers, interpreter)
    parent = WarmParent(bwrap, lifted, CONFIG, source)
    try:
        seen = attempt(case, parent, secret, listener)
    finally:
        parent.close()
    assert case.then is not None
    assert case.then(seen), seen
    assert not case.sees(seen), seen


def test_the_suite_is_large_enough() -> None:
    """There are more than a hundred different attempts over all six topics."""
    assert len({named(case) for case in CASES}) == len(CASES) > 100
    assert len({case.topic for case in CASES}) == 6
