"""Code in an answer, and its syntactic normal form.

Rules:
- Without a fence the code is the whole answer, but for blank lines and lines that can only be prose before and behind it; any
  other line that does not parse makes the answer unreadable, for it would be served without having been compared.
- With fences the code is every block of the language or without a label, joined in order. Blocks with another label are no code
  of the answer, but they are served: they stand in the form as they are, at their place.
- Other languages keep every character inside a block: blanks and blank lines may mean something.

Left out: prose around fences and comments inside Python, which are served uncompared; renaming of locals; behaviour on inputs.
"""

import ast

from actors.consensus.reading.fences import Block, blocks, is_prose
from actors.consensus.reading.python_form import normal_tree, parse

MAX_PROSE_LINES = 40
_PYTHON = "python"
_LABELS = {
    "python": {"python3", "py"}, "javascript": {"js", "jsx", "node"}, "typescript": {"ts", "tsx"}, "go": {"golang"},
    "bash": {"sh", "shell", "zsh"}, "cpp": {"c++", "cc", "cxx"}, "csharp": {"c#", "cs"}, "ruby": {"rb"}, "rust": {"rs"},
    "kotlin": {"kt"},
}  # fmt: skip


def normal_python(content: str) -> str:
    """Return the normal form of the Python code in an answer and of every other block beside it, or an empty string.

    Raises ``ValueError`` or ``RecursionError`` for code that parses but holds what cannot be written down.
    """
    found = blocks(content)
    _, tree = _python(content, found)
    if tree is None or not tree.body:
        return ""
    return "\n".join([normal_tree(tree), *_foreign(found, _PYTHON)])


def normal_source(content: str, language: str) -> str:
    """Return the blocks of an answer in ``language``, exactly, and every other block beside them; or an empty string."""
    found = blocks(content)
    own = "".join(block.code for block in found if _is_of(block, language)).strip("\n")
    return "\n".join([str(len(own)), own, *_foreign(found, language)]) if own.strip() else ""


def _is_of(block: Block, language: str) -> bool:
    return block.label in {"", language} or block.label in _LABELS.get(language, ())


def _foreign(found: list[Block], language: str) -> list[str]:
    """Return the blocks of other languages, each with the number of blocks before it and its length: no block can mimic two."""
    foreign = [(place, block) for place, block in enumerate(found) if not _is_of(block, language)]
    return [f"{place} {block.label} {len(block.code)}\n{block.code}" for place, block in foreign]


def _python(content: str, found: list[Block]) -> tuple[str, ast.Module | None]:
    if found:
        code = "\n".join(block.code for block in found if _is_of(block, _PYTHON))
        return code, parse(code)
    tree = parse(content)
    code = content if tree is not None else _without_prose(content)
    tree = tree or parse(code)
    return code, tree if tree is not None and not all(map(_is_a_word, tree.body)) else None


def _without_prose(content: str) -> str:
    """Take the prose before and behind the code away; the code parses, and no prose line does."""
    lines = content.splitlines()
    begin, end = 0, len(lines)
    while begin < end and begin < MAX_PROSE_LINES and _is_cut(lines[begin]):
        begin += 1
    while begin < end and len(lines) - end < MAX_PROSE_LINES and _is_cut(lines[end - 1]):
        end -= 1
    return "\n".join(lines[begin:end])


def _is_cut(line: str) -> bool:
    return not line.strip() or (is_prose(line) and parse(line) is None)


def _is_a_word(statement: ast.stmt) -> bool:
    """Tell whether a statement is a bare name or constant: "Sorry" parses, but is no program."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Name | ast.Constant)


def code_of(content: str, language: str) -> str:
    """TEMPORARY."""
    found = blocks(content)
    if language == _PYTHON:
        return _python(content, found)[0]
    return "".join(block.code for block in found if _is_of(block, language)) or content
