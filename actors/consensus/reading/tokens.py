"""The tokens of one line: words, numbers, and everything else as it was written.

Rules:
- A chunk between blanks loses quotes and emphasis around it and punctuation behind it, a word also its brackets, nothing else:
  ``O(n^2)``, ``[0,1)``, ``1/2``, ``1,2``, ``$5``, ``!=``, ``6"`` and ``H2O`` stay what they are. A superscript is a power, a
  fraction sign a fraction.
- Words are case-folded where case says nothing ("Paris", "paris", "PARIS"); short capitals and mixed case are kept ("CO" is
  not "Co"), and so is a unit of one or two letters behind a number ("mW" is not "MW").
- Thousands separators go where they separate thousands. Words for numbers add up as they are said ("two hundred five", but not
  "two, three"), below a million; "million" stays a word beside its number. A minus belongs to the number behind it.

Left out: what a token means beside another; that is the reader's business.
"""

import re
import unicodedata

_QUOTES = "\"'`*_«»“”‘’"
_PUNCTUATION = ".,;:…"
_CLOSING = _QUOTES + _PUNCTUATION
_BEHIND_WORDS = _CLOSING + ")]}!"
_ENDS_CLAUSE = ".,;:"
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)")
_EQUALS = re.compile(r"(?<![=<>!:~+*/-])=(?![=<>~])")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)([+*×÷])(?=\d)")
_SUPERSCRIPT = re.compile("[\u00b2\u00b3\u00b9\u2070-\u207f]+")
_FRACTION = re.compile("[\u00bc-\u00be\u2150-\u215f]")
_OPERATORS = frozenset("*")
_MINUS_WORDS = frozenset({"minus", "negative", "-"})
_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_NUMBER_WORDS = (
    {word: number for number, word in enumerate(_UNITS)}
    | {word: 10 * number for number, word in enumerate(_TENS, 2)}
    | {"hundred": 100, "thousand": 1000}
)


def tokens(line: str) -> list[str]:
    """Return the tokens of one line in order."""
    spoken: list[str] = []
    breaks: set[int] = set()  # where a clause ends: numbers on both sides are two numbers
    for chunk in _plain(line).split():
        bare = _bare(chunk)
        if bare:
            spoken += _token(bare, after_number=bool(spoken) and is_number(spoken[-1]))
        if chunk[-1] in _ENDS_CLAUSE:
            breaks.add(len(spoken))
    if len(spoken) > 1 and spoken[0] in {"A", "I"}:  # begins a sentence; further on, capitals are names
        spoken[0] = spoken[0].lower()
    if not _NUMBER_WORDS.keys().isdisjoint(spoken):
        spoken = _added_up(spoken, breaks)
    return spoken if _MINUS_WORDS.isdisjoint(spoken) else _signed(spoken)


def is_number(token: str) -> bool:
    """Tell whether a token is one decimal number."""
    return token[-1].isdecimal() and _NUMBER.fullmatch(token) is not None


def plain_number(token: str) -> str:
    """Return a number without the zeros and the plus sign that do not change its value."""
    sign, digits = ("-", token[1:]) if token[0] == "-" else ("", token.lstrip("+"))
    whole, _, part = digits.partition(".")
    whole, part = whole.lstrip("0") or "0", part.rstrip("0")
    value = f"{whole}.{part}" if part else whole
    return value if value == "0" else sign + value


def _plain(line: str) -> str:
    if not line.isascii():
        line = _SUPERSCRIPT.sub(r"^\g<0>", line)
        line = unicodedata.normalize("NFKC", _FRACTION.sub(r" \g<0> ", line))
        line = line.replace("\u2019", "'").replace("\u2044", "/").replace("\u2212", "-").replace("\u2014", " \u2014 ")
    if "=" in line:
        line = _EQUALS.sub(" = ", line)
    return _BETWEEN_DIGITS.sub(r" \1 ", line)


