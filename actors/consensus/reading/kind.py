"""Which kind of answer a question wants.

Rules, first match wins:
1. The request says so (``answer_kind``, or ``response_format`` through it).
2. The question asks for a program (a writing verb near a word for code) or shows code: ``code:<language>``. The language is the
   one its prose names (as a target, "to Rust", first), else the one of the code it shows, else Python. What stands
   inside code, docstrings and comments names no language: "go through the list" is no Go.
3. It asks for JSON: ``json``.
4. It is short and asks for one fact (question word, "how many", arithmetic): ``value``.
5. Otherwise ``text``.

The question alone decides, never an answer: a voter cannot choose how it is compared. Of a long question the beginning and the
end are looked at (``WINDOW_CHARS`` each): what is asked for stands there, and the work stays bounded.
"""

import re

from actors.consensus.request import AskedKind

_LANGUAGES = {
    "python": "python", "javascript": "javascript", "node.js": "javascript", "typescript": "typescript", "java": "java",
    "sql": "sql", "bash": "bash", "rust": "rust", "golang": "go", "c++": "cpp", "c#": "csharp", "ruby": "ruby", "php": "php",
    "kotlin": "kotlin", "swift": "swift", "scala": "scala", "haskell": "haskell",
}  # fmt: skip
_WORDS = {"Go": "go", "C": "c"}  # which need a word beside them that makes them languages
_LABELS = {
    "py": "python", "python3": "python", "js": "javascript", "jsx": "javascript", "ts": "typescript", "tsx": "typescript",
    "go": "go", "sh": "bash", "shell": "bash", "rs": "rust", "cpp": "cpp", "c": "c", "cs": "csharp", "csharp": "csharp",
    "rb": "ruby", "kt": "kotlin",
}  # fmt: skip
_NAME = r"(?<![\w+#.])(?:(?i:(?P<name>NAMES))(?![\w+#])|(?P<word>Go|C)(?![\w+#']))".replace(
    "NAMES", "|".join(map(re.escape, _LANGUAGES))
)
_TARGET = re.compile(r"\b(?i:to|into|in)[ \t]{1,4}(?i:plain[ \t]|modern[ \t]|idiomatic[ \t])?" + _NAME)
_LANGUAGE = re.compile(
    _NAME + r"(?(word)(?=[ \t]{1,4}(?:function|program|code|struct|package|module|method|snippet|script)\b))"
)
_QUERIES = re.compile(r"\b(?:query|queries)\b[^.?!\n]{0,80}\b(?:postgres(?:ql)?|mysql|sqlite|oracle)\b", re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]{0,16}(?:```|~~~)[ \t]{0,4}([\w+#.-]{0,32})", re.MULTILINE)


def _line(pattern: str) -> re.Pattern[str]:
    """Return a pattern for the beginning of a line, in which a blank stands for some, ``SP?`` for none or some."""
    return re.compile("^[ \t]*" + pattern.replace(" ", "[ \t]+").replace("SP?", "[ \t]{0,4}"), re.MULTILINE)


_SHOWN = (
    ("python", _line(r"(?:(?:async )?def \w+SP?\(|class \w+SP?[(:]|>>> )")),
    ("typescript", _line(r"(?:export )?interface \w+[^\n{]{0,80}\{")),
    ("typescript", _line(r"(?:export )?(?:async )?function \w+[^\n(]{0,80}\([^\n{]{0,200}:SP?\w[^\n{]{0,200}\{")),
    ("javascript", _line(r"(?:export )?(?:default )?(?:async )?function\*? \w+SP?\([^\n{]{0,200}\{")),
    ("javascript", _line(r"(?:const|let) \w+SP?=[^\n]{0,80}=>")),
    ("rust", _line(r"(?:pub )?fn \w+[^\n{]{0,200}\{")),
    ("go", _line(r"func [^\n{]{1,200}\{")),
    ("java", _line(r"public (?:static )?[\w<>\[\]]+ \w+[^\n{]{0,200}\{")),
    ("cpp", _line(r"#includeSP?[<\"]")),
    ("sql", _line(r"(?:SELECT\s[^;]{1,500}\sFROM\s|INSERT INTO |DELETE FROM |CREATE TABLE |UPDATE \w+ SET )")),
)
_VERB = r"(?:write|implement|create|give|show|complete|fix|refactor|generate|code|define|develop|return)"
_THING = (
    r"(?:function|method|class|program|script|code|query|module|snippet|one-liner|regex|algorithm|decorator|generator)"
)
_ASKS_FOR_CODE = re.compile(rf"\b{_VERB}\b[^.?!\n]{{0,80}}\b{_THING}s?\b", re.IGNORECASE)
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
    if asked not in {"code", "auto"}:
        return asked
    shown = _shown(question)
    if asked == "code" or shown is not None or _ASKS_FOR_CODE.search(question):
        prose = _prose(question, shown.start() if shown else len(question))
        return f"code:{_named(prose) or (_shown_language(question) if shown else '') or 'python'}"
    if _ASKS_FOR_JSON.search(question):
        return "json"
    if len(question) <= _VALUE_QUESTION_CHARS and _FACT.search(question) and not _EXPLAIN.search(question):
        return "value"
    return "text"


def _window(question: str) -> str:
    if len(question) <= 2 * WINDOW_CHARS:
        return question
    return f"{question[:WINDOW_CHARS]}\n{question[-WINDOW_CHARS:]}"


def _shown(question: str) -> re.Match[str] | None:
    """Return where the code that a question shows begins."""
    fence = _FENCE.search(question)
    shown = (pattern.search(question) for _, pattern in _SHOWN)
    return min((match for match in (fence, *shown) if match), key=lambda match: match.start(), default=None)


def _prose(question: str, begin: int) -> str:
    """Return what stands before the code that begins at a place, and behind the last fence if it is fenced."""
    fences = list(_FENCE.finditer(question, begin))
    behind = question[fences[-1].end() :] if len(fences) > 1 and len(fences) % 2 == 0 else ""
    return f"{question[:begin]}\n{behind}"


def _named(prose: str) -> str:
    """Return the language that prose names, or an empty string."""
    named = _TARGET.search(prose) or _LANGUAGE.search(prose)
    if named is None:
        return "sql" if _QUERIES.search(prose) else ""
    return _WORDS[named["word"]] if named["word"] else _LANGUAGES[named["name"].lower()]


def _shown_language(question: str) -> str:
    """Return the language of the code a question shows, by its fence's label or by its first lines; empty if unknown."""
    for fence in _FENCE.finditer(question):
        label = fence.group(1).lower()
        if label in _LABELS or label in _LANGUAGES:
            return _LABELS.get(label) or _LANGUAGES[label]
    found = [(match.start(), language) for language, pattern in _SHOWN if (match := pattern.search(question))]
    return min(found, key=lambda item: item[0])[1] if found else ""


def language_of(kind: str) -> str:
    """Return the language of the code that is asked for; empty if none is."""
    subject, _, language = kind.partition(":")
    return language if subject == "code" else ""
