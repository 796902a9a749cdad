"""Changing a value a little, keeping its type: what lies around an example.

Rules:
- Each change is one step; stacking steps reaches further.
- Everything stays bounded: whole numbers by the parameter's stock, containers and texts by ``growth``'s bounds.

Left out: changes of type; a candidate that is asked for numbers need not say what it does with texts.
"""

from collections.abc import Callable

from actors.consensus.behaviour.atoms import LARGEST_EXAMPLE, MAX_WHOLE, Atoms
from actors.consensus.behaviour.draws import Draws
from actors.consensus.behaviour.growth import MAX_CHARS, MAX_MEMBERS, grown, in_order, is_hashable
from actors.consensus.behaviour.literals import Value
from actors.consensus.behaviour.shapes import shape_of

MAX_DEPTH = 5


def mutated(value: Value, atoms: Atoms, draws: Draws, depth: int = MAX_DEPTH) -> Value:
    """Draw one change of a value; what cannot change is returned as it is."""
    kind = type(value)
    if kind is bool:
        return not value
    if kind in _SCALARS:
        return _SCALARS[kind](value, atoms, draws)
    return _CONTAINERS[kind](value, atoms, draws, depth - 1) if depth and kind in _CONTAINERS else value


def _int(value: int, atoms: Atoms, draws: Draws) -> int:
    choices = [value + 1, value - 1, 0, 1, -value, value * 2, value // 2, value + 10, draws.pick(atoms.ints)]
    changed = draws.pick([*choices, draws.between(atoms.low, atoms.high)])
    return changed if abs(changed) <= max(MAX_WHOLE, atoms.high) else value


def _float(value: float, atoms: Atoms, draws: Draws) -> float:
    whole = float(round(value)) if abs(value) < LARGEST_EXAMPLE else 0.0
    choices = [value + 1, value - 1, 0.0, -value, value * 2, value / 2, value + 0.1, whole, whole + 0.5]
    return draws.pick([*choices, draws.pick(atoms.floats), draws.between(atoms.low * 10, atoms.high * 10) / 10])


def _text(text: str, atoms: Atoms, draws: Draws) -> str:
    return draws.pick(_TEXT_STEPS)(text, atoms, draws)[:MAX_CHARS]


def _whole_text(text: str, _: Atoms, draws: Draws) -> str:
    return draws.pick(["", text[:1], text[::-1], text + text, text.strip(), f" {text} ", "".join(draws.shuffled(text))])


def _case(text: str, _: Atoms, draws: Draws) -> str:
    return draws.pick([text.upper(), text.lower(), text.swapcase(), text.title()])


def _one_character(text: str, atoms: Atoms, draws: Draws) -> str:
    """Delete, insert or replace one character or token."""
    at = draws.below(len(text) + 1)
    piece = draws.pick([draws.pick(atoms.alphabet), draws.pick(atoms.alphabet), draws.pick(atoms.tokens), _odd(draws)])
    return draws.pick([text[:at] + text[at + 1 :], text[:at] + piece + text[at:], text[:at] + piece + text[at + 1 :]])


def _odd(draws: Draws) -> str:
    return draws.pick(["é", " ", "\t", "\n", "_", "-", ".", "0", "Z", "  "])


def _piece(text: str, _: Atoms, draws: Draws) -> str:
    """Keep, drop or repeat a piece."""
    low, high = sorted((draws.below(len(text) + 1), draws.below(len(text) + 1)))
    return draws.pick([text[:low] + text[high:], text[low:high], text[:high] + text[low:], text[:low], text[high:]])


def _digits(text: str, _: Atoms, draws: Draws) -> str:
    return "".join(draws.pick("0123456789") if char.isdigit() and draws.one_in(2) else char for char in text)


def _tokens(text: str, atoms: Atoms, draws: Draws) -> str:
    """Change a text as the list of tokens it is."""
    tokens = text.split(atoms.separator)
    at = draws.below(len(tokens))
    match draws.below(5):
        case 0:
            tokens = draws.shuffled(tokens)
        case 1:
            tokens[at] = draws.pick(atoms.tokens)
        case 2:
            tokens.insert(at, draws.pick(atoms.tokens))
        case 3:
            del tokens[at]
        case _:
            tokens.insert(at, tokens[at])
    return atoms.separator.join(tokens)


_TEXT_STEPS = (_whole_text, _case, _one_character, _one_character, _one_character, _piece, _piece, _digits, _tokens)


def _list(value: list[Value], atoms: Atoms, draws: Draws, depth: int) -> list[Value]:
    if not value:
        return [draws.pick(atoms.ints)] if draws.one_in(2) else []
    return draws.pick(_LIST_STEPS)(list(value), atoms, draws, depth)[:MAX_MEMBERS]


def _whole_list(items: list[Value], _: Atoms, draws: Draws, __: int) -> list[Value]:
    ordered = in_order(items)
    return draws.pick(
        [[], items[:1], items[-1:], items[::-1], items * 2, ordered, ordered[::-1], draws.shuffled(items)]
    )


def _moved(items: list[Value], _: Atoms, draws: Draws, __: int) -> list[Value]:
    """Drop, repeat, swap or copy a member, or keep a piece."""
    at, other = sorted((draws.below(len(items)), draws.below(len(items))))
    swapped, copied = list(items), list(items)
    swapped[at], swapped[other] = items[other], items[at]
    copied[at] = items[other]
    repeated = [*items[:at], items[other], *items[at:]]
    return draws.pick([items[:at] + items[at + 1 :], repeated, swapped, copied, items[at : other + 1]])


def _member(items: list[Value], atoms: Atoms, draws: Draws, depth: int) -> list[Value]:
    """Change a member, or insert a changed one."""
    at = draws.below(len(items))
    changed = mutated(items[at], atoms, draws, depth)
    return [*items[:at], changed, *items[at + draws.below(2) :]]


def _new_members(items: list[Value], atoms: Atoms, draws: Draws, _: int) -> list[Value]:
    """Append a new member, or make all anew."""
    if draws.one_in(3):
        return [grown(shape_of(item), atoms, draws) for item in items]
    return [*items, grown(shape_of(draws.pick(items)), atoms, draws)]


_LIST_STEPS = (_whole_list, _moved, _moved, _member, _member, _member, _new_members)


def _tuple(value: tuple[Value, ...], atoms: Atoms, draws: Draws, depth: int) -> tuple[Value, ...]:
    if not value:
        return value
    items = list(value)
    at = draws.below(len(items))
    items[at] = mutated(items[at], atoms, draws, depth)
    return tuple(draws.shuffled(items)) if draws.one_in(6) else tuple(items)


def _dict(value: dict[Value, Value], atoms: Atoms, draws: Draws, depth: int) -> dict[Value, Value]:
    keys = list(value)
    if not keys:
        return value
    key = draws.pick(keys)
    match draws.below(6):
        case 0:
            return draws.pick([{}, {key: value[key]}, {name: value[name] for name in reversed(keys)}])
        case 1:
            return {name: item for name, item in value.items() if name != key}
        case 2:
            return {mutated(name, atoms, draws, depth) if name == key else name: item for name, item in value.items()}
        case 3:
            return {**value, mutated(key, atoms, draws, depth): value[draws.pick(keys)]}
    return {**value, key: mutated(value[key], atoms, draws, depth)}


def _set(value: set[Value] | frozenset[Value], atoms: Atoms, draws: Draws, depth: int) -> Value:
    members = _list(in_order(list(value)), atoms, draws, depth)
    return type(value)(item for item in members if is_hashable(item))


_SCALARS: dict[type, Callable[[Value, Atoms, Draws], Value]] = {int: _int, float: _float, str: _text}
_CONTAINERS: dict[type, Callable[[Value, Atoms, Draws, int], Value]] = {
    list: _list,
    tuple: _tuple,
    dict: _dict,
    set: _set,
    frozenset: _set,
}
