"""Words of an answer that nothing compares: its comments, docstrings and the prose around its code.

Rules:
- What the question says itself is no word of the answer's own: voters copy signatures and docstrings.
- What stands in the compared code (names, literals) does not count either.
- An answer that is no Python has all its words compared, as they stand in its form.

Left out: what the words mean; screening looks for some that are known to deceive.
"""

import ast
import re

from actors.consensus.reading.python_form import parse

_WORD = re.compile(r"\w+")
_ALWAYS = frozenset({"python", "python3", "py"})
"""Labels of fences."""
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def words_beside(content: str, code: str, question: str) -> frozenset[str]:
    """Return the words of ``content`` that stand neither in what its Python ``code`` does nor in the question."""
    tree = parse(code)
    if tree is None:
        return frozenset()
    compared = ast.unparse(_undocumented(tree))
    return frozenset(_WORD.findall(content)) - _ALWAYS - set(_WORD.findall(compared)) - set(_WORD.findall(question))


def _undocumented(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body[0] = ast.Pass()
    return tree
