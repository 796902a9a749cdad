"""What data is made of while it is followed: origins, what was cleaned, how it was put together. Used by ``taint``.

Left out: how it flows.
"""

from dataclasses import dataclass, field, replace

from actors.consensus.screening.routes import Entry
from actors.consensus.screening.tables import ALL, SQL_TEXT, Sink

MAX_LABELS = 24


@dataclass(frozen=True, slots=True)
class Label:
    """One origin of data."""

    origin: str
    """``remote``, ``local`` or ``param:name``."""
    clean: frozenset[str] = frozenset()
    """Categories of harm it was made harmless for."""
    made: frozenset[str] = frozenset()
    """How it was put together: ``built`` ``joined`` ``sql`` ``markup`` ``ldap``."""


Taint = frozenset[Label]
NONE: Taint = frozenset()
FROM_REMOTE: Taint = frozenset({Label("remote")})
FROM_LOCAL: Taint = frozenset({Label("local")})


@dataclass(slots=True)
class Summary:
    """What a function does with its parameters."""

    returns: Taint = NONE
    reaches: set[tuple[str, Sink, frozenset[str]]] = field(default_factory=set)
    """(parameter, sink, how the data was put together on its way)."""


@dataclass(slots=True)
class State:
    """What is known at one point of a function."""

    entry: Entry
    summary: Summary
    taints: dict[str, Taint] = field(default_factory=dict)
    canonical: set[str] = field(default_factory=set)
    parsed_from: dict[str, set[str]] = field(default_factory=dict)
    in_loop: bool = False


def flavours(text: str) -> set[str]:
    """Return how a text is put together that holds this constant part."""
    made = {"built"}
    if SQL_TEXT.search(text):
        made.add("sql")
    if "<" in text:
        made.add("markup")
    if "(" in text and "=" in text:
        made.add("ldap")
    return made


def join(*taints: Taint) -> Taint:
    """Return the union, at most ``MAX_LABELS``."""
    together = frozenset().union(*taints)
    return together if len(together) <= MAX_LABELS else frozenset(sorted(together, key=repr)[:MAX_LABELS])


def made_so(taint: Taint, how: set[str] | frozenset[str]) -> Taint:
    """Return the taint of data put together like this."""
    return frozenset(replace(label, made=label.made | how) for label in taint)


def cleaned(taint: Taint, categories: frozenset[str]) -> Taint:
    """Return the taint of data made harmless for these categories."""
    if categories == ALL:
        return NONE
    return frozenset(replace(label, clean=label.clean | categories) for label in taint)


def copied(state: State) -> State:
    """Return a state of its own for a branch."""
    return replace(
        state,
        taints=dict(state.taints),
        canonical=set(state.canonical),
        parsed_from={k: set(v) for k, v in state.parsed_from.items()},
    )


def merge(state: State, others: list[State]) -> None:
    """Make a state what any of the branches may have left."""
    names = {name for other in others for name in other.taints}
    state.taints = {name: join(*(other.taints.get(name, NONE) for other in others)) for name in names}
    state.canonical = set().union(*(other.canonical for other in others))
    for other in others:
        for name, roots in other.parsed_from.items():
            state.parsed_from.setdefault(name, set()).update(roots)


def mark(state: State, name: str, categories: frozenset[str]) -> None:
    """Make a name clean, and what it was parsed from."""
    waiting, seen = [name], set()
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        if each in state.taints:
            state.taints[each] = cleaned(state.taints[each], categories)
        waiting += state.parsed_from.get(each, ())
