"""Remembering what a pure function of texts returned.

Rules:
- Only functions whose result follows from their arguments alone and cannot be changed: who asks again gets the same value.
- Bounded in bytes in all, arguments and results together; the longest unused go first. What would take more than a ``SHARE``th
  is computed each time, so that no caller empties the memory by one call.
- A text counts as what it may come to: wide characters take up to four bytes each, and as many again once it was encoded.
- In memory of one process; nothing is written. Threads may share it: two that ask at once may both compute.

Left out: memory across processes; ``None``, which is computed each time; and results that are no function of what is asked alone
(screening has a memory of its own).
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import fields, is_dataclass
from functools import wraps
from sys import getsizeof
from threading import Lock
from typing import Generic, ParamSpec, TypeVar

import msgspec

SHARE = 64
ENTRY_BYTES = 512
"""What the memory itself holds for an entry: its place in a table and in the order of use."""
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Memory(Generic[_T]):
    """Values by key, of at most ``max_bytes`` in all."""

    def __init__(self, max_bytes: int) -> None:
        self.held_bytes = 0
        self._max_bytes = max_bytes
        self._known: OrderedDict[Hashable, tuple[_T, int]] = OrderedDict()
        self._lock = Lock()

    def recall(self, key: Hashable) -> _T | None:
        """Return the value that is held for a key, if any."""
        with self._lock:
            if key not in self._known:
                return None
            self._known.move_to_end(key)
            return self._known[key][0]

    def keep(self, key: Hashable, value: _T) -> None:
        """Hold a value unless it is too large; raises ``TypeError`` where its size cannot be told."""
        size = ENTRY_BYTES + size_bytes((key, value))
        with self._lock:
            if size > self._max_bytes // SHARE or key in self._known:
                return
            self._known[key] = value, size
            self.held_bytes += size
            while self.held_bytes > self._max_bytes:
                self.held_bytes -= self._known.popitem(last=False)[1][1]


def remembered(max_bytes: int) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Let a pure function remember its last calls, of so many bytes in all."""

    def decorate(function: Callable[_P, _T]) -> Callable[_P, _T]:
        memory: Memory[_T] = Memory(max_bytes)

        @wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            key = (args, tuple(sorted(kwargs.items())))
            known = memory.recall(key)
            if known is None:
                known = function(*args, **kwargs)
                memory.keep(key, known)
            return known

        return call

    return decorate


def size_bytes(value: object) -> int:
    """Return the most memory that a value takes; raises ``TypeError`` where that cannot be told."""
    wide = 4 * len(value) if isinstance(value, str) and not value.isascii() else 0
    return getsizeof(value) + wide + sum(map(size_bytes, _inside(value)))


def _inside(value: object) -> Iterable[object]:
    if value is None or isinstance(value, str | bytes | int | float):
        return ()
    if isinstance(value, tuple | frozenset):
        return value
    if isinstance(value, msgspec.Struct):
        return [getattr(value, name) for name in value.__struct_fields__]
    if is_dataclass(value):
        return [getattr(value, field.name) for field in fields(value)]
    raise TypeError(
        f"cannot tell how large a {type(value).__name__} is; remember texts, numbers, tuples and structs of them"
    )
