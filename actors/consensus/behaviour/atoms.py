"""What values of one parameter are built from: numbers and texts of the examples, constants of the candidates, boundaries.

Rules:
- Numbers near an example or a constant (one less, one more) count as much as it does.
- The range of drawn numbers is the examples': where they show no negative number none is drawn; boundaries are tried apart.
- No whole number is beyond ``MAX_WHOLE`` or twice the largest example, so that none is a bomb by being used as a count.

Left out: how they are put together (``mutations``, ``growth``).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from actors.consensus.behaviour.literals import Value
from actors.consensus.behaviour.sources import Constant

MAX_WHOLE = 10_000
MAX_ATOMS = 64
MAX_LEAVES = 512
LARGEST_EXAMPLE = 10**9
DEFAULT_HIGH = 20
BOUNDARY_INTS = (0, 1, -1, 2, 3, 10, 100)
BOUNDARY_FLOATS = (0.0, 1.0, -1.0, 0.5, 1.5, -0.25, 100.0, 1e-3)
BOUNDARY_TEXTS = ("", "a", "A", " ", "0", "ab", "aa", "aba", "Hello World", "a b", "12", "-1", "a,b", "é", "a\nb")
LETTERS = "abcxyzABCXYZ"
_SEPARATORS = (" ", ", ", ",", "/", "-", "_", ".", "\n", ";", ":")


@dataclass(frozen=True, slots=True)
class Atoms:
    """Bounded stock of one parameter; never empty."""

    ints: tuple[int, ...]
    floats: tuple[float, ...]
    texts: tuple[str, ...]
    """Whole texts of examples."""
    tokens: tuple[str, ...]
    """Parts of texts between separators, and texts that candidates hold."""
    alphabet: str
    separator: str
    low: int
    high: int
    """Range of drawn whole numbers."""
    longest: int
    """Members of the longest example."""


def atoms_of(values: Sequence[Value], constants: Sequence[Constant]) -> Atoms:
    """Return the stock for a parameter that examples gave ``values``."""
    leaves = list(islice((leaf for value in values for leaf in _leaves(value)), MAX_LEAVES))
    given = [leaf for leaf in leaves if type(leaf) is int]
    real = [leaf for leaf in leaves if type(leaf) is float and abs(leaf) <= LARGEST_EXAMPLE]
    texts = [leaf for leaf in leaves if isinstance(leaf, str)]
    held = [constant for constant in constants if isinstance(constant, str)]
    numbers = [constant for constant in constants if not isinstance(constant, str)]
    top = max(map(abs, given), default=0)
    cap = max(MAX_WHOLE, min(2 * top, LARGEST_EXAMPLE))
    low, high = _range([*given, *map(int, real)])
    near = _near([*given, *(number for number in numbers if isinstance(number, int))], cap)
    separator = next((mark for mark in _SEPARATORS if any(mark in text for text in texts)), " ")
    tokens = [token for text in texts for token in text.split(separator) if token]
    return Atoms(
        ints=_first(near) or BOUNDARY_INTS,
        floats=_first([*real, *(near for number in numbers for near in _near_float(float(number)))]) or BOUNDARY_FLOATS,
        texts=_first(texts) or BOUNDARY_TEXTS,
        tokens=_first([*tokens, *held]) or BOUNDARY_TEXTS,
        alphabet="".join(_first(sorted({char for text in [*texts, *held] for char in text}))) or LETTERS,
        separator=separator,
        low=low,
        high=min(high, cap),
        longest=max((len(item) for item in _containers(values)), default=5),
    )


def largest_whole(value: Value) -> int:
    """Return the largest size of a whole number within a value."""
    return max((abs(leaf) for leaf in islice(_leaves(value), MAX_LEAVES) if type(leaf) is int), default=0)


def _first(items: Iterable[Value]) -> tuple[Value, ...]:
    return tuple(islice(dict.fromkeys(items), MAX_ATOMS))


def _range(given: Sequence[int]) -> tuple[int, int]:
    if not given:
        return -DEFAULT_HIGH, DEFAULT_HIGH
    top = max(map(abs, given))
    reach = max(DEFAULT_HIGH // 2, top + top // 2)
    return (-reach if min(given) < 0 else min(1, *given)), reach


def _near(numbers: Iterable[int], cap: int) -> Iterator[int]:
    return (near for number in numbers for near in (number, number - 1, number + 1) if abs(near) <= cap)


def _near_float(number: float) -> tuple[float, ...]:
    return (number, number - 0.5, number + 0.5, number - 1, number + 1)


def _leaves(value: Value) -> Iterator[Value]:
    """Yield what a value is made of; ``value_of`` bounded its depth."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(key)
            yield from _leaves(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value if isinstance(value, list | tuple) else sorted(value, key=repr):
            yield from _leaves(item)
    else:
        yield value


def _containers(values: Sequence[Value]) -> Iterator[Value]:
    return (value for value in values if isinstance(value, list | tuple | set | frozenset | dict | str))