def _bare(chunk: str) -> str:
    if chunk.isalnum():
        return chunk
    bare = chunk.lstrip(_QUOTES).rstrip(_CLOSING)
    word = bare.lstrip("([{").rstrip(_BEHIND_WORDS)
    if word and _WORD.fullmatch(word) and (len(word) > 1 or "!" not in bare):  # "Paris!", but not "n!"
        return word
    if chunk[0] in {"'", "’"} and bare[:1].isdigit() and chunk.count(chunk[0]) == 1:  # '45 is a year, not a number
        return f"'{bare}"
    if not bare:
        return chunk if chunk in _OPERATORS else ""
    if bare[-1].isdigit():
        return bare + _behind_digits(chunk, bare)
    return bare


def _behind_digits(chunk: str, bare: str) -> str:
    """Return what stands behind digits and changes them: digits that go on, a mark for feet or inches."""
    tail = chunk[chunk.rindex(bare) + len(bare) :]
    if "..." in tail or "…" in tail:
        return "..."
    return tail.rstrip(_PUNCTUATION) if tail[:1] in {"'", '"'} and chunk[0] not in _QUOTES else ""


def _token(chunk: str, *, after_number: bool) -> list[str]:
    if chunk.isalpha() or _WORD.fullmatch(chunk):
        return _words(chunk, after_number=after_number)
    if _GROUPED.fullmatch(chunk):
        return [chunk.replace(",", "")]
    if chunk[-1] == "%" and len(chunk) > 1:
        return [*_token(chunk[:-1], after_number=False), "%"]
    return [chunk]


def _words(word: str, *, after_number: bool) -> list[str]:
    folded = word.casefold()
    if folded in {"percent", "minus", "negative"}:
        return ["%" if folded == "percent" else folded]
    if "-" in folded and all(part in _NUMBER_WORDS for part in folded.split("-")):
        return folded.split("-")
    if after_number and len(word) <= 2:
        return [word]
    capitals = word.isupper()
    says_nothing = (capitals and len(word) > 3) or word.islower() or (word[0].isupper() and word[1:].islower())
    return [folded if says_nothing else word]


def _added_up(spoken: list[str], breaks: set[int]) -> list[str]:
    """Add neighbouring words for numbers up."""
    result: list[str] = []
    said: _Said | None = None
    for place, word in enumerate(spoken):
        number = _NUMBER_WORDS.get(word)
        if said is not None and (number is None or place in breaks or not said.takes(number)):
            result.append(said.text())
            said = None
        if number is None:
            result.append(word)
        else:
            said = said or _Said()
            said.add(number)
    return result if said is None else [*result, said.text()]


class _Said:
    """A number below a million as it is being said."""

    def __init__(self) -> None:
        self._thousands: int | None = None
        self._rest: int | None = None

    def takes(self, number: int) -> bool:
        """Tell whether ``number`` may be said next."""
        rest = self._rest
        if number == 1000:
            return self._thousands is None and rest is not None
        if number == 100:
            return rest is not None and 0 < rest < 100
        if rest is None or (rest >= 100 and rest % 100 == 0):
            return number > 0
        return rest % 100 >= 20 and rest % 10 == 0 and 0 < number < 10

    def add(self, number: int) -> None:
        """Say ``number``."""
        if number == 1000:
            self._thousands, self._rest = self._rest if self._rest is not None else 1, None
        elif number == 100:
            self._rest = 100 * (self._rest or 1)
        else:
            self._rest = (self._rest or 0) + number

    def text(self) -> str:
        """Return the number in digits."""
        return str(1000 * (self._thousands or 0) + (self._rest or 0))


def _signed(spoken: list[str]) -> list[str]:
    """Join a minus with the number behind it, unless a number before it makes it a subtraction."""
    result: list[str] = []
    for place, token in enumerate(spoken):
        minus = place > 0 and spoken[place - 1] in _MINUS_WORDS
        alone = place < 2 or not is_number(spoken[place - 2])
        if minus and alone and is_number(token) and token[0] not in "+-":
            result[-1] = f"-{token}"
        else:
            result.append(token)
    return result
