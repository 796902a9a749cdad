"""The normal form of JavaScript, TypeScript and SQL: the tokens of their syntax tree, without layout and comments.

Rules:
- A source with an error or a missing token has no form, and neither has one longer than ``MAX_CODE_CHARS`` or one that takes
  the parser more than its steps: parsing hostile text costs a bounded amount.
- Every token stays, in order and at its place in the tree; a character that no token covers leaves no form.
- JavaScript and TypeScript: a line break stays where it may end or change a statement (behind ``return``, before ``++``, before a
  line that begins with a bracket, ...); a semicolon goes where its line break would do the same. Quotes of strings without
  escapes become one kind. Template strings and JSX keep every character.
- SQL: keywords lose their case; names, quoted or not, and strings keep theirs. The last semicolon goes. Source with dollar
  quotes keeps every character: what is quoted may be another language.
- A comment goes only if it cannot be read as anything else: hints, conditional and nested comments, HTML's and pragmas stay.

Left out: everything that takes more than tokens to know, type annotations, names of locals. Other languages have no form here.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import tree_sitter_javascript
import tree_sitter_sql
import tree_sitter_typescript
from tree_sitter import Language, Node, Parser, Point

MAX_CODE_CHARS = 16_384
MAX_TOKENS = 16_384
_BYTES_PER_STEP = 32  # real code takes one step in about fifty bytes
_LEAST_STEPS = 64
_SPACES = re.compile(rb"[ \t\r\n\f\v]*")
_ENDS_LINE = frozenset(
    "await return throw break continue yield async get set static accessor declare abstract type namespace module "
    "interface let new typeof void delete".split()
)
_BEGINS_LINE = frozenset("++ -- => ! as satisfies is asserts of in instanceof".split())
_JOINS_LINES = b"([`/+-*.,%<>=&|^?:"  # first bytes of tokens that go on with the line before, as JavaScript reads it
_TERMINATED = ("_statement", "_declaration", "field_definition", "signature", "_alias")
_VERBATIM = frozenset({"template_string", "jsx_element", "jsx_self_closing_element", "jsx_fragment", "regex", "string"})
_PLAIN_STRING = re.compile(r"(['\"])([^'\"\\]*)\1")
_PLAIN_COMMENTS = {
    "script": re.compile(r"//(?!\s*[#@])[^\n]*|/\*(?!\s*[#@!+])(?!.*(?:@jsx|/\*|@cc_on)).*\*/", re.DOTALL),
    "sql": re.compile(r"--(?:\s[^\n]*)?|/\*(?![!+M])(?!.*/\*).*\*/", re.DOTALL),
}
_COMMENTS = frozenset({"comment", "marginalia"})


@dataclass(frozen=True, slots=True)
class _Dialect:
    """How one grammar's trees are written down."""

    name: str
    grammar: object
    """The grammar's pointer."""
    family: str
    """``script`` (JavaScript and TypeScript) or ``sql``."""


_DIALECTS = {
    "javascript": (_Dialect("javascript", tree_sitter_javascript.language(), "script"),),
    "typescript": (
        _Dialect("typescript", tree_sitter_typescript.language_typescript(), "script"),
        _Dialect("tsx", tree_sitter_typescript.language_tsx(), "script"),
    ),
    "sql": (_Dialect("sql", tree_sitter_sql.language(), "sql"),),
}


def has_grammar(language: str) -> bool:
    """Tell whether sources of a language have normal forms here."""
    return language in _DIALECTS


def normal_tokens(code: str, language: str) -> str:
    """Return the normal form of a source, or an empty string if it does not parse; ``language`` must have a grammar.

    Raises ``UnicodeEncodeError`` for lone surrogates.
    """
    if len(code) > MAX_CODE_CHARS or not code.strip():
        return ""
    source = code.encode()
    for dialect in _DIALECTS[language]:
        root = _parsed(source, dialect)
        if root is None:
            continue
        if dialect.family == "sql" and "$" in code:
            return json.dumps([dialect.name, code])
        tokens = _Writer(source, dialect).written(root)
        return json.dumps([dialect.name, *tokens]) if tokens else ""
    return ""


@lru_cache(maxsize=len(_DIALECTS) + 1)
def _language(dialect: _Dialect) -> Language:
    return Language(dialect.grammar)


def _parsed(source: bytes, dialect: _Dialect) -> Node | None:
    """Return the root of a source's tree, ``None`` if it has errors or takes too long to tell."""
    left = _LEAST_STEPS + len(source) // _BYTES_PER_STEP

    def stops(_offset: int, has_error: bool) -> bool:
        nonlocal left
        left -= 1
        return left < 0 or has_error

    def read(offset: int, _point: Point) -> bytes:
        return source[offset : offset + 4_096]

    try:
        root = Parser(_language(dialect)).parse(read, progress_callback=stops).root_node
    except ValueError:  # stopped
        return None
    return None if root.has_error else root


