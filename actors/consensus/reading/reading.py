"""The reading of an answer: its normal form, or why it has none.

Rules:
- Equal normal forms of one kind mean the same; the form's SHA-256 is what ballots are grouped by.
- Reading depends on the kind, the question, the schema that the request gives if it gives one, and the answer alone.
- Reading is total: an answer that cannot be read, whatever is wrong with it, is ``invalid`` and costs its ballot, never the
  request. A form that is empty or has no UTF-8 bytes is no form.

Left out: behaviour (running code), which compares answers whose forms differ; and a memory of readings, which whoever reads may
have (``readable``: the last short ones, in the memory of the process, bounded in bytes, never written).
"""

import json
from collections.abc import Callable

import msgspec

from actors.base.digests import sha256_hex
from actors.consensus.reading.code import Code, look_for_code, normal_code
from actors.consensus.reading.jsons import normal_json
from actors.consensus.reading.schema import satisfies
from actors.consensus.reading.text import normal_text
from actors.consensus.reading.values import normal_value
from actors.spans.record import Method

NOT_SATISFIED = "JSON that does not satisfy the schema, or is too much to be checked against it"
Look = Callable[[str, str], Code]
_UNREADABLE = (ValueError, RecursionError, MemoryError, OverflowError)  # ValueError: lone surrogates, endless integers


class Reading(msgspec.Struct, frozen=True):
    """What an answer says once form is taken away."""

    form: str
    """Normal form; empty when the answer cannot be read."""
    method: Method
    """How answers of this kind are compared."""
    why_invalid: str = ""
    sha256: str = ""
    """Digest of the normal form (empty without one)."""


def read_answer(kind: str, question: str, content: str, schema: str = "", look: Look = look_for_code) -> Reading:
    """Read ``content`` as an answer of ``kind`` to ``question``; never raises, whatever the answer holds.

    JSON that does not satisfy ``schema``, if the request gives one, is no answer. ``look`` finds the code.
    """
    method = _method(kind)
    if not content.strip():
        return Reading("", method, "empty answer")
    try:
        form, why = _read(kind, question, content, schema, look)
        digest = sha256_hex(form.encode()) if form else ""
    except _UNREADABLE as error:
        return Reading("", method, f"unreadable: {type(error).__name__}")
    return Reading(form, method, "" if form else why, digest)


def single_answer(reading: Reading, content: str) -> Reading:
    """Return the reading of an answer that is compared with none: its form if it has one, else what it says as it stands."""
    form = reading.form or content
    return Reading(form, "single", "", reading.sha256 or sha256_hex(form.encode()))


def _method(kind: str) -> Method:
    if kind.startswith("code:"):
        return "syntax"
    methods: dict[str, Method] = {"json": "canonical", "value": "value"}
    return methods.get(kind, "similarity")


def _read(kind: str, question: str, content: str, schema: str, look: Look) -> tuple[str, str]:
    """Return the form, and what is missing should it be empty."""
    if kind.startswith("code:"):
        found = look(content, kind.removeprefix("code:"))
        return normal_code(found), "no code of the language that parses and nothing but prose around it"
    if kind == "json":
        form = normal_json(content, whole=bool(schema))  # who gives a schema reads the answer with a parser
        if form and schema and not satisfies(schema, json.loads(form)):
            return "", NOT_SATISFIED
        return form, "no JSON that parses"
    if kind == "value":
        return normal_value(question, content), "no one value stands in the answer"
    return normal_text(content), "no word stands in the answer"
