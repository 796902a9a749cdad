"""Whether an answer can be a ballot: its reading, or why it has none; and the code in it that is screened and run.

Rules:
- Deliberation and whoever groups retained answers again ask the same functions.
- Code or JSON that was cut off by ``max_tokens`` is none, nor is text that is no valid Unicode.
- A voter that is asked alone is compared with nobody: whatever it says, if it is text, can be read.

Left out: how large and how late an answer may be (``deliberation``).
"""

from actors.consensus.reading.code import code_of
from actors.consensus.reading.reading import Reading, read_answer, single_answer


def readable(kind: str, question: str, policy: str, content: str, finish_reason: str) -> tuple[Reading, str]:
    """Return the reading of an answer of ``kind`` to ``question``, and why it cannot count; empty if it can."""
    reading = read_answer(kind, question, content)
    why = reading.why_invalid
    if not why and finish_reason == "length" and kind.startswith(("code:", "json")):
        why = "answer cut off by max_tokens"
    if not why and not reading.form:
        why = "nothing to compare"
    if not is_text(content):
        why = "answer is not valid Unicode"
    if policy == "direct" and content.strip() and is_text(content):
        return single_answer(reading, content), ""
    return reading, why


def code_in(content: str, language: str) -> str:
    """Return what of an answer is screened and run: its code, or all of it where no code can be told from the rest."""
    if not language:
        return ""
    try:
        return code_of(content, language) or content
    except (ValueError, RecursionError):  # it parses, but holds what cannot be written down: only asked directly
        return content


def is_text(content: str) -> bool:
    """Tell whether an answer has UTF-8 bytes."""
    return content.isascii() or not any("\ud800" <= character <= "\udfff" for character in content)
