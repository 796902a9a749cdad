"""Declared encodings: a file of an answer's Python is the program that is read."""

import ast
import codecs
import io
import tokenize
import warnings
from encodings.aliases import aliases

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.readable import readable
from actors.consensus.reading.encoding import declares_another

BODY = "x = 1 #+AAo-y = 2\n"
PLAIN = {"utf-8", "ascii"}


@pytest.mark.parametrize(
    "source",
    [
        f"# coding: utf-7\n{BODY}",
        f"# -*- coding: rot13 -*-\n{BODY}",
        f"# -*- coding: cp037 -*-\n{BODY}",
        f"# vim: set fileencoding=latin-1 :\n{BODY}",
        f"#!/usr/bin/env python\n# coding=U7\n{BODY}",
        f"#\r# coding: utf_7\r{BODY}",
        f"#\r\n# coding: utf_7\r\n{BODY}",
        f"#\r#\r#\r# coding: utf-7\r{BODY}",
        f"\f# coding: utf-7\n{BODY}",
        f" \t\f\n\f # coding: utf-7\n{BODY}",
        f"#\n\f# coding: utf-7\n{BODY}",
        f"\n\n\n# coding: utf-7\n{BODY}",
        f"# coding coding: é coding:\tunicode_escape\n{BODY}",
        f"# coding: éutf-8 coding: utf-7\n{BODY}",
        f"# coding: iso-8859-15\n{BODY}",
        f"# coding: latin-1-unix\n{BODY}",
        f"# coding: utf-16\n{BODY}",
        f"# Run-length encoding: see below\n{BODY}",
        f"# coding: utf8.\n{BODY}",
        f"# coding: utf-8x\n{BODY}",
        "# coding: ascii\nx = 'é'\n",
        f"\ufeff{BODY}",
        f"\n\ufeff# coding: utf-8\n{BODY}",
    ],
)
def test_what_is_other_code_as_a_file_is_told(source: str) -> None:
    """Another encoding, by any name and in any comment that Python looks at, one that it does not know, or a mark in front."""
    assert declares_another(source)


@pytest.mark.parametrize(
    "source",
    [
        BODY,
        "x = 'é'\n",
        *(f"# coding: {name}\nx = 'é'\n" for name in ("utf-8", "utf_8", "UTF8", "u8", "utf-8-unix", "UTF_8_sig", "cp65001")),
        *(f"# coding: {name}\n{BODY}" for name in ("ascii", "US-ASCII", "646", "us.ascii", "ANSI_X3.4-1968")),
        f"# coding: utf-8é\n{BODY}",
        f"x = 1\n# coding: utf-7\n{BODY}",
        f"x = 1\r# coding: utf-7\r{BODY}",
        f"'''\n# coding: utf-7\n'''\n{BODY}",
        f"\\\n# coding: utf-7\n{BODY}",
        f"#\n#\n# coding: utf-7\n{BODY}",
        f"# coding: utf-8\n# coding: utf-7\n{BODY}",
        f"# Coding: utf-7\n{BODY}",
        f"# coding utf-7, coding : utf-7\n{BODY}",
        f"x = '# coding: utf-7'\n{BODY}",
    ],
)  # fmt: skip
def test_what_is_the_same_code_as_a_file_may_be_declared(source: str) -> None:
    """UTF-8 by all its names, ASCII where all is ASCII, and what Python takes for no declaration."""
    assert not declares_another(source)
    assert ast.dump(ast.parse(source.encode())) == ast.dump(ast.parse(source))


@pytest.mark.parametrize("name", sorted({*aliases, *aliases.values()}))
def test_a_name_means_what_it_means_to_python(name: str) -> None:
    """Every encoding that Python knows is looked up by each name as Python looks it up."""
    try:
        means = codecs.lookup(name).name
    except LookupError:  # of another system
        means = ""
    for written in (name, name.upper(), name.replace("_", "-")):
        assert declares_another(f"# coding: {written}\n{BODY}") == (means not in PLAIN)


NAMES = st.sampled_from(
    "utf-8 utf8 UTF_8 u8 utf-8-sig utf-8-7 utf8. -utf8- utf ascii us-ascii 646 utf-7 u7 latin-1 l1 cp037 "
    "unicode_escape raw-unicode-escape punycode utf-16 rot13 hex nope 7 . -".split()
)
SAYS = st.builds(
    "".join, st.tuples(st.sampled_from(["coding", "fileencoding", "Coding"]), st.sampled_from(":= "), NAMES)
)
MARKS = st.sampled_from(
    ["#", "# ", "\n", "\r", "\r\n", "\f", " ", "\t", "\ufeff", "\x0b", "\u2028", "x = 1", "'''", "\\", "-*-", ";"]
)
BODIES = st.sampled_from(
    ["", BODY, "x = 'é'\n", "# é\nx = 1\n", "x = 1 # \\nx = 2\n", "x = 1 # \\u000ax = 2\n", "x = '+AGE-'\n", "x = '+ACc-\n"]
)  # fmt: skip
"""Some of them are other programs in other encodings, or programs only there."""
FRONTS = st.sampled_from(["", "\n", "\f", "#\n", "#\r", "\ufeff", "x = 1\n"])
SOURCES = st.one_of(
    st.builds("{}# {}{}{}".format, FRONTS, SAYS, st.sampled_from("\n\r"), BODIES),
    st.builds("{}\n{}".format, st.lists(SAYS | MARKS, max_size=8).map("".join), BODIES),
)


def parsed(source: str | bytes) -> str:
    """Return the tree of a source, empty if it is no Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.dump(ast.parse(source))
        except (SyntaxError, ValueError):
            return ""


@given(SOURCES)
def test_python_that_is_told_to_be_the_same_is_the_same(source: str) -> None:
    """The UTF-8 bytes of whatever is let pass parse to the same tree as the text, and ``tokenize`` reads them alike."""
    if declares_another(source):
        return
    assert parsed(source.encode()) == parsed(source)
    declared, _ = tokenize.detect_encoding(io.BytesIO(source.encode()).readline)
    assert codecs.lookup(declared).name in PLAIN


@given(SOURCES, st.sampled_from(["strict", "evidence", "direct"]), st.sampled_from(["", "python", "text"]))
def test_every_accepted_answer_is_the_same_code_as_a_file(source: str, policy: str, label: str) -> None:
    """Whatever the policy: the bytes of the code that is compared and run, and of other Python beside it, parse alike."""
    content = f"```{label}\n{source}\n```" if label else source
    read = readable("code:python", "q", policy, content, "stop")
    if not read.why:
        for code in (piece.code for piece in read.pieces("python") if piece.language == "python"):
            assert parsed(code.encode()) == parsed(code)


@given(SOURCES, st.sampled_from(["strict", "evidence", "direct"]))
def test_every_accepted_block_in_prose_is_the_same_code_as_a_file(source: str, policy: str) -> None:
    """Nobody asked for it, and it may be saved like any other."""
    read = readable("text", "q", policy, f"Run this:\n\n```python\n{source}\n```", "stop")
    assert read.why or parsed(f"{source}\n".encode()) == parsed(f"{source}\n")
