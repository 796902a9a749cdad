"""A Python source as the rules look at it: its nodes, and what names stand for.

Rules:
- A dotted name is written with the module it was imported from: ``run`` after ``from subprocess import run`` is
  ``subprocess.run``. ``()`` stands for a call and ``[]`` for a subscript: ``hashlib.md5().hexdigest``.
- A name that is assigned once, from a call or a constant, stands for it; assigned twice, for itself.
- Roundabout ways are written straight: ``getattr(os, "system")``, ``__import__("os").system`` and
  ``importlib.import_module("os").system`` are ``os.system``.
- Constant strings are folded: ``"ev" + "al"`` is ``"eval"``.

Left out: scopes. Names are looked at module-wide, which is enough for code as short as an answer.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

MAX_NAME_CHARS = 200
MAX_DEPTH = 40  # levels of a dotted name or a folded constant
Function = ast.FunctionDef | ast.AsyncFunctionDef
Constant = str | bytes | int | float | complex | bool | None
_UNKNOWN = object()
_IMPORTERS = frozenset({"__import__", "importlib.import_module", "importlib.__import__"})


@dataclass(frozen=True, slots=True)
class Source:
    """One parsed source and its indices."""

    tree: ast.Module
    nodes: tuple[ast.AST, ...]
    """Every node, breadth first."""
    parents: dict[int, ast.AST]
    """``id`` of a node → the node around it."""
    names: dict[str, str]
    """Name → dotted name it stands for."""
    modules: dict[str, str]
    """Name → dotted name, of imports alone."""
    bound: dict[str, ast.expr]
    """Name assigned once → the expression."""
    constants: dict[str, Constant]
    """Name assigned once → its constant."""
    imported: frozenset[str]
    """First parts of every module imported."""
    functions: dict[str, Function]
    """Functions and methods by bare name; the last of a name counts."""

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Yield every call with the dotted name of what is called."""
        for node in self.nodes:
            if isinstance(node, ast.Call):
                yield node, self.dotted(node.func)

    def dotted(self, node: ast.AST, depth: int = 0) -> str:  # noqa: PLR0911 - one a kind of syntax
        """Return the dotted name of an expression, empty if it has none."""
        if depth > MAX_DEPTH:
            return ""
        match node:
            case ast.Name(id=name):
                return self.names.get(name, name)
            case ast.Attribute(value=value, attr=attr):
                base = self.dotted(value, depth + 1)
                return attr if base in {"builtins", "__builtins__"} else f"{base}.{attr}"
            case ast.Call(func=func):
                return self._called(node, self.dotted(func, depth + 1), depth)
            case ast.Subscript(value=value, slice=index):
                return self._indexed(self.dotted(value, depth + 1), self.constant(index))
            case ast.Await(value=value):
                return self.dotted(value, depth + 1)
        return ""

    def plain(self, node: ast.AST, depth: int = 0) -> str:
        """Return the dotted name as it is written, looking through imports alone."""
        match node:
            case ast.Name(id=name):
                return self.modules.get(name, name)
            case ast.Attribute(value=value, attr=attr) if depth < MAX_DEPTH:
                return f"{self.plain(value, depth + 1)}.{attr}"
            case ast.Call(func=func) if depth < MAX_DEPTH:
                return f"{self.plain(func, depth + 1)}()"
            case ast.Subscript(value=value) if depth < MAX_DEPTH:
                return f"{self.plain(value, depth + 1)}[]"
            case ast.Await(value=value) if depth < MAX_DEPTH:
                return self.plain(value, depth + 1)
        return ""

    def constant(self, node: ast.AST | None, depth: int = 0) -> Constant:
        """Return the constant an expression stands for, ``None`` if it stands for none (or for ``None``)."""
        found = self._folded(node, depth)
        return None if found is _UNKNOWN else cast("Constant", found)

    def is_constant(self, node: ast.AST | None) -> bool:
        """Tell whether an expression is the same in every run: constants, and containers and sums of them."""
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return all(self.is_constant(item) for item in node.elts)
        return self._folded(node, 0) is not _UNKNOWN

    def argument(self, call: ast.Call, position: int, *keywords: str) -> ast.expr | None:
        """Return an argument by position or by one of its keywords; a negative position is keyword only."""
        for keyword in call.keywords:
            if keyword.arg in keywords:
                return keyword.value
        if 0 <= position < len(call.args) and not any(isinstance(a, ast.Starred) for a in call.args[: position + 1]):
            return call.args[position]
        return None

    def keyword_is(self, call: ast.Call, name: str, value: Constant) -> bool:
        """Tell whether a keyword is given as exactly this constant."""
        return any(
            k.arg == name and self.is_constant(k.value) and self.constant(k.value) is value for k in call.keywords
        )

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what a node stands in, from the inside out."""
        while (parent := self.parents.get(id(node))) is not None:
            yield parent
            node = parent

    def function_of(self, node: ast.AST) -> Function | None:
        """Return the innermost function a node stands in."""
        return next((n for n in self.around(node) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)), None)

    def _called(self, node: ast.Call, name: str, depth: int) -> str:
        first = self.constant(node.args[0], depth + 1) if node.args else None
        if name in _IMPORTERS and isinstance(first, str):
            return first
        if name == "getattr" and len(node.args) >= 2:
            attribute = self.constant(node.args[1], depth + 1)
            base = self.dotted(node.args[0], depth + 1)
            if isinstance(attribute, str):
                return attribute if base in {"builtins", "__builtins__"} else f"{base}.{attribute}"
        return f"{name}()" if name else ""

    def _indexed(self, base: str, index: Constant) -> str:
        if isinstance(index, str):
            if base in {"__builtins__", "__builtins__.__dict__", "builtins.__dict__", "__dict__"}:
                return index
            if base in {"globals()", "locals()", "vars()"}:
                return self.names.get(index, index)
            if base == "sys.modules":
                return index
        return f"{base}[]" if base else ""

    def _folded(self, node: ast.AST | None, depth: int) -> object:  # noqa: PLR0911 - one a kind of syntax
        if depth > MAX_DEPTH:
            return _UNKNOWN
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name) if name in self.constants:
                return self.constants[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                number = self._folded(operand, depth + 1)
                return -number if isinstance(number, int | float) else _UNKNOWN
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return _sum(self._folded(left, depth + 1), self._folded(right, depth + 1))
            case ast.JoinedStr(values=values):
                return self._joined(values, depth)
        return _UNKNOWN

    def _joined(self, values: list[ast.expr], depth: int) -> object:
        total: object = ""
        for value in values:
            total = _sum(total, self._folded(value, depth + 1))
        return total


def build(tree: ast.Module, nodes: tuple[ast.AST, ...]) -> Source:
    """Index a tree; ``nodes`` are all of its nodes."""
    parents = {id(child): node for node in nodes for child in ast.iter_child_nodes(node)}
    functions = {n.name: n for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
    names, imported = _imports(nodes)
    bound = _single_bindings(nodes)
    constants = {n: v.value for n, v in bound.items() if isinstance(v, ast.Constant) and v.value is not ...}
    modules = dict(names)
    draft = Source(tree, nodes, parents, names, modules, bound, constants, frozenset(imported), functions)
    for name, value in bound.items():
        if (
            name not in names
            and isinstance(value, ast.Call | ast.Attribute | ast.Name)
            and (full := draft.dotted(value))
        ):
            names[name] = full[:MAX_NAME_CHARS]
    return draft


def _imports(nodes: tuple[ast.AST, ...]) -> tuple[dict[str, str], set[str]]:
    names: dict[str, str] = {}
    imported: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                imported.add(alias.name.split(".")[0])
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            imported.add(node.module.split(".")[0])
            names.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names if a.name != "*"})
    return names, imported


def _single_bindings(nodes: tuple[ast.AST, ...]) -> dict[str, ast.expr]:
    """Return names bound once in the whole module, with what they are bound to."""
    found: dict[str, ast.expr] = {}
    often: set[str] = set()
    for name, value in _bindings(nodes):
        if name in found or value is None:
            often.add(name)
        if value is not None:
            found[name] = value
    return {name: value for name, value in found.items() if name not in often}


def _bindings(nodes: tuple[ast.AST, ...]) -> Iterator[tuple[str, ast.expr | None]]:
    for node in nodes:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    yield from _target(target, value)
            case ast.AnnAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value):
                yield from _target(target, value)
            case ast.AugAssign(target=target) | ast.For(target=target) | ast.AsyncFor(target=target):
                yield from _target(target, None)
            case ast.comprehension(target=target):
                yield from _target(target, None)
            case ast.withitem(context_expr=value, optional_vars=ast.Name(id=name)):
                yield name, value
            case ast.arg(arg=name):
                yield name, None


def _target(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, ast.expr | None]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    else:
        for node in ast.walk(target):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id, None


def _sum(left: object, right: object) -> object:
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, bytes) and isinstance(right, bytes):
        return left + right
    return _UNKNOWN
