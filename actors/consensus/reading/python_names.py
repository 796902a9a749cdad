"""Names in Python source that only the program itself can see, numbered in the order they occur.

Rules:
- Scopes are Python's: functions, lambdas and comprehensions see the functions around them, class bodies only by their own
  statements; ``global`` and ``nonlocal`` are followed.
- Variables of functions and comprehensions get numbers. So do functions inside functions that are never named but to be called
  and have no decorator; their parameters too, if no call of them passes one by name.
- Parameters of a lambda get numbers where a builtin calls it in order: ``key`` of ``sorted``, ``min``, ``max`` and ``sort``, the
  function of ``map`` and ``filter``.
- Everything else keeps its name: modules and classes and what they hold, parameters, imports, names with two underscores before
  them, and what a class body reads from the function around it.
- One name in two scopes gets two numbers, so no two variables can be taken for each other.

Left out: error messages, which may say a variable's name; programs that look into frames, which the caller leaves alone.
"""

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

_BY_POSITION = frozenset({"map", "filter"})
_BY_KEY = frozenset({"sorted", "min", "max"})
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a program's names before its scopes are."""

    bound: frozenset[str]
    """Names that the program binds somewhere."""
    shown: frozenset[str]
    """Names used otherwise than to be called."""
    passed_by_name: frozenset[str]
    """Names of functions that some call passes an argument by name, or unpacks a mapping for."""
    quoted: frozenset[str]
    """Words in strings that somebody may look names up by."""


@dataclass(eq=False, slots=True)
class _Scope:
    kind: Literal["module", "function", "class", "comprehension"]
    around: "_Scope | None"
    bound: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    """Bound names that must stay as they are."""
    outside: dict[str, str] = field(default_factory=dict)
    """Names declared ``global`` or ``nonlocal``."""


@dataclass(frozen=True, slots=True)
class Names:
    """Which names a program binds, and which it uses that are not its own."""

    outer: frozenset[str]
    """Used somewhere where no scope around binds them."""
    top: frozenset[str]
    """Bound by the module itself."""
    inner: frozenset[str]
    """Bound in a function, class or comprehension."""


def names_of(tree: ast.Module) -> Names:
    """Return the names of a program, by its scopes; the tree stays as it is."""
    nobody = frozenset[str]()
    scopes = _Scopes(Known(nobody, nobody, nobody, nobody))
    scopes.visit(tree)
    return scopes.names()


def number_names(tree: ast.Module, known: Known) -> None:
    """Replace the names in a tree that only its program can see by numbers, in place."""
    scopes = _Scopes(known)
    scopes.visit(tree)
    scopes.number()


