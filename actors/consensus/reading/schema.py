"""JSON Schema that a request gives: which schemas are taken, and whether an answer's value satisfies one.

Rules:
- Draft 2020-12, by the keywords in the tables below; ``format`` is checked. A keyword that is not in them is refused by name:
  left unread it would promise what nobody keeps. draft-07's ``$schema`` is taken too, and read as 2020-12.
- Nothing is fetched: ``$ref`` points into the schema itself, ``#`` or ``#/…``, and may not lead back to where it stands without
  going into the value. It is read as RFC 6901 §6 has it, percent-decoded first, and characters that a URI would have to encode
  may stand in it as they are: names in any language can be referred to either way.
- Bytes, depth, values, patterns are bounded. Patterns run in an engine of linear time, without look-around or back-references.
- Before a value is checked the steps that it can take are counted, each application of a subschema at least one; a value that
  would take more than ``MAX_STEPS`` satisfies nothing. So neither references that multiply nor nested unions cost more than that.
- Which keyword failed is not said: the library collects every failure for that, which is not bounded.

Left out: keywords that depend on what others looked at (``unevaluated…``), names for references (``$id``, ``$anchor``,
``$dynamicRef``), and the schema's own ``strict``: an answer always has to satisfy it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from typing import Any

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from actors.base.digests import sha256_hex
from actors.base.errors import InvalidRequest, UnsupportedParameter
from actors.consensus.reading.schema_steps import (
    IN_PLACE_LIST,
    IN_PLACE_ONE,
    Node,
    Subschema,
    nodes_of,
    size,
    takes_more_than,
)

MAX_BYTES = 32_768
MAX_DEPTH = 32  # levels of subschemas
MAX_VALUES = 4_096  # JSON values in a schema
MAX_PATTERNS = 16
MAX_STEPS = 50_000  # about 1 µs each
PROGRAM_BYTES, CACHE_BYTES = 128 * 1024, 1024 * 1024  # of one pattern
MAX_REMEMBERED = 4  # schemas that are kept ready
FIELD = "response_format.json_schema.schema"
"""The request's field that complaints name."""

_DIALECTS = frozenset({"https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema"})
_ONE = frozenset({*IN_PLACE_ONE, "items", "contains", "additionalProperties", "propertyNames"})
_LIST = frozenset({*IN_PLACE_LIST, "prefixItems"})
_MAP = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})
_PLAIN = frozenset(
    "$ref type enum const multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength pattern maxItems"
    " minItems uniqueItems maxContains minContains maxProperties minProperties required dependentRequired format".split()
)
_NOTES = frozenset(
    "$schema $comment title description default examples deprecated readOnly writeOnly discriminator".split()
)
_NO_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_ESCAPES = re.compile("(?:%[0-9A-Fa-f]{2})+")
_NO_FRAGMENT = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=:@/?]")
"""What a URI's fragment has to encode (RFC 3986 §3.5)."""
_FORMATS = frozenset("date-time date time duration email hostname ipv4 ipv6 uri uuid".split())


@dataclass(frozen=True, slots=True)
class _Ready:
    """A schema that was taken, ready to be used."""

    validator: Draft202012Validator
    steps: Node


