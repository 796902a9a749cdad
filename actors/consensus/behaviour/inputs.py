"""Which calls are worth making: expressions ``name(literals…)`` that show what a candidate does.

Rules:
- The examples' own calls come first. Then four streams take turns: changes of the examples' arguments, boundaries of each
  parameter, constants of the candidates put where they fit, and arguments drawn by shape.
- Every distinct signature among the candidates has its turn where there are no examples, so that none decides alone.
- Deterministic by seed; the order of the candidates does not matter; no call twice; at most ``limit`` calls of at most
  ``MAX_CALL_CHARS`` characters.
- What may take long comes last, the largest whole number at the very end (``demanding``), for a call that does not end takes
  those after it along. Only ``MAX_HEAVY`` calls pass more than twice what the examples do.
- Without a function of that name in any source there are the examples' calls alone.

Left out: running anything; what the calls should give.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter

from actors.base.python_source import parse_expression
from actors.consensus.behaviour.atoms import MAX_WHOLE, Atoms, atoms_of, largest_whole
from actors.consensus.behaviour.draws import Draws
from actors.consensus.behaviour.growth import boundaries, grown
from actors.consensus.behaviour.literals import Value, render, value_of
from actors.consensus.behaviour.mutations import mutated
from actors.consensus.behaviour.shapes import ANY, Shape, joined, shape_of
from actors.consensus.behaviour.sources import Constant, Signature, constants, signatures, trees_of
from actors.consensus.reading.examples import Example

MAX_CALL_CHARS = 2000
MAX_EXAMPLES = 32
MAX_ARGUMENTS = 12
MAX_LARGE = 4  # calls with a constant beyond MAX_WHOLE: a trigger may be one, a loop may run as long
MAX_HEAVY = 12
LIGHT = 10  # a whole number that everyone can afford, as everyone can what an example passes
_DRAWN_BASES = 8
_TRIES = 12  # draws for each call that is wanted; duplicates use them up
Arguments = tuple[tuple[str | None, Value], ...]
"""Of one call: keyword, or ``None`` by position, and value."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What is known of one parameter."""

    shape: Shape
    atoms: Atoms


def generate(name: str, examples: Sequence[Example], sources: Sequence[str], seed: int, limit: int) -> tuple[str, ...]:
    """Return calls of the function ``name``, examples first."""
    own = own_calls(examples)[:limit]
    trees = trees_of(sources)
    found = signatures(trees, name)
    if not name.isidentifier() or not (found or any(calls_in(call, name) for call in own)):
        return own
    bases = [arguments for call in own for arguments in calls_in(call, name)]
    draws = Draws("inputs", seed)
    plans = _plans(bases, found, constants(trees), draws)
    return _in_order(name, _filled(own, name, _turns(plans), limit, _Measure(name, examples), MAX_HEAVY), examples)


def _in_order(name: str, calls: Sequence[str], examples: Sequence[Example]) -> tuple[str, ...]:
    last = demanding(name, calls, examples)
    return (*(call for call in calls if call not in set(last)), *last)


def demanding(name: str, calls: Sequence[str], examples: Sequence[Example]) -> tuple[str, ...]:
    """Return those calls that pass a larger whole number than any example, in rising order: they may take long."""
    measure = _Measure(name, examples)
    sized = [(size, call) for call in calls if (size := measure.of(call)) > measure.light]
    return tuple(call for _, call in sorted(sized, key=itemgetter(0)))


def around(
    name: str,
    bases: Sequence[str],
    known: Sequence[str],
    examples: Sequence[Example],
    sources: Sequence[str],
    seed: int,
    limit: int,
) -> tuple[str, ...]:
    """Return at most ``limit`` calls around ``bases`` that are not ``known``: the search for inputs that distinguish."""
    calls = [arguments for call in bases for arguments in calls_in(call, name)]
    if not calls or not name.isidentifier():
        return ()
    given = [arguments for call in own_calls(examples) for arguments in calls_in(call, name)]
    trees = trees_of(sources)
    found, held = signatures(trees, name), constants(trees)
    draws = Draws("around", seed)
    parameters = _parameters(given or calls, found[0] if found else None, held, len((given or calls)[0]))
    streams: list[Callable[[], Arguments | None]] = [
        lambda: _changed(draws.pick(calls), parameters, draws, draws.between(1, 3)),
        _constant_stream(calls, held, draws),
        lambda: _drawn(parameters, draws, calls),
        lambda: _crossed(calls, draws),
    ]
    more = _filled(known, name, _turns(streams), limit + len(known), _Measure(name, examples), 0)
    return _in_order(name, more[len(known) :], examples)


