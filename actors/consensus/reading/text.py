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
    a, b = Counter(left.split()), Counter(right.split())
    total = sum(a.values()) + sum(b.values())
    return 2 * sum((a & b).values()) * MICRO // total if total else 0
