"""Escape attempts are blocked, and succeed once the barrier that stops them is lifted."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from actors.consensus.sandbox.adapters.warm import WarmParent
from actors.consensus.sandbox.confinement import Confinement, Interpreter
from actors.consensus.sandbox.protocol import Job, Observed, Ran
from tests.shells.actors.consensus.sandbox import danger, exhaustion, files, forgery, information, network
from tests.shells.actors.consensus.sandbox.attempts import PORT, SECRET, Case, Seen
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
TRIES = 4
AT_A_TIME = 2
LIFTED = "test_an_attempt_succeeds_without_its_barrier"
SECOND = "'secret string'"


def attempt(case: Case, parent: WarmParent, secret: Path, listener: int, wanted: Seen) -> Observed:
    """Return what the case's call did; where only the clock of a busy machine ended it, try again."""
    code = (case.code + "\n" + NUMBER).replace(SECRET, str(secret)).replace(PORT, str(listener))
    for _ in range(TRIES):
        seen = parent.run(Job(code, (case.call, SECOND))).calls[0]
        if wanted(seen) or seen.end not in {"timeout", "not_run"}:
            break
    return seen


def still_runs(parent: WarmParent) -> bool:
    """Tell whether good code runs as if nothing had been."""
    good = Ran("ran", (Observed("value", ["i", "2"], arguments=(["i", "1"],)),))
    return parent.alive and any(parent.run(GOOD) == good for _ in range(TRIES))


def named(case: Case) -> str:
    """Return the test's id."""
    return f"{case.topic}: {case.name}".replace(" ", "-")


@pytest.mark.parametrize("case", CASES, ids=named)
def test_an_escape_attempt_is_blocked(case: Case, warm: WarmParent, secret: Path, listener: int) -> None:
    """Hostile code gets exactly the refusal its barrier gives, and the next job runs as if it had not been."""
    seen = attempt(case, warm, secret, listener, case.sees)
    assert case.sees(seen), seen
    assert still_runs(warm)


@pytest.fixture(scope="module")
def lifted(
    request: pytest.FixtureRequest,
    bwrap: str,
    confined: Confinement,
    interpreter: Interpreter,
    secret: Path,
    listener: int,
) -> Iterator[dict[str, Future[Observed]]]:
    """Try every case that is asked for without its barriers, some at a time, each in a sandbox of its own: by name."""

    def tried(case: Case) -> Observed:
        barriers = [barrier.replace(SECRET, str(secret)) for barrier in case.lift]
        without_them, source = without(confined, barriers, interpreter)
        assert case.then is not None
        parent = WarmParent(bwrap, without_them, CONFIG, source)
        try:
            return attempt(case, parent, secret, listener, case.then)
        finally:
            parent.close()

    asked = {item.name for item in request.session.items}
    wanted = [case for case in LIVE if f"{LIFTED}[{named(case)}]" in asked]
    pool = ThreadPoolExecutor(AT_A_TIME)
    try:
        yield {named(case): pool.submit(tried, case) for case in wanted}
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("case", LIVE, ids=named)
def test_an_attempt_succeeds_without_its_barrier(case: Case, lifted: dict[str, Future[Observed]]) -> None:
    """With only the named barriers lifted the same code gets through: it is those that stop it."""
    seen = lifted[named(case)].result()
    assert case.then is not None
    assert case.then(seen), seen
    assert not case.sees(seen), seen


def test_the_suite_is_large_enough() -> None:
    """There are more than a hundred different attempts over all six topics."""
    assert len({named(case) for case in CASES}) == len(CASES) > 100
    assert len({case.topic for case in CASES}) == 6
