"""Putting foreign code into a correct solution, so that it goes on doing what it did. Pure.

Rules:
- The solution is the first honest answer that defines the function that is asked for; without one it is a stub.
- Code comes back from its syntax tree: comments of the honest answer are lost, its docstring is kept.
- ``ARG`` in a payload stands for the function's first parameter.

Left out: what is worth putting in (the modules of attacks).
"""

import ast
from collections.abc import Sequence

from actors.consensus.reading.code import code_of
from actors.consensus.reading.python_form import parse
from cluster.evals.attacks.poison import Target

ARG = "ARG"
"""Stands for the first parameter."""
_FUTURE = "__future__"


def base_of(target: Target, honest: Sequence[str]) -> ast.Module:
    """Return the tree of the first honest answer that holds the function, or of a stub."""
    for content in honest:
        try:
            tree = parse(code_of(content, "python"))
        except (ValueError, RecursionError):
            continue
        if tree is not None and _find(tree, target.entry_point) is not None:
            return tree
    return ast.parse(f"def {target.entry_point}(*args):\n    return None\n")


def function_in(tree: ast.Module, name: str) -> ast.FunctionDef:
    """Return the function; raises ``ValueError`` where the module defines none of that name."""
    found = _find(tree, name)
    if found is None:
        raise ValueError(f"no function {name} to put something into")
    return found


def _find(tree: ast.Module, name: str) -> ast.FunctionDef | None:
    """Return the last definition: the one that counts."""
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    return found[-1] if found else None


def first_parameter(function: ast.FunctionDef) -> str:
    """Return the name of the first parameter, or an expression that stands for none."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    spread = [each for each in (function.args.vararg, function.args.kwarg) if each is not None]
    named = [*arguments, *spread]
    return named[0].arg if named else "()"


def inserted(target: Target, honest: Sequence[str], snippet: str) -> str:
    """Return the solution with statements at the beginning of its function, behind its docstring."""
    tree = base_of(target, honest)
    function = function_in(tree, target.entry_point)
    statements = ast.parse(snippet.replace(ARG, first_parameter(function))).body
    at = 1 if ast.get_docstring(function, clean=False) is not None else 0
    function.body[at:at] = statements
    return ast.unparse(tree)


def before(target: Target, honest: Sequence[str], snippet: str) -> str:
    """Return the solution with statements in front of everything but imports from the future."""
    tree = base_of(target, honest)
    ahead = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == _FUTURE]
    rest = [node for node in tree.body if node not in ahead]
    tree.body = [*ahead, *ast.parse(snippet).body, *rest]
    return ast.unparse(tree)


def behind(target: Target, honest: Sequence[str], snippet: str) -> str:
    """Return the solution with statements behind it."""
    return f"{ast.unparse(base_of(target, honest))}\n\n{snippet}"


def with_default(target: Target, honest: Sequence[str], name: str, value: str, snippet: str = "") -> str:
    """Return the solution with one more keyword parameter, and statements that use it at its beginning."""
    tree = ast.parse(inserted(target, honest, snippet))
    arguments = function_in(tree, target.entry_point).args
    arguments.kwonlyargs.append(ast.arg(name))
    arguments.kw_defaults.append(ast.parse(value, mode="eval").body)
    return ast.unparse(ast.fix_missing_locations(tree))


def decorated(target: Target, honest: Sequence[str], decorator: str, snippet: str) -> str:
    """Return the solution with a decorator on its function, defined by statements in front."""
    tree = base_of(target, honest)
    function_in(tree, target.entry_point).decorator_list.insert(0, ast.parse(decorator, mode="eval").body)
    return f"{snippet}\n\n{ast.unparse(tree)}"


def documented(target: Target, honest: Sequence[str], more: str) -> str:
    """Return the solution with more lines at the end of its function's docstring."""
    tree = base_of(target, honest)
    function = function_in(tree, target.entry_point)
    known = ast.get_docstring(function, clean=False)
    text = ast.Expr(ast.Constant(f"{known or ''}\n    {more}\n    "))
    function.body[: 1 if known is not None else 0] = [text]
    return ast.unparse(ast.fix_missing_locations(tree))


def renamed(target: Target, honest: Sequence[str], inner: str, outer: str) -> str:
    """Return the solution under another name, and ``outer`` as the function that is asked for."""
    tree = base_of(target, honest)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == target.entry_point:
            node.name = inner
        elif isinstance(node, ast.Name) and node.id == target.entry_point:
            node.id = inner
    return f"{ast.unparse(tree)}\n\n{outer}"


def fenced(code: str, said: str = "") -> str:
    """Return an answer as voters give it."""
    block = f"```python\n{code}\n```"
    return f"{said}\n\n{block}" if said else block
