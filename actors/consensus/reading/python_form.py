"""The normal form of Python source: its syntax tree without what cannot change what the program does.

Rules:
- Positions, layout and comments go (the tree has none).
- Annotations of parameters and results, and docstrings, go only in *plain* functions: no decorator but those of classes' own
  (``staticmethod``, ``classmethod``, ``property``), in the module, a function or a class without bases and decorators, and never
  named but to be called, so that nobody can look at them. Docstrings of plain classes and of the module go too.
- An annotation that would do something when it is evaluated (a call, a name that nothing binds) stays.
- Annotations of variables go inside functions, where Python does not evaluate them; those of modules and classes stay.
- Statements that do nothing go (``pass``, constants), and so does what a function does at its end anyway (``return None``).
- Equal literals are one, however they are written; a format string without fields is a string.
- Names that only the program can see get numbers (``python_names``); imports that do nothing are sorted (``python_imports``).
- A program that looks into itself (``__doc__``, ``inspect``, ``globals``, ``eval``, ...) keeps everything.

Left out: everything that takes more than syntax to know; what error messages and tracebacks say.
"""

import ast
import builtins
import re
import warnings
from dataclasses import dataclass

from actors.base.python_source import parse_program
from actors.consensus.reading.python_imports import QUIET_MODULES, sorted_imports, without_unused_types
from actors.consensus.reading.python_names import Known, all_arguments, number_names