class _Scopes(ast.NodeVisitor):
    """Finds the scope of every name."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._scope = _Scope("module", None)
        self._made: list[_Scope] = []
        self._uses: list[tuple[_Scope, str, Callable[[str], None]]] = []

    def number(self) -> None:
        """Give every name that may change its number."""
        resolved = [(_owner(scope, name), name, scope, rename) for scope, name, rename in self._uses]
        for owner, name, scope, _ in resolved:
            if owner is not None and owner is not scope and scope.kind == "class":
                owner.kept.add(name)
        numbers: dict[tuple[int, str], str] = {}
        for owner, name, _, rename in resolved:
            if owner is not None and self._may_change(owner, name):
                rename(numbers.setdefault((id(owner), name), str(len(numbers))))

    def names(self) -> Names:
        """Return what was found, once all is visited."""
        outer = {name for scope, name, _ in self._uses if _owner(scope, name) is None}
        inner = {name for scope in self._made for name in scope.bound}
        return Names(frozenset(outer), frozenset(self._scope.bound), frozenset(inner))

    def _may_change(self, owner: _Scope, name: str) -> bool:
        private = owner.kind in {"function", "comprehension"} and name not in owner.kept
        return private and not name.startswith("__") and name not in self._known.quoted

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._scope.bound.add(node.id)
        self._use(node, "id")

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        inside, around = self._scope, self._scope
        while around.kind == "comprehension" and around.around is not None:
            around = around.around
        self._scope = around
        self.visit(node.target)
        self._scope = inside
        self.visit(node.value)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self._binds(node, "name")
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self._binds(node, "name")
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        self._binds(node, "name")

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self._binds(node, "rest")
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            self._keeps((alias.asname or alias.name).partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.visit_Import(node)

    def visit_Global(self, node: ast.Global) -> None:
        self._scope.outside.update(dict.fromkeys(node.names, "global"))

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self._scope.outside.update(dict.fromkeys(node.names, "nonlocal"))
        for place, name in enumerate(node.names):
            self._uses.append((self._scope, name, lambda new, place=place: node.names.__setitem__(place, new)))  # type: ignore[misc]

    def visit_FunctionDef(self, node: _Function) -> None:
        own = self._scope.kind == "function" and not node.decorator_list and node.name not in self._known.shown
        self._binds(node, "name")
        if not own:
            self._keeps(node.name)
        self._all([*node.decorator_list, *_outer_parts(node.args), node.returns])
        self._call(node.args, node.body, changing=own and node.name not in self._known.passed_by_name)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda, *, changing: bool = False) -> None:
        self._all(_outer_parts(node.args))
        self._call(node.args, [node.body], changing=changing)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        name = function.id if isinstance(function, ast.Name) else ""
        builtin = name not in self._known.bound
        sorts = isinstance(function, ast.Attribute) and function.attr == "sort" and "sort" not in self._known.bound
        self.visit(function)
        for place, argument in enumerate(node.args):
            self._argument(argument, changing=place == 0 and builtin and name in _BY_POSITION)
        for keyword in node.keywords:
            by_key = keyword.arg == "key" and ((builtin and name in _BY_KEY) or sorts)
            self._argument(keyword.value, changing=by_key)

    def _argument(self, node: ast.expr, *, changing: bool) -> None:
        if isinstance(node, ast.Lambda):
            self.visit_Lambda(node, changing=changing)
        else:
            self.visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._keeps(node.name)
        self._all([*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)])
        self._inside("class", node.body)

    def visit_ListComp(self, node: _Comprehension) -> None:
        first = node.generators[0]
        self.visit(first.iter)
        around = self._enter("comprehension")
        for generator in node.generators:
            self.visit(generator.target)
            self._all([] if generator is first else [generator.iter])
            self._all(generator.ifs)
        self._all([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self._scope = around

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self.visit_ListComp(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self.visit_ListComp(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self.visit_ListComp(node)

    def _call(self, arguments: ast.arguments, body: Iterable[ast.AST], *, changing: bool) -> None:
        """Visit what happens when a function is called."""
        around = self._enter("function")
        for argument in all_arguments(arguments):
            self._binds(argument, "arg")
            if not changing:
                self._keeps(argument.arg)
        self._all(body)
        self._scope = around

    def _inside(self, kind: Literal["class"], body: Iterable[ast.AST]) -> None:
        around = self._enter(kind)
        self._all(body)
        self._scope = around

    def _enter(self, kind: Literal["function", "class", "comprehension"]) -> _Scope:
        """Begin a scope and return the one around it."""
        around, self._scope = self._scope, _Scope(kind, self._scope)
        self._made.append(self._scope)
        return around

    def _all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    def _binds(self, node: ast.AST, where: str) -> None:
        name = getattr(node, where)
        if name is not None:
            self._scope.bound.add(name)
            self._use(node, where)

    def _keeps(self, name: str) -> None:
        self._scope.bound.add(name)
        self._scope.kept.add(name)

    def _use(self, node: ast.AST, where: str) -> None:
        self._uses.append((self._scope, getattr(node, where), lambda new: setattr(node, where, new)))


def all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    """Return every parameter of a function."""
    starred = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *starred]


def _outer_parts(arguments: ast.arguments) -> list[ast.expr | None]:
    """Return the parts of a parameter list that are evaluated outside the function: defaults and annotations."""
    annotations = [argument.annotation for argument in all_arguments(arguments)]
    return [*arguments.defaults, *arguments.kw_defaults, *annotations]


def _owner(scope: _Scope, name: str) -> _Scope | None:
    """Return the scope that a name belongs to, ``None`` if that is no scope of functions: it is global, builtin or unbound."""
    here: _Scope | None = scope
    while here is not None:
        declared = here.outside.get(name, "")
        if declared == "global":
            return None
        if name in here.bound and not declared and (here is scope or here.kind != "class"):
            return here
        here = here.around
    return None
