"""Code in an answer, and its syntactic normal form.

Rules:
- Without a fence the code is the whole answer, but for blank lines and lines that can only be prose before and behind it; any
  other line that does not parse makes the answer unreadable, for it would be served without having been compared. SQL, whose
  statements read like prose, loses no line, and a language that is not parsed here needs a fence.
- With fences the code is every block of the language or without a label, joined in order; if that does not parse, blocks
  without a label are taken for something else, such as output. Blocks that are no code of the answer are served with it: they
  stand in the form as they are, at their place.
- A block whose closing fence is missing may be cut off. It is read only where the language is parsed here, and parses.
- Python has a form by its syntax, JavaScript, TypeScript and SQL by their tokens; other languages keep every character inside a
  block: blanks and blank lines may mean something.

Left out: prose around fences and comments inside code, which are served uncompared; behaviour on inputs.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass

from actors.consensus.reading.fences import Block, blocks, is_prose
from actors.consensus.reading.python_form import normal_tree, parse
from actors.consensus.reading.tree_form import has_grammar, normal_tokens

MAX_PROSE_LINES = 40
PYTHON = "python"
LABELS = {
    "python": {"python3", "py"}, "javascript": {"js", "jsx", "node", "mjs", "cjs"}, "typescript": {"ts", "tsx"}, "go": {"golang"},
    "sql": {"postgresql", "postgres", "mysql", "sqlite", "plsql", "tsql"}, "bash": {"sh", "shell", "zsh"},
    "cpp": {"c++", "cc", "cxx"}, "csharp": {"c#", "cs"}, "ruby": {"rb"}, "rust": {"rs"}, "kotlin": {"kt"},
}  # fmt: skip
"""Language → the other labels that blocks of it carry."""
PYTHON_LABELS = frozenset({PYTHON, *LABELS[PYTHON], "py3", "pycon", "ipython", "python2", "doctest"})
"""What a block may claim to be that claims to be Python, transcripts and old Python included."""


@dataclass(frozen=True, slots=True)
class Code:
    """The code of an answer."""

    code: str
    """What would be run or screened; empty if the answer has no code that can be read."""
    form: str = ""
    """The normal form of that code alone."""
    foreign: tuple[str, ...] = ()
    """The other blocks, as they stand in the form of the answer."""
    beside: tuple[Block, ...] = ()
    """The other blocks."""


def code_of(content: str, language: str) -> str:
    """Return exactly the code of an answer that is compared, run and screened, or an empty string if it has none to be read.

    It is the joined blocks of the language, or the answer without the prose around its code. Raises as ``look_for_code`` does.
    """
    return look_for_code(content, language).code


def python_program(content: str) -> str:
    """Return the Python of a text without fences, prose around it taken away; empty if it is none or only words."""
    return _program(content)[0]


def normal_code(found: Code) -> str:
    """Return the normal form of the code in an answer and of every other block beside it, or an empty string."""
    return "\n".join([found.form, *found.foreign]) if found.form else ""


def look_for_code(content: str, language: str) -> Code:
    """Return the code of an answer and its form; raise ``ValueError`` or ``RecursionError`` for what cannot be written down."""
    fenced = blocks(content)
    if not fenced:
        return _unfenced(content, language)
    own = [is_of(block, language) for block in fenced]
    found = _joined(fenced, own, language)
    labelled = [is_own and bool(block.label) for block, is_own in zip(fenced, own, strict=True)]
    return _joined(fenced, labelled, language) if not found.form and any(labelled) and labelled != own else found


def is_of(block: Block, language: str) -> bool:
    """Tell whether a block may be of a language: it says so, or nothing."""
    return block.label in {"", language} or block.label in LABELS.get(language, ())


def _joined(fenced: list[Block], own: list[bool], language: str) -> Code:
    """Read the blocks marked as the answer's own; each other one is told by the number of blocks before it and its length."""
    chosen = [block for block, is_own in zip(fenced, own, strict=True) if is_own]
    if not _is_parsed(language) and not all(block.closed for block in fenced):
        return Code("")
    code = ("\n" if _is_parsed(language) else "").join(block.code for block in chosen)
    form = _form(code, language)
    others = [(place, block) for place, (block, is_own) in enumerate(zip(fenced, own, strict=True)) if not is_own]
    foreign = tuple(f"{place} {block.label} {len(block.code)}\n{block.code}" for place, block in others)
    return Code(code if form else "", form, foreign, tuple(block for _, block in others))


def _is_parsed(language: str) -> bool:
    return language == PYTHON or has_grammar(language)


def _form(code: str, language: str) -> str:
    if language == PYTHON:
        tree = parse(code)
        return normal_tree(tree) if tree is not None and tree.body else ""
    if has_grammar(language):
        return normal_tokens(code, language)
    own = code.strip("\n")
    return f"{len(own)}\n{own}" if own.strip() else ""


def _unfenced(content: str, language: str) -> Code:
    if language == PYTHON:
        return _unfenced_python(content)
    if not has_grammar(language):
        return Code("")
    form = normal_tokens(content, language)
    if form or language == "sql":
        return Code(content if form else "", form)
    code = _without_prose(content, lambda line: not normal_tokens(line, language))
    form = normal_tokens(code, language) if len(code) < len(content) else ""
    return Code(code if form else "", form)


def _unfenced_python(content: str) -> Code:
    code, tree = _program(content)
    return Code(code, normal_tree(tree)) if tree is not None else Code("")


def _program(content: str) -> tuple[str, ast.Module | None]:
    tree = parse(content)
    code = content if tree is not None else _without_prose(content, lambda line: parse(line) is None)
    tree = tree or parse(code)
    return ("", None) if tree is None or all(map(_is_a_word, tree.body)) else (code, tree)


def _without_prose(content: str, is_broken: Callable[[str], bool]) -> str:
    """Take the prose before and behind the code away; the code parses, and no prose line does."""
    lines = content.splitlines()
    begin, end = 0, len(lines)
    while begin < end and begin < MAX_PROSE_LINES and _is_cut(lines[begin], is_broken):
        begin += 1
    while begin < end and len(lines) - end < MAX_PROSE_LINES and _is_cut(lines[end - 1], is_broken):
        end -= 1
    return "\n".join(lines[begin:end])


def _is_cut(line: str, is_broken: Callable[[str], bool]) -> bool:
    return not line.strip() or (is_prose(line) and is_broken(line))


def _is_a_word(statement: ast.stmt) -> bool:
    """Tell whether a statement is a bare name or constant: "Sorry" parses, but is no program."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Name | ast.Constant)
