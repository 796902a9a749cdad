"""Prose: normalised words and their similarity. Similarity is reported as such, never as agreement of meaning."""

import re
import unicodedata
from collections import Counter

MICRO = 1_000_000
_WORD = re.compile(r"\w+")


def normal_text(content: str) -> str:
    """Return the case-folded words of a text, one blank between them."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", content).casefold()))


def similarity_micro(left: str, right: str) -> int:
    """Return the Dice similarity of two normal texts' word multisets, in millionths (1,000,000 = the same words)."""
    return likeness_micro(word_counts(left), word_counts(right))


def word_counts(form: str) -> Counter[str]:
    """Return the word multiset of a normal text."""
    return Counter(form.split())


def likeness_micro(a: Counter[str], b: Counter[str]) -> int:
    """Return the Dice similarity of two word multisets in millionths."""
    total = a.total() + b.total()
    return 2 * (a & b).total() * MICRO // total if total else 0
