"""Growing values of a shape: its boundaries, and random members of it.

Rules:
- Everything is drawn from ``Draws``; the same draws give the same values.
- Containers hold at most ``MAX_MEMBERS`` members, texts ``MAX_CHARS`` characters, and depth ends in empty containers.
- Random texts are of the examples' making: their characters, their tokens, joined as they are joined.

Left out: changing values that are there (``mutations``).
"""

from collections.abc import Callable

from actors.consensus.behaviour.atoms import BOUNDARY_FLOATS, BOUNDARY_INTS, BOUNDARY_TEXTS, Atoms
from actors.consensus.behaviour.draws import Draws
from actors.consensus.behaviour.literals import Value
from actors.consensus.behaviour.shapes import INT, Shape

MAX_MEMBERS = 24
MAX_CHARS = 200
MAX_DEPTH = 5
_EMPTY: dict[str, Value] = {"list": [], "tuple": (), "dict": {}, "set": set(), "frozenset": frozenset()}
_EDGES: dict[str, tuple[Value, ...]] = {
    "float": BOUNDARY_FLOATS,
    "bool": (True, False),
    "none": (None,),
    "any": (None,),
    "bytes": (b"", b"a", b"\x00\xff"),
    "complex": (0j, 1j, 1 + 0j),
}


def boundaries(shape: Shape, atoms: Atoms, depth: int = MAX_DEPTH) -> list[Value]:
    """Return the values at the edges of a shape."""
    if shape.kind == "union":
        return [value for item in shape.items for value in boundaries(item, atoms, depth)]
    if shape.kind == "int":
        return [*BOUNDARY_INTS, atoms.low, atoms.high]
    if shape.kind == "str":
        return [*BOUNDARY_TEXTS, *atoms.alphabet[:4]]
    if shape.kind in _EDGES:
        return list(_EDGES[shape.kind])
    return _container_boundaries(shape, atoms, depth - 1) if depth else [_EMPTY[shape.kind]]


def _container_boundaries(shape: Shape, atoms: Atoms, depth: int) -> list[Value]:
    inner = [boundaries(item, atoms, depth) for item in shape.items] or [[0]]
    if shape.kind == "list":
        singles = [[value] for value in inner[0][:8]]
        return [[], *singles, *([value, value] for value in inner[0][:4]), inner[0][:3], inner[0][:3][::-1]]
    if shape.kind == "tuple":
        return [tuple(options[turn % len(options)] for options in inner) for turn in range(4)]
    if shape.kind == "dict":
        keys = [key for key in inner[0] if is_hashable(key)] or ["a"]
        return [
            {},
            {keys[0]: inner[-1][0]},
            {key: inner[-1][turn % len(inner[-1])] for turn, key in enumerate(keys[:4])},
        ]
    members = [value for value in inner[0] if is_hashable(value)]
    kind = set if shape.kind == "set" else frozenset
    return [kind(), kind(members[:1]), kind(members[:4])]


def grown(shape: Shape, atoms: Atoms, draws: Draws, depth: int = MAX_DEPTH) -> Value:
    """Draw a value of a shape."""
    if shape.kind == "union":
        return grown(draws.pick(shape.items), atoms, draws, depth)
    if shape.kind in _SCALARS:
        return _SCALARS[shape.kind](atoms, draws)
    return _container(shape, atoms, draws, depth - 1) if depth else _EMPTY[shape.kind]


def _int(atoms: Atoms, draws: Draws) -> int:
    match draws.below(4):
        case 0:
            return draws.pick(atoms.ints)
        case 1:
            return draws.between(max(atoms.low, -10), 10)
    return draws.between(atoms.low, atoms.high)


def _float(atoms: Atoms, draws: Draws) -> float:
    match draws.below(3):
        case 0:
            return draws.pick(atoms.floats)
        case 1:
            return float(draws.between(atoms.low, atoms.high))
    return draws.between(atoms.low * 100, atoms.high * 100) / 100


def _text(atoms: Atoms, draws: Draws) -> str:
    match draws.below(4):
        case 0:
            tokens = [draws.pick(atoms.tokens) for _ in range(draws.between(1, 5))]
            return atoms.separator.join(tokens)[:MAX_CHARS]
        case 1:
            few = [draws.pick(atoms.alphabet) for _ in range(2)]  # of few letters, so that they repeat
            return "".join(draws.pick(few) for _ in range(draws.between(1, 8)))
    size = draws.between(0, min(max(6, atoms.longest + 2), MAX_CHARS))
    return "".join(draws.pick(atoms.alphabet) for _ in range(size))


_SCALARS: dict[str, Callable[[Atoms, Draws], Value]] = {
    "int": _int,
    "any": _int,
    "float": _float,
    "str": _text,
    "bool": lambda _, draws: draws.one_in(2),
    "none": lambda _, __: None,
    "bytes": lambda atoms, draws: _text(atoms, draws).encode("utf-8", "replace"),
    "complex": lambda atoms, draws: complex(_float(atoms, draws), _float(atoms, draws)),
}


def _container(shape: Shape, atoms: Atoms, draws: Draws, depth: int) -> Value:
    if shape.kind == "tuple":
        return tuple(grown(item, atoms, draws, depth) for item in shape.items)
    size = draws.between(0, min(max(6, atoms.longest + 2), MAX_MEMBERS))
    member = shape.items[0] if shape.items else INT
    if shape.kind == "list":
        return _list(member, atoms, draws, size, depth)
    members = [grown(member, atoms, draws, depth) for _ in range(size)]
    hashable = [value for value in members if is_hashable(value)]
    if shape.kind == "dict":
        return {key: grown(shape.items[-1], atoms, draws, depth) for key in hashable}
    return set(hashable) if shape.kind == "set" else frozenset(hashable)


def _list(member: Shape, atoms: Atoms, draws: Draws, size: int, depth: int) -> list[Value]:
    """Draw a list; one in four is of few distinct members, one in eight is in order."""
    members = [grown(member, atoms, draws, depth) for _ in range(size)]
    if members and draws.one_in(4):
        few = members[:3]
        members = [draws.pick(few) for _ in range(size)]
    if draws.one_in(8):
        return in_order(members)
    return members


def in_order(members: list[Value]) -> list[Value]:
    """Return a list sorted, by text where its members have no order."""
    try:
        return sorted(members)
    except TypeError:
        return sorted(members, key=repr)


def is_hashable(value: Value) -> bool:
    """Tell whether a value may be a key."""
    if isinstance(value, tuple):
        return all(map(is_hashable, value))
    return not isinstance(value, list | dict | set)
