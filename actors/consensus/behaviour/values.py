"""What values are equal, judged on their encodings outside the sandbox.

Rules:
- ``normal`` maps an encoding to its normal form, and two values agree exactly when their normal forms are equal: agreement is an
  equivalence relation, and a digest of normal forms says the same as comparing.
- Types are exact: ``1``, ``1.0`` and ``True`` are three values, a list is no tuple. Order counts in lists and tuples alone.
- Floats are rounded to 30 binary digits (about 1e-9 relative), and to 0 below 2^-40 (about 1e-12), ``nan`` agrees with ``nan``,
  ``-0.0`` with ``0.0``. The line between two roundings lies where the fraction of the last place is ``_EDGE``: far from whole,
  half, quarter and decimal fractions, so that what people compute seldom lies on it. Two values a hair apart on both sides of a
  line are told apart: rounding errs towards disagreement, never beyond the tolerance towards agreement.
- What is unrepresentable or malformed has no normal form and agrees with nothing, itself included.
- Examples are written loosely, so ``matches_example`` follows Python's ``==``: numbers by value, sets with frozensets, but no
  list with a tuple. A float that is wanted may be off by 1e-6 relative (people print that many digits) or 1e-9 absolute; a
  whole number that is wanted by the float tolerance of agreement only.

Left out: what a candidate did besides (``vectors``); encoding inside the sandbox.
"""

import json
import math
import re

from actors.consensus.behaviour.literals import Value, parse
from actors.consensus.sandbox.protocol import Encoded

_Number = int | float | complex

MAX_DEPTH = 64
MAX_NODES = 100_000
EXAMPLE_RELATIVE = 1e-6
EXAMPLE_ABSOLUTE = 1e-9
_BITS = 30
_SMALLEST = 2.0**-40
_EDGE = 0.381966011250105  # the golden section: as far from small fractions as can be
_INT = re.compile(r"-?[1-9][0-9]{0,4299}|0", re.ASCII)  # as many digits as Python itself reads
_HEX = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)
_SEQUENCES = frozenset("lt")
_SETS = frozenset("SF")
_TAGS: dict[type, str] = {int: "i", float: "f", complex: "c", str: "s", bytes: "b"}


class _Malformed(ValueError):
    """An encoding without a normal form."""


def encode_literal(source: str) -> Encoded:
    """Return the encoding of a Python literal; raise ``ValueError`` if ``source`` is none."""
    return encode(parse(source))


def encode(value: Value) -> Encoded:
    """Return the encoding of a value made of exact built-ins, as the sandbox would write it."""
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind in _TAGS:
        return [_TAGS[kind], *_scalar(value)]
    if kind is dict:
        return ["d", [[encode(key), encode(item)] for key, item in value.items()]]
    if kind in {list, tuple}:
        return ["l" if kind is list else "t", [encode(item) for item in value]]
    if kind in {set, frozenset}:
        return ["S" if kind is set else "F", sorted((encode(item) for item in value), key=_text)]
    return ["x", kind.__name__]


def _scalar(value: Value) -> list[str]:
    match value:
        case complex():
            return [repr(value.real), repr(value.imag)]
        case bytes():
            return [value.hex()]
        case str():
            return [value]
    return [repr(value)]


def normal(encoded: Encoded) -> str | None:
    """Return the normal form as JSON text; ``None`` if the value is unrepresentable, malformed or beyond the bounds."""
    try:
        return _text(_Normal().of(encoded, MAX_DEPTH))
    except _Malformed:
        return None


def same(left: Encoded, right: Encoded) -> bool:
    """Tell whether two observed values agree."""
    form = normal(left)
    return form is not None and form == normal(right)


def matches_example(observed: Encoded, wanted: Encoded) -> bool:
    """Tell whether an observed value is what an example wants, as ``==`` would."""
    try:
        _Normal().of(observed, MAX_DEPTH)
        _Normal().of(wanted, MAX_DEPTH)
    except _Malformed:
        return False
    return _matches(observed, wanted)


def _text(form: Encoded) -> str:
    return json.dumps(form, separators=(",", ":"))


def rounded(number: float) -> float:
    """Return the float that stands for all floats this near; idempotent."""
    if math.isnan(number) or math.isinf(number):
        return number
    size = abs(number)
    if size < _SMALLEST:
        return 0.0
    mantissa, exponent = math.frexp(size)
    whole = math.floor(math.ldexp(mantissa, _BITS) + (1 - _EDGE))
    try:
        return math.copysign(math.ldexp(whole, exponent - _BITS), number)
    except OverflowError:  # rounding up the largest floats
        return number


