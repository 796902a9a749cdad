"""The normal form of Python source: its syntax tree without what cannot change what the program does.

Rules:
- Positions, layout and comments go (the tree has none).
- Annotations of parameters and results, and docstrings, go only in *plain* functions: no decorator but those of classes' own
  (``staticmethod``, ``classmethod``, ``property``), in the module, a function or a class without bases and decorators, and never
  named but to be called, so that nobody can look at them. Docstrings of plain classes and of the module go too.
- An annotation that would do something when it is evaluated (a call, a name that nothing binds) stays.
- Annotations of variables go inside functions, where Python does not evaluate them; those of modules and classes stay.
- A program that looks into itself (``__doc__``, ``inspect``, ``globals``, ``eval``, ...) keeps everything.

Left out: everything that takes more than syntax to know.
"""

import ast
import builtins
import warnings
from dataclasses import dataclass

MAX_CODE_CHARS = 65_536
MAX_NODES = 20_000  # code has a node in five characters; a table of digits has one in two, and takes as much longer
_INTROSPECTIVE = frozenset(
    "__doc__ __annotations__ __dict__ __signature__ __code__ __import__ annotationlib ast compile dir docopt doctest eval exec"
    " get_annotations get_type_hints getattr getdoc getfullargspec globals help importlib inspect locals modules pydoc signature"
    " unittest vars".split()
)
_PLAIN_DECORATORS = frozenset({"staticmethod", "classmethod", "property"})
_SUBSCRIPTABLE = frozenset({"list", "dict", "tuple", "set", "frozenset", "type"})
_BUILTINS = frozenset(dir(builtins))
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def parse(code: str) -> ast.Module | None:
    """Return the syntax tree of a source, or ``None`` if it has none or is longer than ``MAX_CODE_CHARS``."""
    if len(code) > MAX_CODE_CHARS or not code.strip():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes warn; the answer is not ours to mend
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None


def normal_tree(tree: ast.Module) -> str:
    """Return the normal form of a tree, which is used up; raise ``ValueError`` if it has more than ``MAX_NODES`` nodes."""
    names = _names(tree)
    if names.looks_at_itself:
        return ast.dump(tree, annotate_fields=False)
    return ast.dump(_Normal(names).visit(tree), annotate_fields=False)


@dataclass(frozen=True, slots=True)
class _Names:
    """How a program uses its names."""

    bound: frozenset[str]
    """Imported, defined or assigned somewhere."""
    shown: frozenset[str]
    """Named otherwise than to be called: whoever holds them may look at annotations and docstrings."""
    looks_at_itself: bool
    """Whether something is named that looks at what a program is made of."""


def _names(tree: ast.Module) -> _Names:
    quiet: set[int] = set()  # names that show nothing of what they name: called, or part of an annotation
    bound, shown, looked_up = set[str](), set[str](), set[str]()
    for number, node in enumerate(ast.walk(tree)):  # parents come before their children
        if number >= MAX_NODES:
            raise ValueError(f"more than {MAX_NODES} nodes")
        if isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            looked_up.add(name)
            if id(node) not in quiet:
                (bound if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else shown).add(name)
        elif isinstance(node, ast.Call):
            quiet.add(id(node.func))
        elif isinstance(node, ast.arg | ast.AnnAssign):
            quiet.update(_ids(node.annotation))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
            quiet.update(_ids(getattr(node, "returns", None)))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
            modules = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            looked_up.update(part for module in modules for part in module.split("."))
    looks = "*" in bound or not _INTROSPECTIVE.isdisjoint(looked_up)  # whatever a star brings may look
    return _Names(frozenset(bound), frozenset(shown), looks)


def _ids(annotation: ast.expr | None) -> list[int]:
    return [id(node) for node in ast.walk(annotation)] if annotation is not None else []


class _Normal(ast.NodeTransformer):
    """Drops what does not change what a program does."""

    def __init__(self, names: _Names) -> None:
        self._names = names
        self._plain_scope = True  # whether nobody looks into what is defined here
        self._in_function = False

    def visit_Module(self, node: ast.Module) -> ast.AST:
        node.body = _without_docstring(node.body)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        plain = not (node.decorator_list or node.bases or node.keywords) and node.name not in self._names.shown
        if plain and self._plain_scope:
            node.body = _without_docstring(node.body)
        return self._inside(node, plain=plain and self._plain_scope, in_function=False)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return self._inside(node, plain=self._plain_scope, in_function=True)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None or not self._in_function:
            return self.generic_visit(node)
        return ast.Assign(targets=[self.visit(node.target)], value=self.visit(node.value), type_comment=None)

    def _function(self, node: _Function) -> ast.AST:
        if self._is_plain(node):
            node.body = _without_docstring(node.body)
            node.returns = self._needed(node.returns)
            for argument in _arguments(node.args):
                argument.annotation = self._needed(argument.annotation)
        return self._inside(node, plain=True, in_function=True)

    def _inside(self, node: ast.AST, *, plain: bool, in_function: bool) -> ast.AST:
        outside = self._plain_scope, self._in_function
        self._plain_scope, self._in_function = plain, in_function
        seen = self.generic_visit(node)
        self._plain_scope, self._in_function = outside
        return seen

    def _is_plain(self, node: _Function) -> bool:
        own = all(isinstance(item, ast.Name) and item.id in _PLAIN_DECORATORS for item in node.decorator_list)
        return self._plain_scope and own and node.name not in self._names.shown

    def _needed(self, annotation: ast.expr | None) -> ast.expr | None:
        """Return an annotation only if evaluating it may do something."""
        return annotation if annotation is None or not self._is_idle(annotation) else None

    def _is_idle(self, annotation: ast.expr) -> bool:
        parts: list[ast.expr] = []
        match annotation:
            case ast.Constant():
                return True
            case ast.Name():
                return annotation.id in self._names.bound or annotation.id in _BUILTINS
            case ast.Attribute():
                parts = [annotation.value]
            case ast.Tuple() | ast.List():
                parts = annotation.elts
            case ast.BinOp(op=ast.BitOr()) if not (_is_text(annotation.left) or _is_text(annotation.right)):
                parts = [annotation.left, annotation.right]
            case ast.Subscript() if _is_generic(annotation.value):
                parts = [annotation.value, annotation.slice]
            case _:
                return False
        return all(map(self._is_idle, parts))


def _is_generic(value: ast.expr) -> bool:
    """Tell whether ``value[...]`` may be a type: no builtin but a few takes parameters."""
    return not isinstance(value, ast.Name) or value.id in _SUBSCRIPTABLE or value.id not in _BUILTINS


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    starred = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *starred]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and _is_text(first.value):
        return body[1:] or [ast.Pass()]
    return body
