"""How many steps checking a value against a JSON Schema can take at the most, before it is checked.

Rules:
- A step is one application of a subschema to a value; keywords that look at more (names, a list of values, a pattern,
  uniqueness) cost as many as they look at. Of what excludes each other, everything counts: which branch is taken is not known.
- What costs too much is told after as many steps as it may have, whatever the schema multiplies.

Left out: which schemas are taken (``schema``), and whether a value satisfies one (the library).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

STEPS_A_PATTERN_CHAR = 4  # of a text that a pattern is held against, at the worst
STEPS_A_DIVISION = 25  # of numbers with the largest exponents, exactly
CHARS_A_STEP = 256  # of any other text: lengths, formats and equality look at all of it
HUGE = 2**63
"""The least integer that is no machine word."""
IN_PLACE_ONE = ("not", "if", "then", "else")
IN_PLACE_LIST = ("allOf", "anyOf", "oneOf")
_LISTING = ("enum", "const", "required", "dependentRequired")

Subschema = Mapping[str, Any] | bool


@dataclass(slots=True, eq=False)
class Node:
    """What one subschema applies to what."""

    steps: int = 1
    """What an application costs by itself."""
    here: list["Node"] = field(default_factory=list)
    """Held against the same value."""
    first: list["Node"] = field(default_factory=list)
    """Held against the first items of a list, one each."""
    items: list["Node"] = field(default_factory=list)
    """Held against every item."""
    named: dict[str, "Node"] = field(default_factory=dict)
    """Held against the values of these names."""
    values: list["Node"] = field(default_factory=list)
    """Held against every value of an object."""
    names: list["Node"] = field(default_factory=list)
    """Held against every name."""
    name_patterns: int = 0
    has_pattern: bool = False
    is_unique: bool = False


def nodes_of(found: Mapping[str, Subschema], targets: Mapping[str, Subschema]) -> dict[str, Node]:
    """Return pointer → node of every subschema; ``targets`` is what each ``$ref`` points to."""
    nodes = {id(schema): Node() for schema in found.values()}

    def node(schema: Subschema) -> Node:
        return nodes[id(schema)]

    for schema in found.values():
        if isinstance(schema, Mapping):
            made = node(schema)
            made.steps = 1 + len(schema.get("properties", {}))
            made.steps += sum(size(schema[name]) for name in _LISTING if name in schema)
            made.steps += STEPS_A_DIVISION * ("multipleOf" in schema)
            made.here = [node(inner) for inner in _in_place(schema, targets)]
            made.first = [node(inner) for inner in schema.get("prefixItems", ())]
            made.items = [node(schema[name]) for name in ("items", "contains") if name in schema]
            made.named = {name: node(inner) for name, inner in schema.get("properties", {}).items()}
            by_pattern = [node(inner) for inner in schema.get("patternProperties", {}).values()]
            made.values = [*by_pattern, *(node(schema[n]) for n in ("additionalProperties",) if n in schema)]
            made.names = [node(schema[name]) for name in ("propertyNames",) if name in schema]
            made.name_patterns = len(by_pattern)
            made.has_pattern = "pattern" in schema
            made.is_unique = bool(schema.get("uniqueItems"))
    return {place: node(schema) for place, schema in found.items()}


def size(value: object) -> int:
    """Return how many JSON values a value holds, itself and an object's names among them."""
    if isinstance(value, Mapping):
        return 1 + sum(1 + size(item) for item in value.values())
    return 1 + sum(map(size, value)) if isinstance(value, list) else 1


def takes_more_than(steps: int, root: Node, value: object) -> bool:
    """Tell whether checking ``value`` can take more than so many steps; raise ``RecursionError`` for one that is too deep."""
    waiting: list[tuple[Node, object]] = [(root, value)]
    while waiting:
        node, part = waiting.pop()
        steps -= node.steps
        waiting.extend((inner, part) for inner in node.here)
        if isinstance(part, str):
            steps -= STEPS_A_PATTERN_CHAR * len(part) if node.has_pattern else len(part) // CHARS_A_STEP
        elif isinstance(part, list):
            steps -= _cost_of_unique(part) if node.is_unique else 0
            if len(part) * len(node.items) > steps:
                return True
            waiting.extend(zip(node.first, part, strict=False))
            waiting.extend((inner, item) for inner in node.items for item in part)
        elif isinstance(part, dict):
            steps -= _cost_of_names(node, part)
            if len(part) * (len(node.values) + len(node.names)) > steps:
                return True
            waiting.extend(_of_object(node, part))
        if len(waiting) > steps:  # each that waits takes a step at least
            return True
    return False


def _cost_of_unique(value: list[Any]) -> int:
    """Return the steps of telling items apart: integers beyond 64 bits are compared each with each by the library."""
    return size(value) + (len(value) ** 2 if _has_huge(value) else 0)


def _has_huge(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_huge, value.values()))
    return any(map(_has_huge, value)) if isinstance(value, list) else isinstance(value, int) and abs(value) >= HUGE


def _cost_of_names(node: Node, value: Mapping[str, object]) -> int:
    if not node.name_patterns:
        return 0
    return node.name_patterns * STEPS_A_PATTERN_CHAR * sum(1 + len(name) for name in value)


def _of_object(node: Node, value: Mapping[str, object]) -> Iterator[tuple[Node, object]]:
    for name, inner in node.named.items():
        if name in value:
            yield inner, value[name]
    for inner in node.values:
        for item in value.values():
            yield inner, item
    for inner in node.names:
        for name in value:
            yield inner, name


def _in_place(schema: Mapping[str, Any], targets: Mapping[str, Subschema]) -> Iterator[Subschema]:
    if "$ref" in schema:
        yield targets[schema["$ref"]]
    yield from (schema[keyword] for keyword in IN_PLACE_ONE if keyword in schema)
    for keyword in IN_PLACE_LIST:
        yield from schema.get(keyword, ())
    yield from schema.get("dependentSchemas", {}).values()
