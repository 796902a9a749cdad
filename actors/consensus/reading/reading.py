"""The reading of an answer: its normal form, or why it has none.

Rules:
- Equal normal forms of one kind mean the same; the form's SHA-256 is what ballots are grouped by.
- Reading depends on the kind, the question and the answer alone, and is memoised (bounded) because it is pure.
- An answer that cannot be read is ``invalid``: it costs its ballot.

Left out: behaviour (running code), which compares answers whose forms differ.
"""

from dataclasses import dataclass
from functools import lru_cache

from actors.base.digests import sha256_hex
from actors.consensus.reading.code import normal_python, normal_source
from actors.consensus.reading.jsons import normal_json
from actors.consensus.reading.text import normal_text
from actors.consensus.reading.values import normal_value
from actors.spans.record import Method


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer says once form is taken away."""

    form: str
    """Normal form; empty when the answer cannot be read."""
    method: Method
    """How answers of this kind are compared."""
    why_invalid: str = ""

    @property
    def sha256(self) -> str:
        """Digest of the normal form (empty without one)."""
        return sha256_hex(self.form.encode()) if self.form else ""


@lru_cache(maxsize=512)
def read_answer(kind: str, question: str, content: str) -> Reading:
    """Read ``content`` as an answer of ``kind`` to ``question``."""
    if not content.strip():
        return Reading("", "none", "empty answer")
    if kind == "code:python":
        form = normal_python(content)
        return Reading(form, "syntax", "" if form else "no Python code that parses")
    if kind.startswith("code:"):
        form = normal_source(content)
        return Reading(form, "syntax", "" if form else "no code block")
    if kind == "json":
        form = normal_json(content)
        return Reading(form, "canonical", "" if form else "no JSON that parses")
    if kind == "value":
        form = normal_value(question, content)
        return Reading(form, "value", "" if form else "no value stands in the answer")
    return Reading(normal_text(content), "similarity")
