"""Draws that depend on a seed alone: the same on every machine, every version, every time.

Source of the stream: SHA-256 of the key and a counter. Left out: anything fit for secrets; the seed is known.
"""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
_WORD = 4


class Draws:
    """A stream of draws named by its key."""

    def __init__(self, *key: int | str) -> None:
        self._key = hashlib.sha256("\0".join(map(str, key)).encode("utf-8", "backslashreplace")).digest()
        self._block = b""
        self._blocks = 0

    def below(self, bound: int) -> int:
        """Draw a whole number from 0 to ``bound`` - 1; ``bound`` is at least 1 and small against 2^32."""
        if len(self._block) < _WORD:
            self._block = hashlib.sha256(self._key + self._blocks.to_bytes(8, "big")).digest()
            self._blocks += 1
        word, self._block = self._block[:_WORD], self._block[_WORD:]
        return int.from_bytes(word, "big") % bound

    def between(self, low: int, high: int) -> int:
        """Draw a whole number from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def pick(self, items: Sequence[T]) -> T:
        """Draw one of at least one item."""
        return items[self.below(len(items))]

    def one_in(self, times: int) -> bool:
        """Tell whether a chance of one in ``times`` came."""
        return self.below(times) == 0

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in a drawn order (Fisher and Yates)."""
        order = list(items)
        for last in range(len(order) - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order