def take_schema(value: Mapping[str, Any]) -> str:
    """Return the text of a schema that answers can be held to; raise a ``RequestError`` that says why not and what to do."""
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        if (length := len(text.encode())) > MAX_BYTES:
            raise InvalidRequest(f"the schema has {length} bytes, at most {MAX_BYTES} are taken; shorten it", FIELD)
        _ready(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("the schema holds what JSON cannot, or is nested too deeply; mend it", FIELD) from error
    return text


def schema_sha256(text: str) -> str:
    """Return the digest of a schema: of its JSON with sorted keys and without blanks; empty without a schema."""
    if not text:
        return ""
    return sha256_hex(json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode())


def satisfies(text: str, value: object) -> bool:
    """Tell whether a JSON value satisfies a schema that ``take_schema`` returned; one that cannot be checked does not."""
    ready = _ready(text)
    try:
        return not takes_more_than(MAX_STEPS, ready.steps, value) and ready.validator.is_valid(value)
    except (ValueError, RecursionError):  # nested more deeply than can be followed, or text that is no Unicode
        return False


@lru_cache(maxsize=MAX_REMEMBERED)
def _ready(text: str) -> _Ready:
    root = json.loads(text)
    found = dict(_subschemas(root, "#", 0))
    _check_size(root, found)
    _write_references_as_uris(found)
    nodes = nodes_of(found, {_uri(place): schema for place, schema in found.items()})
    _check_ends(nodes.values())
    return _Ready(_compiled(root), nodes["#"])


def _subschemas(schema: object, place: str, depth: int) -> Iterator[tuple[str, Subschema]]:
    """Yield every subschema with its pointer, the root's first."""
    if depth > MAX_DEPTH:
        raise InvalidRequest(f"the schema is nested in more than {MAX_DEPTH} levels; flatten it with $defs", FIELD)
    if isinstance(schema, bool):
        yield place, schema
        return
    if not isinstance(schema, dict):
        raise InvalidRequest(f"{place} is no schema; give an object", FIELD)
    yield place, schema
    for keyword, value in schema.items():
        _check_keyword(keyword, value, place)
        for part, inner in _parts(keyword, value, f"{place}/{_escaped(keyword)}"):
            yield from _subschemas(inner, part, depth + 1)


def _parts(keyword: str, value: Any, place: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - any JSON value
    if keyword in _ONE:
        yield place, value
    elif keyword in _LIST:
        if not isinstance(value, list):
            raise InvalidRequest(f"{place} is no list of schemas; give one", FIELD)
        yield from ((f"{place}/{number}", inner) for number, inner in enumerate(value))
    elif keyword in _MAP:
        if not isinstance(value, dict):
            raise InvalidRequest(f"{place} is no object of schemas; give one", FIELD)
        yield from ((f"{place}/{_escaped(name)}", inner) for name, inner in value.items())


def _check_keyword(keyword: str, value: object, place: str) -> None:
    if keyword not in _ONE | _LIST | _MAP | _PLAIN | _NOTES:
        raise UnsupportedParameter(f"keyword {keyword!r} at {place} is not supported; leave it out", FIELD)
    if keyword == "$schema" and (not isinstance(value, str) or value.rstrip("#") not in _DIALECTS or place != "#"):
        raise UnsupportedParameter(
            f"$schema at {place}: draft 2020-12 is read; name it at the root or leave it out", FIELD
        )
    if keyword == "format" and (not isinstance(value, str) or value not in _FORMATS):
        raise UnsupportedParameter(f"format at {place} is none of {', '.join(sorted(_FORMATS))}; leave it out", FIELD)


def _check_size(root: object, found: Mapping[str, Subschema]) -> None:
    values, patterns = size(root), sum(_patterns(schema) for schema in found.values())
    if values > MAX_VALUES:
        raise InvalidRequest(f"the schema holds {values} values, at most {MAX_VALUES} are taken; shorten it", FIELD)
    if patterns > MAX_PATTERNS:
        raise InvalidRequest(f"the schema holds {patterns} patterns, at most {MAX_PATTERNS} are taken", FIELD)


def _patterns(schema: Subschema) -> int:
    return 0 if isinstance(schema, bool) else ("pattern" in schema) + len(schema.get("patternProperties", ()))


def _write_references_as_uris(found: Mapping[str, Subschema]) -> None:
    """Write each ``$ref`` as the library reads it, once it is known where it points to."""
    for schema in found.values():
        if isinstance(schema, dict) and "$ref" in schema:
            place = _place(schema["$ref"])
            if place not in found:
                told = str(schema["$ref"])[:64]
                raise InvalidRequest(f"$ref {told!r} points to no schema here; write '#/$defs/name'", FIELD)
            schema["$ref"] = _uri(place)


def _place(ref: object) -> str:
    """Return the pointer that a reference means."""
    if not isinstance(ref, str):
        raise InvalidRequest("a $ref is no text; write '#/$defs/name'", FIELD)
    if not ref.startswith("#"):
        message = f"$ref {ref[:64]!r} leads out of the schema, and nothing is fetched; copy it under $defs"
        raise UnsupportedParameter(message, FIELD)
    if _NO_ESCAPE.search(ref):
        raise InvalidRequest(f"$ref {ref[:64]!r} has a '%' without two hex digits behind it; write '%25' for it", FIELD)
    try:
        return _ESCAPES.sub(lambda escapes: bytes.fromhex(escapes[0].replace("%", "")).decode(), ref)
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"$ref {ref[:64]!r} percent-encodes what is no UTF-8; mend it", FIELD) from error


def _uri(place: str) -> str:
    return "#" + _NO_FRAGMENT.sub(lambda char: "".join(f"%{byte:02X}" for byte in char[0].encode()), place[1:])


def _check_ends(nodes: Iterable[Node]) -> None:
    """Refuse references that lead back to themselves while the value stays the same."""
    try:
        TopologicalSorter({node: node.here for node in nodes}).prepare()
    except CycleError as error:
        raise InvalidRequest("a $ref leads back to itself without going into the value; mend it", FIELD) from error


def _compiled(root: Subschema) -> Draft202012Validator:
    own = root if isinstance(root, bool) else {name: value for name, value in root.items() if name != "$schema"}
    options = RegexOptions(size_limit=PROGRAM_BYTES, dfa_size_limit=CACHE_BYTES)
    try:
        return Draft202012Validator(
            dict(own) if isinstance(own, Mapping) else own, pattern_options=options, validate_formats=True, offline=True
        )
    except ValidationError as error:
        place = "/".join(["#", *map(str, error.instance_path)])
        what = (
            "a pattern too large, or with look-around or a back-reference" if _is_pattern(error) else "no draft 2020-12"
        )
        raise InvalidRequest(f"the schema is not taken: {place} is {what}; mend it", FIELD) from error


def _is_pattern(error: ValidationError) -> bool:
    path = list(error.instance_path)
    return path[-1:] == ["pattern"] or path[-2:-1] == ["patternProperties"] or path[-1:] == ["patternProperties"]


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
