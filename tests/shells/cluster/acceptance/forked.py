"""Stories are forked from a process that has one thread and opened no table: never from the tests' own."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any


def elsewhere(work: Callable[..., Any], *given: Any) -> Any:
    """Do something in a fresh process and return what it returns."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *given).result()
