"""JSON in an answer, and its canonical form.

Rules: the whole answer or, where it need not be JSON itself, its only fenced block; duplicate keys, NaN and infinities are
refused; keys are sorted; a number that is integral is written as an integer.

Left out: a schema that the request gives (``schema``).
"""

import json
from typing import Any

from actors.consensus.reading.fences import blocks

MAX_JSON_CHARS = 262_144


def normal_json(content: str, *, whole: bool = False) -> str:
    """Return the canonical text of the JSON value in an answer, or that it is, with ``whole``; else an empty string."""
    found = [] if whole else blocks(content)
    text = found[0].code if len(found) == 1 else content
    if len(text) > MAX_JSON_CHARS:
        return ""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
        return json.dumps(_integral(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        return ""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key")
    return result


def _refuse(name: str) -> Any:  # noqa: ANN401 - json's hook
    raise ValueError(f"{name} is no JSON number")


def _integral(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [_integral(item) for item in value]
    if isinstance(value, dict):
        return {key: _integral(item) for key, item in value.items()}
    return value