class _Normal:
    """Walks one encoding, counting its nodes."""

    def __init__(self) -> None:
        self._left = MAX_NODES

    def of(self, encoded: Encoded, depth: int) -> Encoded:
        """Return the normal form, an encoding itself; raise ``_Malformed``."""
        self._left -= 1
        if depth == 0 or self._left < 0:
            raise _Malformed
        match encoded:
            case None | bool():
                return encoded
            case [("l" | "t") as tag, list() as items]:
                return [tag, [self.of(item, depth - 1) for item in items]]
            case [("S" | "F") as tag, list() as items]:
                return [tag, sorted((self.of(item, depth - 1) for item in items), key=_text)]
            case ["d", list() as pairs]:
                return ["d", sorted((self._pair(pair, depth - 1) for pair in pairs), key=_text)]
        return _normal_scalar(encoded)

    def _pair(self, pair: Encoded, depth: int) -> Encoded:
        match pair:
            case [key, value]:
                return [self.of(key, depth), self.of(value, depth)]
        raise _Malformed


def _normal_scalar(encoded: Encoded) -> Encoded:
    match encoded:
        case ["f", str() as text]:
            return ["f", repr(rounded(_float(text)))]
        case ["c", str() as real, str() as imaginary]:
            return ["c", repr(rounded(_float(real))), repr(rounded(_float(imaginary)))]
        case ["s", str()]:
            return encoded
        case ["i", str() as text] if _INT.fullmatch(text):
            return encoded
        case ["b", str() as text] if _HEX.fullmatch(text):
            return encoded
    raise _Malformed


def _float(text: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise _Malformed from error
    if repr(number) != text:
        raise _Malformed
    return number


def _number(encoded: Encoded) -> _Number | None:
    """Return what a well-formed encoding is as a number, booleans included."""
    match encoded:
        case bool():
            return int(encoded)
        case ["i", text]:
            return int(text)
        case ["f", text]:
            return float(text)
        case ["c", real, imaginary]:
            return complex(float(real), float(imaginary))
    return None


def _matches(observed: Encoded, wanted: Encoded) -> bool:
    """Compare two well-formed encodings."""
    number, target = _number(observed), _number(wanted)
    if number is not None and target is not None:
        return _near(number, target)
    if observed is None or wanted is None or number is not None or target is not None:
        return observed is None and wanted is None
    kind, other = observed[0], wanted[0]
    if kind in _SETS and other in _SETS:
        return sorted(map(_loose, observed[1])) == sorted(map(_loose, wanted[1]))
    if kind != other:
        return False
    if kind in _SEQUENCES:
        return len(observed[1]) == len(wanted[1]) and all(map(_matches, observed[1], wanted[1]))
    return _matching_dicts(observed[1], wanted[1]) if kind == "d" else observed == wanted


def _matching_dicts(observed: list[Encoded], wanted: list[Encoded]) -> bool:
    if len(observed) != len(wanted):
        return False
    left: dict[str, list[list[Encoded]]] = {}
    for pair in observed:
        left.setdefault(_loose(pair[0]), []).append(pair)
    return all(_takes(left.get(_loose(pair[0]), []), pair) for pair in wanted)


def _takes(alike: list[list[Encoded]], wanted: list[Encoded]) -> bool:
    """Take the wanted pair from those with such a key, if it is there; of keys that are only near each other the equal one."""
    keyed = [pair for pair in alike if _is_equal(pair[0], wanted[0])] or alike
    if len(keyed) != 1 or not _matches(keyed[0][1], wanted[1]):
        return False
    alike.remove(keyed[0])
    return True


def _is_equal(key: Encoded, other: Encoded) -> bool:
    number, target = _number(key), _number(other)
    return number == target if number is not None and target is not None else bool(key == other)


def _near(number: _Number, target: _Number) -> bool:
    try:
        return _near_numbers(number, target)
    except OverflowError:  # a whole number beyond floats
        return False


def _near_numbers(number: _Number, target: _Number) -> bool:
    if isinstance(number, int) and isinstance(target, int):
        return number == target
    if isinstance(number, complex) or isinstance(target, complex):
        left, right = complex(number), complex(target)
        return _near(left.real, right.real) and _near(left.imag, right.imag)
    if isinstance(target, int):
        return math.isclose(number, target, rel_tol=2.0**-_BITS, abs_tol=_SMALLEST)
    both_nan = math.isnan(number) and math.isnan(target)
    return both_nan or math.isclose(number, target, rel_tol=EXAMPLE_RELATIVE, abs_tol=EXAMPLE_ABSOLUTE)


def _loose(encoded: Encoded) -> str:
    """Return a text that is equal for members and keys that ``==`` holds equal, floats rounded as for agreement."""
    number = _number(encoded)
    if isinstance(number, int):
        return f"n{number}"
    if isinstance(number, float):
        near = rounded(number)
        return f"n{int(near)}" if near.is_integer() else f"n{near!r}"
    if number is not None:
        return f"n{_loose(encoded_float(number.real))}{_loose(encoded_float(number.imag))}"
    if encoded is None or encoded[0] in {"s", "b"}:
        return _text(encoded)
    tag = "S" if encoded[0] in _SETS else encoded[0]
    members = [_loose(item) if tag != "d" else f"{_loose(item[0])}:{_loose(item[1])}" for item in encoded[1]]
    return _text([tag, members if tag in _SEQUENCES else sorted(members)])


def encoded_float(number: float) -> Encoded:
    """Return the encoding of a float."""
    return ["f", repr(number)]