MAX_CODE_CHARS = 65_536
MAX_NODES = 20_000  # code has a node in five characters; a table of digits has one in two, and takes as much longer
_INTROSPECTIVE = frozenset(
    "__annotations__ __closure__ __code__ __dict__ __doc__ __import__ __qualname__ __signature__ _current_frames _getframe "
    "annotationlib ast breakpoint compile cr_frame dir docopt doctest eval exec f_back f_locals get_annotations "
    "get_type_hints getattr getdoc getfullargspec gi_frame globals help importlib inspect linecache locals modules pdb "
    "pydoc setprofile settrace signature tb_frame timeit traceback unittest vars".split()
)
_PLAIN_DECORATORS = frozenset({"staticmethod", "classmethod", "property"})
_SUBSCRIPTABLE = frozenset({"list", "dict", "tuple", "set", "frozenset", "type"})
_WORD = re.compile(r"[^\W\d]\w*")
_BUILTINS = frozenset(dir(builtins))
_HAVE_BODIES = (ast.stmt, ast.ExceptHandler, ast.match_case, ast.Module)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def parse(code: str) -> ast.Module | None:
    """Return the syntax tree of a source, or ``None`` if it has none or is longer than ``MAX_CODE_CHARS``."""
    if len(code) > MAX_CODE_CHARS or not code.strip():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes warn; the answer is not ours to mend
            return parse_program(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None


def normal_tree(tree: ast.Module) -> str:
    """Return the normal form of a tree, which is used up; raise ``ValueError`` if it has more than ``MAX_NODES`` nodes."""
    names = _names(tree)
    if names.looks_at_itself:
        return ast.dump(tree, annotate_fields=False)
    normal = _Normal(names).visit(tree)
    number_names(normal, names.known)
    return ast.dump(normal, annotate_fields=False)


@dataclass(frozen=True, slots=True)
class _Names:
    """How a program uses its names."""

    bound: frozenset[str]
    """Imported, defined or assigned somewhere."""
    known: Known
    """What they are used for."""
    looks_at_itself: bool
    """Whether something is named that looks at what a program is made of."""


def _names(tree: ast.Module) -> _Names:
    seen = _Seen()
    for number, node in enumerate(ast.walk(tree)):  # parents come before their children
        if number >= MAX_NODES:
            raise ValueError(f"more than {MAX_NODES} nodes")
        seen.add(node)
    looks = "*" in seen.bound or not _INTROSPECTIVE.isdisjoint(seen.looked_up)  # whatever a star brings may look
    quoted = frozenset() if seen.modules <= QUIET_MODULES | {"sys"} else frozenset(_WORD.findall(" ".join(seen.texts)))
    known = Known(
        frozenset(seen.bound | seen.parameters), frozenset(seen.shown), frozenset(seen.passed_by_name), quoted
    )
    return _Names(frozenset(seen.bound), known, looks or seen.has_type_parameters)


class _Seen:
    """What the nodes of a tree say about names."""

    def __init__(self) -> None:
        self.bound, self.shown, self.looked_up, self.modules = set[str](), set[str](), set[str](), set[str]()
        self.passed_by_name, self.parameters = set[str](), set[str]()
        self.texts: list[str] = []
        self.has_type_parameters = False  # which have scopes of their own
        self._quiet = set[int]()  # names that show nothing of what they name: called, or part of an annotation

    def add(self, node: ast.AST) -> None:
        """Take one node into account."""
        self.has_type_parameters = self.has_type_parameters or bool(getattr(node, "type_params", None))
        match node:
            case ast.Name() | ast.Attribute():
                self._add_name(node)
            case ast.Call():
                self._quiet.add(id(node.func))
                if node.keywords and isinstance(node.func, ast.Name):
                    self.passed_by_name.add(node.func.id)
            case ast.arg():
                self.parameters.add(node.arg)
                self._quiet.update(_ids(node.annotation))
            case ast.AnnAssign():
                self._quiet.update(_ids(node.annotation))
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self.bound.add(node.name)
                self._quiet.update(_ids(getattr(node, "returns", None)))
            case ast.Import() | ast.ImportFrom():
                self._add_import(node)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                self.parameters.add(name)
            case ast.Constant(value=str(text)):
                self.texts.append(text)

    def _add_name(self, node: ast.Name | ast.Attribute) -> None:
        name = node.id if isinstance(node, ast.Name) else node.attr
        self.looked_up.add("__qualname__" if isinstance(node, ast.Attribute) and name == "__name__" else name)
        if id(node) not in self._quiet:
            (self.bound if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else self.shown).add(name)

    def _add_import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.bound.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        origin = getattr(node, "module", None) or ""
        self.modules.update([origin] if isinstance(node, ast.ImportFrom) else (alias.name for alias in node.names))
        parts = [origin, *(alias.name for alias in node.names)]
        self.looked_up.update(part for module in parts for part in module.split("."))


def _ids(annotation: ast.expr | None) -> list[int]:
    return [id(node) for node in ast.walk(annotation)] if annotation is not None else []


class _Normal(ast.NodeTransformer):
    """Drops what does not change what a program does."""

    def __init__(self, names: _Names) -> None:
        self._names = names
        self._plain_scope = True  # whether nobody looks into what is defined here
        self._in_function = False
        self._in_async = False  # where ``return None`` may be an error that ``return`` is not

    def visit_Module(self, node: ast.Module) -> ast.AST:
        node.body = _without_docstring(node.body)
        seen = self.generic_visit(node)
        used = _mentioned(node)
        if "__all__" not in used:
            node.body = without_unused_types(node.body, used)
        return seen

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Visit the parts of a node, and leave statements out that do nothing."""
        if not isinstance(node, _HAVE_BODIES):
            return super().generic_visit(node)
        docstring = _docstring(node)
        seen = super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if isinstance(body, list) and body:
                setattr(node, name, _busy(body, docstring) or ([ast.Pass()] if name == "body" else []))
        return seen

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        node.kind = None  # the "u" before a string
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        self.generic_visit(node)
        texts = [part.value for part in node.values if isinstance(part, ast.Constant)]
        return ast.Constant("".join(map(str, texts))) if len(texts) == len(node.values) else node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        plain = not (node.decorator_list or node.bases or node.keywords) and node.name not in self._names.known.shown
        if plain and self._plain_scope:
            node.body = _without_docstring(node.body)
        return self._inside(node, plain=plain and self._plain_scope, in_function=False)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return self._inside(node, plain=self._plain_scope, in_function=True)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if not self._in_function:
            return self.generic_visit(node)
        if node.value is None:
            return ast.AnnAssign(self.visit(node.target), ast.Constant(None), None, node.simple)
        return ast.Assign(targets=[self.visit(node.target)], value=self.visit(node.value), type_comment=None)

    def _function(self, node: _Function) -> ast.AST:
        if self._is_plain(node):
            node.body = _without_docstring(node.body)
            node.returns = self._needed(node.returns)
            for argument in all_arguments(node.args):
                argument.annotation = self._needed(argument.annotation)
        seen = self._inside(node, plain=True, in_function=True)
        if isinstance(node.body[-1], ast.Return) and node.body[-1].value is None:
            node.body = node.body[:-1] or [ast.Pass()]
        return seen

    def visit_Return(self, node: ast.Return) -> ast.AST:
        if isinstance(node.value, ast.Constant) and node.value.value is None and not self._in_async:
            node.value = None
        return self.generic_visit(node)

    def _inside(self, node: ast.AST, *, plain: bool, in_function: bool) -> ast.AST:
        outside = self._plain_scope, self._in_function, self._in_async
        self._plain_scope, self._in_function = plain, in_function
        self._in_async = isinstance(node, ast.AsyncFunctionDef)
        seen = self.generic_visit(node)
        self._plain_scope, self._in_function, self._in_async = outside
        return seen

    def _is_plain(self, node: _Function) -> bool:
        own = all(isinstance(item, ast.Name) and item.id in _PLAIN_DECORATORS for item in node.decorator_list)
        return self._plain_scope and own and node.name not in self._names.known.shown

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


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and _is_text(first.value):
        return body[1:] or [ast.Pass()]
    return body


def _mentioned(tree: ast.AST) -> set[str]:
    """Return the names that a tree uses, and those that stand in its strings."""
    mentioned = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            mentioned.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            mentioned.update(_WORD.findall(node.value))
    return mentioned


def _docstring(node: ast.AST) -> ast.stmt | None:
    """Return the statement of a node that is its docstring."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module) or not node.body:
        return None
    first = node.body[0]
    return first if isinstance(first, ast.Expr) and _is_text(first.value) else None


def _busy(body: list[ast.stmt], docstring: ast.stmt | None) -> list[ast.stmt]:
    """Return the statements that do something, with imports in order."""
    idle = (ast.Pass, ast.Constant)
    busy = [
        statement
        for statement in body
        if statement is docstring
        or not isinstance(statement.value if isinstance(statement, ast.Expr) else statement, idle)
    ]
    return sorted_imports(busy)
