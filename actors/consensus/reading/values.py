"""The one value an answer states, read against its question.

Rules, first match wins:
1. Only the first line that says something is read; a model that goes on asking itself questions is not followed.
2. An explicit mark: ``Answer: X``, ``the answer is X``, ``= X`` at the end, one **bold** or `quoted` span.
3. If exactly one number stands in the line that does not stand in the question, it is the value (words for numbers count).
4. Else what remains after the question's own words and function words are taken away, if at most six words remain.
Negations are never taken away. Numbers are normalised ("1,000", "7.0", "seven"), text is case-folded, accents kept.

Left out: units, dates in words, synonyms. Two readings are equal only if their normal forms are.
"""

import re
import unicodedata

_WORD = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?%?|[^\W\d_](?:[\w'\u2019-]*\w)?")
_NUMBER = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?")
_MARKED = (
    re.compile(r"\b(?:final )?answer\s*(?:is|:|=)\s*(.+)$", re.IGNORECASE),
    re.compile(r"^\s*A\s*:\s*(.+)$"),
    re.compile(r"=\s*([^=]+)$"),
    re.compile(r"^[^*]*\*\*([^*]+)\*\*[^*]*$"),
    re.compile(r"^[^`]*`([^`]+)`[^`]*$"),
)
_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_NUMBER_WORDS = {word: number for number, word in enumerate(_UNITS)} | {
    word: 10 * number for number, word in enumerate(_TENS, 2)
} | {"hundred": 100, "thousand": 1000}  # fmt: skip
_FUNCTION_WORDS = frozenset(
    "a an the is are was were be been being am it its this that these those there here of in on at to for from by with as and or"
    " do does did has have had will would can could may might i you he she we they who whom which what when where how"
    " called named known also so well sure okay ok answer correct result equals equal official officially primarily".split()
)
_NEGATIONS = frozenset(
    "no not never none isn't aren't wasn't weren't doesn't don't cannot can't nor neither without".split()
)
_MAX_WORDS = 6


def normal_value(question: str, content: str) -> str:
    """Return the normal form of the value that ``content`` gives for ``question``, or an empty string."""
    line = _first_line(content)
    for pattern in _MARKED:
        marked = pattern.search(line)
        if marked and (form := _read(question, marked.group(1))):
            return form
    return _read(question, line)


def _first_line(content: str) -> str:
    folded = unicodedata.normalize("NFKC", content)
    lines = (line.strip() for line in folded.splitlines())
    line = next((line for line in lines if _WORD.search(line)), "")
    return re.sub(r"\s*\bQ\s*:.*$", "", line)


def _read(question: str, text: str) -> str:
    words, asked = _words(text), set(_words(question))
    negated = sorted(set(words) & _NEGATIONS)
    numbers = {word for word in words if _is_number(word)} - asked
    if len(numbers) == 1 and not negated:
        return numbers.pop()
    left = [word for word in words if word in _NEGATIONS or (word not in _FUNCTION_WORDS and word not in asked)]
    if not left:  # the value stands in the question itself ("Is it A or B?")
        left = [word for word in words if word not in _FUNCTION_WORDS]
    return " ".join(left) if 0 < len(left) <= _MAX_WORDS else ""


def _words(text: str) -> list[str]:
    return [_number(word) for word in _joined_numbers(_WORD.findall(text.casefold().replace("\u2019", "'")))]


def _joined_numbers(words: list[str]) -> list[str]:
    """Split hyphenated numbers ("twenty-four") and add neighbours up ("one hundred five")."""
    result: list[str] = []
    total: int | None = None
    for word in (part for whole in words for part in (whole.split("-") if _all_numbers(whole) else [whole])):
        number = _NUMBER_WORDS.get(word)
        if number is None:
            result += [] if total is None else [str(total)]
            total = None
            result.append(word)
        elif number >= 100:
            total = (total or 1) * number
        else:
            total = (total or 0) + number
    return result if total is None else [*result, str(total)]


def _all_numbers(word: str) -> bool:
    return all(part in _NUMBER_WORDS for part in word.split("-"))


def _is_number(word: str) -> bool:
    return _NUMBER.fullmatch(word.rstrip("%")) is not None


def _number(word: str) -> str:
    if not _is_number(word):
        return word.removesuffix("'s")
    text = word.rstrip("%").replace(",", "").lstrip("+")
    whole, _, part = text.partition(".")
    part = part.rstrip("0")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return sign + (digits.lstrip("0") or "0") + (f".{part}" if part else "")