def own_calls(examples: Sequence[Example]) -> tuple[str, ...]:
    """Return the examples' distinct calls, in order."""
    short = (example.call for example in examples[:MAX_EXAMPLES] if len(example.call) <= MAX_CALL_CHARS)
    return tuple(dict.fromkeys(short))


def calls_in(expression: str, name: str) -> list[Arguments]:
    """Return the arguments of the calls of ``name`` with literal arguments inside an expression."""
    try:
        tree = parse_expression(expression)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return []
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _names(node.func, name)]
    found = (_arguments(node) for node in calls)
    return [arguments for arguments in found if arguments]


def _names(function: ast.expr, name: str) -> bool:
    return isinstance(function, ast.Name) and function.id == name


def _arguments(node: ast.Call) -> Arguments | None:
    """Return literal arguments; ``None`` if one is no literal or there are too many."""
    if len(node.args) + len(node.keywords) > MAX_ARGUMENTS or any(word.arg is None for word in node.keywords):
        return None
    try:
        positional = [(None, value_of(argument)) for argument in node.args]
        return (*positional, *((word.arg, value_of(word.value)) for word in node.keywords))
    except ValueError:
        return None


class _Measure:
    """How large the whole numbers are that calls pass, against those of the examples."""

    def __init__(self, name: str, examples: Sequence[Example]) -> None:
        self._name = name
        self.light = max((self.of(call) for call in own_calls(examples)), default=0)
        self.light = max(LIGHT, self.light)

    def of(self, call: str) -> int:
        """Return the largest whole number a call passes."""
        return max(map(_largest, calls_in(call, self._name)), default=0)


def _largest(arguments: Arguments) -> int:
    return max((largest_whole(value) for _, value in arguments), default=0)


def _filled(
    own: Sequence[str], name: str, drawn: Iterator[Arguments | None], limit: int, measure: _Measure, heavy: int
) -> list[str]:
    """Fill up to ``limit`` calls with distinct drawn ones, at most ``heavy`` of them heavy."""
    calls = dict.fromkeys(own)
    for arguments in islice(drawn, _TRIES * limit):
        if len(calls) >= limit:
            break
        call = _call(name, arguments) if arguments is not None else None
        if arguments is None or call is None or call in calls:
            continue
        if _largest(arguments) > 2 * measure.light:
            heavy -= 1
            if heavy < 0:
                continue
        calls[call] = None
    return list(calls)[:limit]


def _call(name: str, arguments: Arguments) -> str | None:
    try:
        parts = [render(value) if word is None else f"{word}={render(value)}" for word, value in arguments]
    except ValueError:
        return None
    call = f"{name}({', '.join(parts)})"
    return call if len(call) <= MAX_CALL_CHARS else None


def _turns(streams: Sequence[Callable[[], Arguments | None]]) -> Iterator[Arguments | None]:
    while streams:
        for stream in streams:
            yield stream()


def _plans(
    bases: list[Arguments], found: Sequence[Signature], held: Sequence[Constant], draws: Draws
) -> list[Callable[[], Arguments | None]]:
    """Return the streams, each a function that draws the arguments of one call."""
    if not bases:
        return [stream for signature in found for stream in _unexampled(signature, held, draws)]
    parameters = _parameters(bases, found[0] if found else None, held, len(bases[0]))
    edges = draws.shuffled(_edges(bases, parameters))
    return [
        lambda: _changed(draws.pick(bases), parameters, draws, 1),
        lambda: _drawn(parameters, draws, bases),
        _constant_stream(bases, held, draws),
        lambda: _changed(draws.pick(bases), parameters, draws, draws.between(2, 4)),
        lambda: edges.pop() if edges else None,
        lambda: _drawn(parameters, draws, bases),
        lambda: _crossed(bases, draws),
    ]


def _unexampled(signature: Signature, held: Sequence[Constant], draws: Draws) -> list[Callable[[], Arguments | None]]:
    """Return the streams for a signature without examples: edges, members of its shapes, changes of those."""
    atoms = atoms_of((), held)
    parameters = [Parameter(shape, atoms) for shape in signature.shapes]
    drawn = [_drawn(parameters, draws) for _ in range(_DRAWN_BASES)]
    edges = draws.shuffled(_edges(drawn, parameters))
    required = max(1, signature.required)
    return [
        lambda: edges.pop() if edges else None,
        lambda: _drawn(parameters, draws),
        lambda: _drawn(parameters[:required], draws),
        _constant_stream(drawn, held, draws),
        lambda: _changed(_drawn(parameters, draws), parameters, draws, 1),
    ]


