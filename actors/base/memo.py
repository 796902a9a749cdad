"""Remembering what a pure function of texts returned.

Rules:
- Only functions whose result follows from their arguments alone and cannot be changed: who asks again gets the same value.
- Bounded twice: by calls remembered, the longest unused go first, and by the characters of one call, so that what is kept has a
  known size. Longer calls are computed each time.
- In memory of one process; nothing is written.

Left out: memory across processes; results that are no function of what is asked alone (screening has a memory of its own).
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


def remembered(calls: int, max_chars: int) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Let a pure function of positional texts remember that many calls of at most so many characters each."""

    def decorate(function: Callable[_P, _T]) -> Callable[_P, _T]:
        known = lru_cache(maxsize=calls)(function)

        @wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            chars = sum(len(text) for text in (*args, *kwargs.values()) if isinstance(text, str))
            return known(*args, **kwargs) if chars <= max_chars else function(*args, **kwargs)  # type: ignore[arg-type]

        return call

    return decorate
