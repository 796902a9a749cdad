"""Which kind of answer a question wants.

Rules, first match wins:
1. The request says so (``answer_kind``, or ``response_format`` through it).
2. The question asks for a program (a writing verb near a word for code) or shows code: ``code:<language>``.
3. It asks for JSON: ``json``.
4. It is short and asks for one fact (question word, "how many", arithmetic): ``value``.
5. Otherwise ``text``.

The question alone decides, never an answer: a voter cannot choose how it is compared. Of a long question the beginning and the
end are looked at (``WINDOW_CHARS`` each): what is asked for stands there, and the work stays bounded.
"""

import re

from actors.consensus.request import AskedKind

_LANGUAGES = {
    "python": "python", "javascript": "javascript", "typescript": "typescript", "java": "java", "sql": "sql", "bash": "bash",
    "rust": "rust", "golang": "go", "go": "go", "c++": "cpp", "c#": "csharp", "ruby": "ruby", "php": "php", "kotlin": "kotlin",
}  # fmt: skip
_LANGUAGE = re.compile(
    r"(?<![\w+#])(" + "|".join(re.escape(name) for name in _LANGUAGES) + r")(?![\w+#])", re.IGNORECASE
)
_VERB = r"(?:write|implement|create|give|show|complete|fix|refactor|generate|code|define|develop|return)"
_THING = (
    r"(?:function|method|class|program|script|code|query|module|snippet|one-liner|regex|algorithm|decorator|generator)"
)
_ASKS_FOR_CODE = re.compile(rf"\b{_VERB}\b[^.?!\n]{{0,80}}\b{_THING}s?\b", re.IGNORECASE)
_SHOWS_CODE = re.compile(r"```|^[ \t]*(?:(?:def|class|async def) \w|>>> )", re.MULTILINE)
_ASKS_FOR_JSON = re.compile(r"\bjson\b", re.IGNORECASE)
_FACT = re.compile(
    r"\b(?:what|which|who|whose|when|where|how (?:many|much|old|long|far|tall|big))\b|\d\s*[-+*/x×]\s*\d", re.IGNORECASE
)
_EXPLAIN = re.compile(
    r"\b(?:why|explain|describe|difference|summari[sz]e|compare|essay|story|poem|list)\b", re.IGNORECASE
)
_VALUE_QUESTION_CHARS = 200
WINDOW_CHARS = 4_096


def answer_kind(asked: AskedKind, question: str) -> str:
    """Return ``code:<language>``, ``json``, ``value`` or ``text``."""
    question = _window(question)
    if asked == "code":
        return f"code:{_language(question)}"
    if asked != "auto":
        return asked
    if _ASKS_FOR_CODE.search(question) or _SHOWS_CODE.search(question):
        return f"code:{_language(question)}"
    if _ASKS_FOR_JSON.search(question):
        return "json"
    if len(question) <= _VALUE_QUESTION_CHARS and _FACT.search(question) and not _EXPLAIN.search(question):
        return "value"
    return "text"


def _window(question: str) -> str:
    if len(question) <= 2 * WINDOW_CHARS:
        return question
    return f"{question[:WINDOW_CHARS]}\n{question[-WINDOW_CHARS:]}"


def _language(question: str) -> str:
    named = _LANGUAGE.search(question)
    return _LANGUAGES[named.group(1).lower()] if named else "python"
