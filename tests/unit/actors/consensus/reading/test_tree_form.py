"""The normal form of JavaScript, TypeScript and SQL: which sources are one and which are two."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consensus.reading.tree_form import MAX_CODE_CHARS, has_grammar, normal_tokens

BOTH = ("javascript", "typescript")


@pytest.mark.parametrize("language", BOTH)
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("let a = 1;", "let  a=1"),
        ("f(a);\ng(b);", "f(a)\ng(b)"),
        ("f(a); // why", "/* so */ f(a);"),
        ("const s = 'a b';", 'const s = "a b";'),
        ("'use strict'; f()", '"use strict"\nf()'),
        ("function f(a, b) { return a + b; }", "function f(\n  a,\n  b\n) {\n  return a + b\n}"),
        ("a\n  .b()\n  .c();", "a.b().c();"),
        ("for (let i = 0; i < 3; i++) { f(i); }", "for(let i=0;i<3;i++){f(i)}"),
        ("if (a) { b(); } else { c(); }", "if (a) {\n  b()\n}\nelse {\n  c()\n}"),
        ("class A { x = 1; f() { return this.x; } }", "class A {\n  x = 1\n  f() {\n    return this.x\n  }\n}"),
        ("const f = (x) => x * 2;", "const f = (x) =>\n  x * 2"),
        ("import a from 'b';\nexport default a;", 'import a from "b"\nexport default a'),
        ("x = a\n+ b;", "x = a + b;"),
        ("do { f(); } while (a);", "do {\n f()\n} while (a)"),
        ("function f() {\n  return;\n}", "function f() {\n  return\n}"),
    ],
)
def test_layout_comments_semicolons_and_plain_quotes_change_nothing(language: str, left: str, right: str) -> None:
    """What a formatter would change makes no second form."""
    assert normal_tokens(left, language) == normal_tokens(right, language) != ""


@pytest.mark.parametrize("language", BOTH)
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("a + b", "a - b"),
        ("a = 1", "a = 2"),
        ("f(); g();", "g(); f();"),
        ("a + b * c", "(a + b) * c"),
        ("s = 'a  b'", "s = 'a b'"),
        ("s = '\\''", 's = "\'"'),
        ("s = 'a\"b'", 's = "a\\"b"'),
        ("s = '// a'", "s = '// b'"),
        ("s = `a  b`", "s = `a b`"),
        ("s = `a\nb`", "s = `a b`"),
        ("s = `'`", 's = `"`'),
        ("r = /a b/", "r = /a  b/"),
        ("r = /a/g", "r = /a/i"),
        ("function f() { return (x); }", "function f() { return\n(x); }"),
        ("function f() { return x; }", "function f() { return\nx; }"),
        ("function f() { return x; }", "function f() { return /*\n*/ x; }"),
        ("let;\na = b", "let\na = b"),
        ("new\n1", "new;\n1"),
        ("class A {\n static;\n f() {}\n}", "class A {\n static\n f() {}\n}"),
        ("a = b; (c)", "a = b\n(c)"),
        ("a = b; [c].d()", "a = b\n[c].d()"),
        ("a = b; `c`", "a = b\n`c`"),
        ("a = b; +c", "a = b\n+c"),
        ("a; ++b", "a ++; b"),
        ("while (a); b()", "while (a) b()"),
        ("for (;;) {}", "for (; a;) {}"),
        ("for (a; b;) {}", "for (; a; b) {}"),
        ("if (a) b(); c()", "if (a) { b(); c() }"),
        ("a == b", "a === b"),
        ("async () => { await f() }", "async () => { f() }"),
        ("let a = 1", "const a = 1"),
        ("a?.b", "a.b"),
        ("f(...a)", "f(a)"),
        ("x = [1, , 2]", "x = [1, 2]"),
    ],
)
def test_what_may_mean_something_makes_another_form(language: str, left: str, right: str) -> None:
    """Operators, order, text inside strings, and line breaks where JavaScript ends statements."""
    forms = normal_tokens(left, language), normal_tokens(right, language)
    assert forms[0] != forms[1]
    assert any(forms)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("/** @jsx h */ f()", "f()"),
        ("f() // @ts-nocheck", "f()"),
        ("f()\n<!-- y\nz", "f()\nz"),
        ("<a> b</a>", "<a>b</a>"),
    ],
)
def test_comments_that_tools_read_and_jsx_stay(left: str, right: str) -> None:
    """Pragmas, HTML comments and blanks in JSX may change what runs."""
    assert normal_tokens(left, "javascript") != normal_tokens(right, "javascript") != ""


def test_typescript_keeps_types_and_reads_jsx() -> None:
    """Types are compared, members may end with or without a semicolon, and TSX is TypeScript."""
    assert normal_tokens("let a: number = 1", "typescript") != normal_tokens("let a: string = 1", "typescript")
    short = "interface A { x: number; y?: string }"
    assert (
        normal_tokens(short, "typescript")
        == normal_tokens("interface A {\n  x: number\n  y?: string\n}", "typescript")
        != ""
    )
    assert normal_tokens("const a = <b>c</b>;", "typescript") != ""


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("SELECT a, count(*) FROM t WHERE x = 'A';", "select a,\n  count(*)\nfrom t -- all\nwhere x='A'"),
        ("/* why */ INSERT INTO t VALUES (1, 'a')", "insert into t values(1,'a');"),
        ("create table t (id int primary key)", "CREATE TABLE t (\n  id INT PRIMARY KEY\n);"),
    ],
)
def test_sql_keywords_and_layout_change_nothing(left: str, right: str) -> None:
    """The case of keywords, layout, comments and the last semicolon make no second form."""
    assert normal_tokens(left, "sql") == normal_tokens(right, "sql") != ""


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("SELECT a FROM t", "SELECT A FROM t"),
        ('SELECT "a" FROM t', 'SELECT "A" FROM t'),
        ("SELECT 'a'", "SELECT 'A'"),
        ("SELECT 'a'", 'SELECT "a"'),
        ("SELECT '--a'", "SELECT '--b'"),
        ("SELECT 5--1", "SELECT 5"),
        ("SELECT /*+ FULL(t) */ a FROM t", "SELECT a FROM t"),
        ("SELECT /*! 1 */ a FROM t", "SELECT a FROM t"),
        ("SELECT a FROM t WHERE x > 1", "SELECT a FROM t WHERE x >= 1"),
        ("SELECT a FROM t WHERE x AND y OR z", "SELECT a FROM t WHERE x AND (y OR z)"),
        ("DELETE FROM t WHERE a = 1", "DELETE FROM t"),
        ("SELECT DISTINCT a FROM t", "SELECT a FROM t"),
        ("SELECT 1; SELECT 2", "SELECT 2; SELECT 1"),
        ("SELECT 'a'\n'b'", "SELECT 'a' 'b'"),
        ("SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a DESC"),
    ],
)
def test_sql_names_strings_hints_and_conditions_are_compared(left: str, right: str) -> None:
    """Whatever a database may take for something else makes another form."""
    forms = normal_tokens(left, "sql"), normal_tokens(right, "sql")
    assert forms[0] != forms[1]
    assert any(forms)


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("javascript", "let a = ("),
        ("javascript", "Here you go: it is."),
        ("javascript", "Sorry"),
        ("javascript", "'just a string'"),
        ("javascript", "// only a comment"),
        ("javascript", "function f() {"),
        ("javascript", "a = \u2028 b"),
        ("typescript", "interface {"),
        ("sql", "SELECT a FROM"),
        ("sql", "I cannot do that."),
        ("sql", ""),
        ("javascript", "f();\n" * MAX_CODE_CHARS),
        ("javascript", "f();" * (MAX_CODE_CHARS // 4)),
        ("typescript", "a<b," * (MAX_CODE_CHARS // 4)),
    ],
)
def test_what_does_not_parse_within_bounds_has_no_form(language: str, code: str) -> None:
    """Errors, missing tokens, prose, bare words, and sources or trees that are too large cost the ballot."""
    assert normal_tokens(code, language) == ""


def test_languages_with_a_grammar_are_known() -> None:
    """Others are compared as they stand."""
    assert [has_grammar(language) for language in ("javascript", "typescript", "sql", "go", "python", "")] == [
        True
    ] * 3 + [False] * 3


TOKENS = st.sampled_from(
    ["a", "b", "1", "'s'", '"s"', "`t`", "/r/g", "(", ")", "[", "]", "{", "}", "+", "++", "-", "*", "/", "=", "=>", ".", ",",
     ":", "?", "return", "let", "async", "function", "if", "else", "yield", "class", "get", "in", "!", "while", "for"]
)  # fmt: skip
GAPS = st.sampled_from([" ", "\n", ";", ";\n"])


@given(st.lists(st.tuples(TOKENS, GAPS), min_size=1, max_size=12), st.sampled_from(BOTH))
def test_equal_forms_have_equal_tokens(pieces: list[tuple[str, str]], language: str) -> None:
    """Two layouts of some tokens share a form only if no line break between them decides where a statement ends."""
    broken = "".join(token + gap for token, gap in pieces)
    joined = re.sub(r"\n", " ", broken)
    if (form := normal_tokens(broken, language)) and form == normal_tokens(joined, language):
        assert not re.search(r"\b(return|yield|async)\n(?=.)", broken)
        assert not re.search(r"\n(\+\+|=>)", broken)


@given(st.text(max_size=80), st.sampled_from(["javascript", "typescript", "sql"]))
def test_any_text_can_be_read(text: str, language: str) -> None:
    """Reading never raises."""
    assert isinstance(normal_tokens(text, language), str)
