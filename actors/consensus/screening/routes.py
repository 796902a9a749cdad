"""How a function is entered: by a client, or by its own program.

Rules:
- A function decorated as a route, a Django view (first parameter ``request``), a handler method of a web framework's class and a
  cloud function's handler are entered by clients; their parameters are remote, but those typed as numbers, dates or
  injected objects, and those a route's pattern makes a number.

Left out: routes registered elsewhere (``path("...", view)``) for functions whose first parameter is not ``request``.
"""

import ast
import re
from dataclasses import dataclass

from actors.consensus.screening.source import Function, Source
from actors.consensus.screening.tables import ROUTES, TYPED

_VERBS = frozenset("get post put delete patch head options dispatch".split())
_HANDLER_CLASSES = re.compile(
    r"(BaseHTTPRequestHandler|SimpleHTTPRequestHandler|RequestHandler|MethodView|View|Resource|APIView|HTTPEndpoint|StreamRequestHandler)$"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """How one function is entered."""

    is_route: bool
    parameters: frozenset[str]
    """All but ``self`` and ``cls``."""
    remote: frozenset[str]
    """Those that a client fills."""
    is_handler: bool = False
    """A method of a class whose attributes hold the request."""
    sends_text: bool = True
    """What it returns is shown as a page unless it says otherwise."""


def entry_of(source: Source, node: Function) -> Entry:
    """Return how a function is entered."""
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    arguments += [a for a in (node.args.vararg, node.args.kwarg) if a is not None]
    names = frozenset(a.arg for a in arguments) - {"self", "cls"}
    routed = [d for d in node.decorator_list if ROUTES.search(source.plain(d.func if isinstance(d, ast.Call) else d))]
    handler = _in_handler_class(source, node)
    by_request = bool(arguments) and arguments[0].arg in {"request", "req"}
    verb = handler and node.name in _VERBS
    cloud = node.name in {"lambda_handler", "handler", "main"} and {"event", "context"} <= names
    if cloud:
        return Entry(True, names, frozenset({"event"}), handler, sends_text=False)
    if not (routed or by_request or verb):
        return Entry(handler and node.name.startswith("do_"), names, frozenset(), handler)
    numbers = {name for d in routed for name in _numbers(d)}
    remote = (
        {a.arg for a in arguments if a.arg in names and not _typed(a)} - numbers - {"request", "req", "db", "session"}
    )
    return Entry(True, names - {"request", "req"}, frozenset(remote), handler, sends_text=bool(routed))


def _typed(argument: ast.arg) -> bool:
    return argument.annotation is not None and TYPED.search(ast.unparse(argument.annotation)) is not None


def _numbers(decorator: ast.expr) -> list[str]:
    text = ast.unparse(decorator)
    return re.findall(r"<(?:int|float|uuid):(\w+)>", text) + re.findall(r"<(\w+):(?:int|float)>", text)


def _in_handler_class(source: Source, node: Function) -> bool:
    parent = source.parents.get(id(node))
    return isinstance(parent, ast.ClassDef) and any(
        _HANDLER_CLASSES.search(source.plain(base)) for base in parent.bases
    )