class _Unreadable(Exception):
    """The tree does not cover its source."""


class _Writer:
    """Writes one tree down."""

    def __init__(self, source: bytes, dialect: _Dialect) -> None:
        self._source = source
        self._dialect = dialect
        self._script = dialect.family == "script"
        self._tokens: list[str] = []
        self._last: Node | None = None  # the token written last, unless a semicolon has ended it
        self._open_end = False  # whether a statement has ended without a semicolon since
        self._at = 0  # what is written or left out so far

    def written(self, root: Node) -> list[str]:
        """Return the tokens and the shape of a tree, nothing if it only names things or cannot be written down."""
        try:
            for node, entering in _walk(root):
                if entering:
                    self._enter(node)
                elif not _is_token(node):
                    self._leave(node)
            self._skip(len(self._source))
        except _Unreadable:
            return []
        return [] if all(map(_is_a_word, root.named_children)) else self._without_last_semicolon()

    def _without_last_semicolon(self) -> list[str]:
        tokens = self._tokens
        return [*tokens[:-2], tokens[-1]] if not self._script and tokens[-2:-1] == ["; ;"] else tokens

    def _enter(self, node: Node) -> None:
        if len(self._tokens) > MAX_TOKENS:
            raise _Unreadable
        if node.type in _COMMENTS and _PLAIN_COMMENTS[self._dialect.family].fullmatch(_text(node)):
            self._skip(node.start_byte)
            self._at = node.end_byte
        elif _is_token(node):
            self._token(node)
        else:
            self._tokens.append(f"({node.type}")

    def _leave(self, node: Node) -> None:
        self._tokens.append(")")
        if self._script and node.type.endswith(_TERMINATED):
            ends = node.children[-1] if node.children else None
            self._open_end = self._open_end or ends is None or ends.type != ";"

    def _token(self, node: Node) -> None:
        self._skip(node.start_byte)
        self._at = node.end_byte
        text = _text(node)
        if not text:
            return
        if self._script and text == ";" and _ends_statement(node):
            self._last, self._open_end = None, False
            return
        if self._last is not None and self._touches(self._last, node):
            self._tokens.append("\n")
        self._tokens.append(f"{node.type} {self._spelled(node, text)}")
        self._last, self._open_end = node, False

    def _touches(self, last: Node, node: Node) -> bool:
        """Tell whether what stands between two tokens may matter: a line break, or that there is nothing."""
        if not self._script:
            glued = last.end_byte == node.start_byte and self._source[node.start_byte : node.start_byte + 1] in b"'\""
            return glued and self._source[last.end_byte - 1 : last.end_byte].isalnum()
        if last.end_point.row == node.start_point.row or node.type == "}":
            return False
        joins = self._open_end and self._source[node.start_byte] in _JOINS_LINES
        return joins or _text(last) in _ENDS_LINE or _text(node) in _BEGINS_LINE

    def _spelled(self, node: Node, text: str) -> str:
        if not self._script:
            return text.casefold() if node.type.startswith("keyword_") and text.isascii() else text
        if node.type == "string" and (plain := _PLAIN_STRING.fullmatch(text)):
            return f'"{plain.group(2)}"'
        return text

    def _skip(self, until: int) -> None:
        """Pass over the layout up to a byte; anything else there is not covered by the tree."""
        blank = _SPACES.match(self._source, self._at, until)
        if blank is None or blank.end() < until:
            raise _Unreadable


def _walk(root: Node) -> Iterator[tuple[Node, bool]]:
    """Yield every node when it begins, and every one that is no token again when it ends, without recursion."""
    cursor = root.walk()
    while True:
        node = cursor.node
        if node is None:
            return
        yield node, True
        if not _is_token(node) and cursor.goto_first_child():
            continue
        yield node, False
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            if cursor.node is not None:
                yield cursor.node, False


def _is_token(node: Node) -> bool:
    return node.child_count == 0 or node.type in _VERBATIM or node.type.startswith("keyword_") or node.type in _COMMENTS


def _ends_statement(node: Node) -> bool:
    """Tell whether a semicolon ends a statement or member, and neither separates a loop's header nor stands for nothing."""
    parent = node.parent
    if parent is None or parent.type in {"for_statement", "empty_statement"}:
        return False
    declares = parent.type in {"lexical_declaration", "variable_declaration"}
    return not (declares and parent.parent is not None and parent.parent.type == "for_statement")


def _is_a_word(node: Node) -> bool:
    """Tell whether a statement is a bare name or string: "Sorry" parses, but is no program."""
    if node.type in _COMMENTS:
        return True
    return node.type == "expression_statement" and all(
        child.type in {"identifier", "string", ";"} for child in node.children
    )


def _text(node: Node) -> str:
    return (node.text or b"").decode()
