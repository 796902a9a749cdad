"""Random numbers by name: each draw follows from the seed and from what it is for, never from what was drawn before it.

So a schedule that loses a fault keeps every other draw, and shrinking changes nothing but what it takes away.
"""

import hashlib
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TypeVar

T = TypeVar("T")
_NORMAL = NormalDist()
_SIZE = 1 << 53


class Draws:
    """Draws of one seed."""

    def __init__(self, seed: object) -> None:
        self._seed = f"{seed}"

    def bytes(self, size: int, *what: object) -> bytes:
        """Return ``size`` bytes, 64 at most."""
        return hashlib.blake2b(repr((self._seed, what)).encode(), digest_size=size).digest()

    def unit(self, *what: object) -> float:
        """Return a number in [0, 1)."""
        return (int.from_bytes(self.bytes(8, *what), "big") >> 11) / _SIZE

    def below(self, count: int, *what: object) -> int:
        """Return a whole number from 0 on, below ``count``."""
        return min(int(self.unit(*what) * count), count - 1)

    def choice(self, values: Sequence[T], *what: object) -> T:
        """Return one of the values."""
        return values[self.below(len(values), *what)]

    def exponential(self, mean: float, *what: object) -> float:
        """Return a time whose mean is ``mean`` and that forgets how long it has lasted."""
        return -mean * math.log1p(-self.unit(*what))

    def lognormal(self, median: float, sigma: float, *what: object) -> float:
        """Return a number whose logarithm is normal."""
        return median * math.exp(sigma * _NORMAL.inv_cdf(max(self.unit(*what), 1e-12)))

    def sub(self, *what: object) -> "Draws":
        """Return draws of a part's own."""
        return Draws((self._seed, what))
