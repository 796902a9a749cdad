"""What candidates' sources tell about inputs: the parameters of the function asked for, and the constants it decides by.

Rules:
- Each source has its own say: every distinct signature counts, and constants are taken one source after the other in turn, so
  that no candidate can crowd out what the others hold. The order of the sources does not matter.
- Constants are numbers and texts that stand in an expression, no docstrings; a text of one line is at most ``MAX_TEXT`` long.

Left out: running anything; constants that are computed.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest

from actors.base.digests import sha256_hex
from actors.consensus.behaviour.shapes import ANY, Shape, shape_of_annotation, shape_of_name
from actors.consensus.behaviour.usage import shape_of_use
from actors.consensus.reading.python_form import parse

MAX_PARAMETERS = 12
MAX_SIGNATURES = 4
MAX_CONSTANTS = 48
MAX_OF_ONE_SOURCE = 24
MAX_TEXT = 64
MAX_NODES = 20_000
MAX_NUMBER = 10**9
Constant = int | float | str


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes by position."""

    shapes: tuple[Shape, ...]
    """By annotation where there is one, else by use, else by name."""
    annotated: tuple[bool, ...]
    """Whether an annotation tells the shape."""
    required: int
    """How many parameters have no default."""


def trees_of(sources: Iterable[str]) -> list[ast.Module]:
    """Return the syntax trees of distinct sources, in an order that depends on nothing but the sources."""
    distinct = sorted(set(sources), key=lambda source: sha256_hex(source.encode("utf-8", "backslashreplace")))
    return [tree for source in distinct if (tree := parse(source)) is not None]


def signatures(trees: Sequence[ast.Module], name: str) -> tuple[Signature, ...]:
    """Return the distinct signatures that sources give the function ``name``, those given most often first."""
    found = [signature for tree in trees if (signature := _signature(tree, name)) is not None]
    distinct = list(dict.fromkeys(found))
    return tuple(sorted(distinct, key=lambda signature: -found.count(signature))[:MAX_SIGNATURES])


def _signature(tree: ast.Module, name: str) -> Signature | None:
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not functions:
        return None
    arguments = functions[-1].args
    positional = [*arguments.posonlyargs, *arguments.args]
    told = [shape_of_annotation(parameter.annotation) for parameter in positional]
    shapes = [
        shape if _is_whole(shape) else _filled(shape, _guessed(functions[-1], parameter.arg))
        for shape, parameter in zip(told, positional, strict=True)
    ]
    required = len(positional) - len(arguments.defaults)
    bounded = slice(0, MAX_PARAMETERS)
    return Signature(
        tuple(shapes[bounded]), tuple(shape != ANY for shape in told)[bounded], min(required, MAX_PARAMETERS)
    )


def _guessed(function: ast.FunctionDef, parameter: str) -> Shape:
    """Return the shape that use tells, by name where that leaves alternatives or nothing."""
    used, named = shape_of_use(function, parameter), shape_of_name(parameter)
    return named if used == ANY or (used.kind == "union" and named in used.items) else used


def _is_whole(shape: Shape) -> bool:
    return shape != ANY and all(map(_is_whole, shape.items))


def _filled(told: Shape, guessed: Shape) -> Shape:
    """Fill what an annotation leaves open (``list``) with what the name says, if that is of the same kind."""
    if told == ANY or (guessed.kind == told.kind and len(guessed.items) == len(told.items)):
        return guessed
    return told


def constants(trees: Sequence[ast.Module]) -> tuple[Constant, ...]:
    """Return the distinct constants of all sources, taken from each in turn."""
    each = [list(islice(dict.fromkeys(_constants(tree)), MAX_OF_ONE_SOURCE)) for tree in trees]
    turns = chain.from_iterable(zip_longest(*each))
    typed = {(type(value), value): value for value in turns if value is not None}
    return tuple(islice(typed.values(), MAX_CONSTANTS))


def _constants(tree: ast.Module) -> Iterator[Constant]:
    """Yield constants, those compared with first."""
    nodes = list(islice(ast.walk(tree), MAX_NODES))
    quiet = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # docstrings and the like
    compared = [part for node in nodes if isinstance(node, ast.Compare) for part in _parts(node)]
    for node in chain(compared, nodes):
        if isinstance(node, ast.Constant) and id(node) not in quiet and _is_usable(node.value):
            yield node.value  # type: ignore[misc]  # what is usable is a Constant


def _parts(node: ast.Compare) -> Iterator[ast.expr]:
    for side in (node.left, *node.comparators):
        yield side
        yield from (side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else ())


def _is_usable(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_TEXT
    return type(value) in {int, float} and abs(value) <= MAX_NUMBER  # type: ignore[arg-type]  # nan is not