def _parameters(
    bases: Sequence[Arguments], signature: Signature | None, held: Sequence[Constant], count: int
) -> list[Parameter]:
    """Return what is known of each place: the examples' values first, what annotations add where examples are silent."""
    parameters = []
    for place in range(count):
        values = [arguments[place][1] for arguments in bases if len(arguments) > place]
        seen = joined(map(shape_of, values))
        told = signature.shapes[place] if signature is not None and place < len(signature.shapes) else ANY
        parameters.append(Parameter(_completed(seen, told), atoms_of(values, held)))
    return parameters


def _completed(seen: Shape, told: Shape) -> Shape:
    """Fill what examples leave open (an empty list's members) with what an annotation or name tells."""
    if seen == ANY:
        return told
    if seen.kind == told.kind and seen.kind != "union" and len(seen.items) == len(told.items):
        return Shape(seen.kind, tuple(map(_completed, seen.items, told.items)))
    return seen


def _edges(bases: Sequence[Arguments], parameters: Sequence[Parameter]) -> list[Arguments]:
    """Return each of a few bases with one argument put to each of its boundaries."""
    return [
        _with(arguments, place, value)
        for arguments in bases[:2]
        for place in range(min(len(arguments), len(parameters)))
        for value in boundaries(parameters[place].shape, parameters[place].atoms)
    ]


def _with(arguments: Arguments, place: int, value: Value) -> Arguments:
    return (*arguments[:place], (arguments[place][0], value), *arguments[place + 1 :])


def _changed(arguments: Arguments, parameters: Sequence[Parameter], draws: Draws, steps: int) -> Arguments | None:
    """Change one argument, for each step; the parameters beyond those known stay."""
    places = min(len(arguments), len(parameters))
    if places == 0:
        return None
    for _ in range(steps):
        place = draws.below(places)
        arguments = _with(arguments, place, mutated(arguments[place][1], parameters[place].atoms, draws))
    return arguments


def _drawn(parameters: Sequence[Parameter], draws: Draws, bases: Sequence[Arguments] = ()) -> Arguments:
    """Draw every argument by shape, passed as the examples pass theirs."""
    words = [word for word, _ in bases[0]] if bases else [None] * len(parameters)
    values = [grown(parameter.shape, parameter.atoms, draws) for parameter in parameters]
    return tuple(zip(words, values, strict=False))


def _crossed(bases: Sequence[Arguments], draws: Draws) -> Arguments | None:
    """Take each argument from one of two calls that pass the same ones."""
    left, right = draws.pick(bases), draws.pick(bases)
    if len(left) < 2 or [word for word, _ in left] != [word for word, _ in right]:
        return None
    return tuple(draws.pick(pair) for pair in zip(left, right, strict=True))


def _constant_stream(
    bases: Sequence[Arguments], held: Sequence[Constant], draws: Draws
) -> Callable[[], Arguments | None]:
    """Return a stream of calls in which a constant, or a number one off, stands where one of its type stood."""
    large = draws.shuffled([constant for constant in held if _is_large(constant)])[:MAX_LARGE]
    small = draws.shuffled([constant for constant in held if not _is_large(constant)])
    steps = (0, 1, -1)  # first every constant itself, then what lies beside it
    left = [(constant, step) for step in steps for constant in (small if step else [*small, *large])][::-1]

    def drawn() -> Arguments | None:
        arguments = draws.pick(bases)
        if not (left and arguments):
            return None
        constant, step = left.pop()
        place = draws.below(len(arguments))
        fitting = constant if isinstance(constant, str) else constant + step
        return _with(arguments, place, _placed(arguments[place][1], fitting, draws))

    return drawn


def _is_large(constant: Constant) -> bool:
    return not isinstance(constant, str) and abs(constant) > MAX_WHOLE


def _placed(value: Value, constant: Constant, draws: Draws) -> Value:
    """Put a constant for a value of its type, or somewhere inside one."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        text = constant if isinstance(constant, str) else str(constant)
        at = draws.below(len(value) + 1)
        return draws.pick([text, value[:at] + text + value[at:], value[:at] + text + value[at + len(text) :]])
    if isinstance(value, int | float) and not isinstance(constant, str):
        return type(value)(constant)
    if isinstance(value, list | tuple) and value:
        at = draws.below(len(value))
        return type(value)([*value[:at], _placed(value[at], constant, draws), *value[at + 1 :]])
    if isinstance(value, dict) and value:
        key = draws.pick(list(value))
        return {**value, key: _placed(value[key], constant, draws)}
    return value
