"""Waiting for what a running system does by itself: asked again and again, never longer than said."""

import time
from collections.abc import Callable

ASK_EVERY_S = 0.2


def until(
    done: Callable[[], bool], timeout_s: float = 90, what: Callable[[], object] = lambda: "it never came"
) -> None:
    """Wait for a condition; where it does not come in time, fail and say ``what`` is the case."""
    give_up = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < give_up, what()
        time.sleep(ASK_EVERY_S)
