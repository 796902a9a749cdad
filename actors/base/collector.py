"""The collector of cycles, paused while a bounded piece of work makes many objects and no cycles."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause it; what was made meanwhile is looked at afterwards, once, and not again and again while it is in use.

    Counting references goes on, so memory is given back as ever. Whoever paused it before still has it paused afterwards.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
