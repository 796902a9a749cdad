"""What a Python answer is made of, as sets that can be held against other answers'.

Rules:
- Elements of code: what it imports, the names it uses and does not bind itself, attributes, keywords, constants, the kinds of its
  statements and expressions, and names with meaning that it defines (``__eq__``). Names it chooses freely are none, nor are
  docstrings and annotations.
- A default, a decorator, and what stands at the top of the program beside definitions and imports are elements of their own:
  there the same call does something else than in a body.
- Words: what stands in comments, docstrings and prose around the code.
- What the question says is nobody's own: constants and words that stand in it do not count.

Left out: how elements are put together; and what they are worth (``own``).
"""

import ast
import re
from collections.abc import Iterator

from actors.consensus.reading.python_form import MAX_NODES, parse

_WORD = re.compile(r"\w+")
_FENCES = frozenset({"python", "python3", "py"})
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler)
_QUIET = (
    ast.Module, ast.expr_context, ast.arguments, ast.arg, ast.Name, ast.Constant, ast.Attribute, ast.keyword, ast.alias,
    ast.Load, ast.Store, ast.Pass, ast.FunctionDef, ast.Return, ast.Expr, ast.AnnAssign,
)  # fmt: skip
"""Kinds of nodes that say nothing, or are told by what they hold."""
_AT_TOP = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


def elements_of(code: str, question: str) -> frozenset[str]:
    """Return the elements of a program that the question does not name; of what is no Python, or too large, none."""
    tree = parse(code)
    if tree is None:
        return frozenset()
    _forget_words(tree)
    nodes = list(ast.walk(tree))
    if len(nodes) > MAX_NODES:
        return frozenset()
    bound = {name for node in nodes for name in _bound(node)}
    said = set(_WORD.findall(question))
    return frozenset(element for node in nodes for element in _of_node(node, bound, said)) | _of_places(tree)


def words_of(content: str, code: str, question: str) -> frozenset[str]:
    """Return the words of an answer that stand neither in what its ``code`` does nor in the question."""
    tree = parse(code)
    if tree is None:
        return frozenset()
    _forget_words(tree)
    return (
        frozenset(_WORD.findall(content))
        - _FENCES
        - set(_WORD.findall(ast.unparse(tree)))
        - set(_WORD.findall(question))
    )


def _forget_words(tree: ast.Module) -> None:
    """Take docstrings and annotations out of a tree."""
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body[0] = ast.Pass()
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, _NAMED) and node.name:
        yield node.name


def _of_node(node: ast.AST, bound: set[str], said: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Name) and node.id not in bound:
        yield f"name {node.id}"
    elif isinstance(node, ast.Attribute):
        yield f"attribute {node.attr}"
    elif isinstance(node, ast.keyword):
        yield f"keyword {node.arg}"
    elif isinstance(node, ast.alias):
        yield f"import {node.name}"
    elif isinstance(node, ast.ImportFrom):
        yield f"from {node.level} {node.module}"
    elif isinstance(node, ast.Constant):
        words = set(_WORD.findall(str(node.value)))
        if not words or not words <= said:
            yield f"constant {type(node.value).__name__} {node.value!r}"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("__"):
        yield f"defines {node.name}"
    if not isinstance(node, _QUIET):
        yield f"kind {type(node).__name__}"


def _of_places(tree: ast.Module) -> frozenset[str]:
    """Return the elements that are such for where they stand."""
    found = {f"top {type(node).__name__}" for node in tree.body if not isinstance(node, _AT_TOP)}
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTIONS):
            given = [*node.args.defaults, *(default for default in node.args.kw_defaults if default is not None)]
            found |= {f"default {type(each).__name__}" for each in given}
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found |= {f"decorator {type(each).__name__}" for each in node.decorator_list}
    return frozenset(found)
