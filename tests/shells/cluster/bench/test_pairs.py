"""The pairs of vulnerable and fixed code."""

import ast
import re

import pytest

from cluster.bench.pairs import Pair, parse, read
from cluster.bench.screening import PAIRS


def test_marks_tell_the_versions_apart() -> None:
    """A space stands in both, minus in the vulnerable one, plus in the fixed one."""
    (pair,) = parse("CWE-1", "## CVE-2020-1 a title\n a\n-b\n+c\n\n d\n")
    assert pair == Pair("CWE-1", "CVE-2020-1", "a title", "a\nb\n\nd\n", "a\nc\n\nd\n")


def test_a_line_without_a_mark_is_refused() -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="no mark"):
        parse("CWE-1", "## CVE-2020-1 a title\nx = 1\n")


def test_the_half_follows_from_source_and_title() -> None:
    """Code may be mended without moving a pair from one half to the other."""
    pair = Pair("CWE-1", "CVE-2020-1", "a title", "a", "b")
    assert pair.half == Pair("CWE-2", "CVE-2020-1", "a title", "c", "d").half
    assert {each.half for each in read(PAIRS)} == {"tuning", "held-out"}


def test_the_corpus_is_wide_enough_and_cites_its_sources() -> None:
    """At least 150 pairs over 25 weaknesses, each with a source, each different in both versions and Python in both."""
    pairs = read(PAIRS)
    assert len(pairs) >= 150
    assert len({pair.cwe for pair in pairs}) >= 25
    assert len({(pair.source, pair.title) for pair in pairs}) == len(pairs)
    for pair in pairs:
        assert re.fullmatch(r"CVE-\d{4}-\d{4,}|CWE-\d+/ex-\d+", pair.source), pair.source
        assert pair.vulnerable != pair.fixed
        ast.parse(pair.vulnerable)
        ast.parse(pair.fixed)
