"""Characters that make text read otherwise than it runs, in any language.

Rules:
- Bidirectional controls are rejected wherever they stand (Boucher and Anderson, "Trojan Source", 2021; CVE-2021-42574).
- Invisible characters are rejected in code and flagged in strings and comments.
- An identifier that mixes Latin with letters of another script that look Latin is rejected (CVE-2021-42694).
- Control characters other than tab, line ends and form feed are rejected.

Left out: whole words in another script; people may name things in their own language.
"""

import re
import unicodedata
from collections.abc import Iterator

from actors.consensus.screening.findings import Finding

BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
INVISIBLE = re.compile(
    "[\u200b\u200c\u200d\u2060-\u2064\ufeff\u00ad\u180e\u3164\uffa0\u115f\u1160]|[\U000e0000-\U000e007f]"
)
CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x9f]")
LOOKALIKE_SCRIPTS = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "FULLWIDTH", "MATHEMATICAL")
LATIN_FORMS = re.compile(r"(?a:[A-Za-z])")
MAX_QUOTED_LINE = 2_000  # a longer line is looked at as if nothing in it were quoted
_WORD = re.compile(r"\w+")
_QUOTED = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"?|'(?:[^'\\\n]|\\.)*'?")


def check(text: str) -> Iterator[Finding]:
    """Yield what deceives the eye."""
    if text.isascii() and not CONTROL.search(text):
        return
    for number, line in enumerate(text.split("\n"), 1):
        if BIDI.search(line):
            yield Finding("text-bidi", "CWE-1007", number, "reject", "holds characters that reorder what is shown")
        if CONTROL.search(line):
            yield Finding("text-control", "CWE-116", number, "reject", "holds control characters")
        if INVISIBLE.search(line):
            quoted = not INVISIBLE.search(_unquoted(line).split("#")[0])
            verdict = "flag" if quoted else "reject"
            yield Finding("text-invisible", "CWE-1007", number, verdict, "holds invisible characters")  # type: ignore[arg-type]
        yield from _mixed(line, number)


def _mixed(line: str, number: int) -> Iterator[Finding]:
    if line.isascii():
        return
    for word in _WORD.findall(_unquoted(line)):
        if not word.isascii() and is_lookalike(word):
            yield Finding(
                "text-homoglyph", "CWE-1007", number, "reject", "names something with letters that only look Latin"
            )
            return


def _unquoted(line: str) -> str:
    return _QUOTED.sub("", line) if len(line) <= MAX_QUOTED_LINE else line


def is_lookalike(word: str) -> bool:
    """Tell an identifier that mixes Latin with look-alike letters, or that Python would read as another."""
    scripts = {unicodedata.name(c, "").split(" ")[0] for c in word if c.isalpha() and not c.isascii()}
    latin = LATIN_FORMS.search(word) is not None
    return (latin and bool(scripts & set(LOOKALIKE_SCRIPTS))) or unicodedata.normalize("NFKC", word).isascii()
