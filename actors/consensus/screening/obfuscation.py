"""Code that hides what it does, or carries data out.

Rules:
- Text that is decoded (base64, hex, compression, rot13, chr-joins) and then evaluated, imported or looked up is rejected; so is a
  dangerous function reached a roundabout way.
- Environment, key files or a home folder read together with something that sends is rejected when what was read flows there
  (``taint``); standing side by side at module level is rejected here.
- Effects in places that run without being called: default arguments, decorators, class bodies, ``__del__``, ``__reduce__``.
- Docstrings are inert text.

Left out: characters that deceive the eye (``characters``).
"""

# ruff: noqa: E501 - tables of names, one a line

import ast
import re
from collections.abc import Iterator

from actors.consensus.screening.dangerous import EVALUATORS, RUNNERS, SHELLS, finding
from actors.consensus.screening.findings import Finding
from actors.consensus.screening.sinks import kind_of
from actors.consensus.screening.source import Source

DECODERS = re.compile(
    r"(^|\.)(b64decode|b32decode|b16decode|b85decode|a85decode|urlsafe_b64decode|standard_b64decode|decodebytes|unhexlify|a2b_hex"
    r"|a2b_base64|fromhex|decompress|rot13|maketrans)$"
)
EXECUTORS = (
    EVALUATORS
    | SHELLS
    | RUNNERS
    | frozenset({"__import__", "importlib.import_module", "ctypes.CDLL", "types.FunctionType"})
)
HIDDEN = frozenset("eval exec compile __import__ system popen spawn fork Popen check_output call run getoutput".split())
PRIVATE_FILES = re.compile(
    r"(\.ssh\b|id_rsa|id_ed25519|\.aws\b|\.netrc|\.git-credentials|\.kube\b|\.docker/config|/etc/(passwd|shadow)|\.bash_history"
    r"|wallet\.dat|Login Data|cookies\.sqlite|\.gnupg|\.npmrc|\.pypirc)"
)
SENDING = frozenset(
    "send sendall sendto post put patch request urlopen Request urlretrieve get connect create_connection storbinary storlines sendmail"
    " send_message open_connection HTTPConnection HTTPSConnection exec_command upload_file put_object publish".split()
)
HOOKS = frozenset("__del__ __reduce__ __reduce_ex__ __getattr__ __init_subclass__ __set_name__".split())
_BLOB = re.compile(r"[A-Za-z0-9+/=_\\-]{200,}")


def check(source: Source) -> Iterator[Finding]:
    """Yield what hides and what carries out."""
    yield from _decoded(source)
    yield from _roundabout(source)
    yield from _carried_out(source)
    for node in source.nodes:
        yield from _unasked(source, node)


def _decoded(source: Source) -> Iterator[Finding]:
    hidden = _names_from_decoders(source)
    for call, name in source.calls():
        executes = name in EXECUTORS or name in {"getattr", "setattr"} or name == "marshal.loads"
        if executes and any(_is_decoded(source, argument, hidden) for argument in call.args):
            yield finding(call, "hidden-decoded", 506, "decodes text and runs or looks up what comes out")
    if any(
        isinstance(node, ast.Name | ast.Attribute) and source.dotted(node) in {"exec", "eval"} for node in source.nodes
    ):
        yield from _blobs(source)


def _blobs(source: Source) -> Iterator[Finding]:
    for node in source.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            if _BLOB.search(text):
                yield finding(node, "hidden-blob", 506, "holds a long encoded text beside something that runs text")


def _names_from_decoders(source: Source) -> frozenset[str]:
    found: set[str] = set()
    for _ in range(3):  # a decoded text is often decoded again under another name
        for node in source.nodes:
            if isinstance(node, ast.Assign) and _is_decoded(source, node.value, frozenset(found)):
                found.update(t.id for t in node.targets if isinstance(t, ast.Name))
    return frozenset(found)


def _is_decoded(source: Source, node: ast.expr, hidden: frozenset[str]) -> bool:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and inner.id in hidden:
            return True
        if isinstance(inner, ast.Call) and _decodes(source, inner):
            return True
        if isinstance(inner, ast.Subscript) and isinstance(inner.slice, ast.Slice) and _backwards(source, inner):
            return True
    return False


def _backwards(source: Source, node: ast.Subscript) -> bool:
    """Tell a constant read backwards: ``"metsys"[::-1]``."""
    step = node.slice.step if isinstance(node.slice, ast.Slice) else None
    return source.constant(step) == -1 and isinstance(source.constant(node.value), str)


def _decodes(source: Source, call: ast.Call) -> bool:
    name = source.dotted(call.func)
    if DECODERS.search(name):
        return True
    if name in {"codecs.decode", "codecs.getdecoder"}:
        return any(str(source.constant(a)).replace("_", "") in {"rot13", "hex", "base64", "zlib"} for a in call.args)
    joined = isinstance(call.func, ast.Attribute) and call.func.attr == "join" and call.args
    if joined:
        return any(
            isinstance(n, ast.Call) and source.dotted(n.func) in {"chr", "map()"} for n in ast.walk(call.args[0])
        ) or any(isinstance(n, ast.Name) and n.id == "chr" for n in ast.walk(call.args[0]))
    return (
        isinstance(call.func, ast.Attribute)
        and call.func.attr == "decode"
        and isinstance(call.func.value, ast.Call)
        and (
            source.dotted(call.func.value.func) in {"bytes", "bytearray"}
            and source.is_constant(call.func.value.args[0])
            if call.func.value.args
            else False
        )
    )


def _roundabout(source: Source) -> Iterator[Finding]:
    for node in source.nodes:
        if isinstance(node, ast.Call):
            name = source.dotted(node.func)
            looked_up = len(node.args) >= 2 and name in {"getattr", "operator.attrgetter", "object.__getattribute__"}
            if (
                looked_up
                and source.constant(node.args[1]) in HIDDEN
                and source.dotted(node.args[0]).split(".")[0] != "self"
            ):
                yield finding(node, "hidden-lookup", 506, "reaches a dangerous function by looking its name up")
            elif name == "__import__" and node.args and not _plain_import(source, node):
                yield finding(node, "hidden-import", 506, "imports a module whose name is put together")
        elif isinstance(node, ast.Subscript) and source.constant(node.slice) in HIDDEN:
            if isinstance(node.value, ast.Call | ast.Name | ast.Attribute | ast.Subscript) and re.search(
                r"(__builtins__|globals\(\)|locals\(\)|vars\(\)|__dict__)", source.dotted(node.value)
            ):
                yield finding(node, "hidden-lookup", 506, "reaches a dangerous function by looking its name up")
        elif isinstance(node, ast.Attribute) and node.attr in {
            "__subclasses__",
            "__globals__",
            "__code__",
            "__builtins__",
        }:
            yield finding(node, "hidden-internals", 506, "walks the interpreter's internals", "flag")


def _plain_import(source: Source, call: ast.Call) -> bool:
    first = call.args[0]
    put_together = isinstance(first, ast.Call | ast.BinOp | ast.JoinedStr)
    return not put_together and not (isinstance(first, ast.Name) and first.id in source.constants)


def _carried_out(source: Source) -> Iterator[Finding]:
    if not any(kind_of(name) == "network" and name.rsplit(".", 1)[-1] in SENDING for _, name in source.calls()):
        return
    for node in source.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and PRIVATE_FILES.search(node.value):
            if " " not in node.value:
                yield finding(node, "exfil-private-file", 200, "reads a private file in code that sends something")
        elif isinstance(node, ast.Call | ast.Attribute | ast.Name) and _whole_environment(source, node):
            yield finding(node, "exfil-environment", 200, "takes the whole environment in code that sends something")


def _whole_environment(source: Source, node: ast.AST) -> bool:
    """Tell ``dict(os.environ)``, ``os.environ.items()`` and the environment handed on, but not one variable read from it."""
    if isinstance(node, ast.Call) or source.dotted(node) not in {"os.environ", "os.environb"}:
        return False
    parent = source.parents.get(id(node))
    if isinstance(parent, ast.Attribute):
        return parent.attr in {"items", "copy", "values", "__dict__"}
    return not isinstance(parent, ast.Subscript | ast.Compare)


def _unasked(source: Source, node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        hooks = node.name in HOOKS
        places: list[ast.AST] = [*node.args.defaults, *(d for d in node.args.kw_defaults if d), *node.decorator_list]
        places += node.body if hooks else []
        rule = "hidden-hook" if hooks else "hidden-default"
    elif isinstance(node, ast.ClassDef):
        places = [*(s for s in node.body if isinstance(s, ast.Expr | ast.Assign)), *node.decorator_list]
        places += [k.value for k in node.keywords]
        rule = "hidden-class-body"
    else:
        return
    for place in places:
        for inner in ast.walk(place):
            if isinstance(inner, ast.Call | ast.Attribute | ast.Name) and _acts(source, inner):
                yield finding(inner, rule, 506, "does something in a place that runs without being called")


def _acts(source: Source, node: ast.Call | ast.Attribute | ast.Name) -> bool:
    name = source.dotted(node.func if isinstance(node, ast.Call) else node)
    if isinstance(node, ast.Call):
        return kind_of(name) in {"process", "eval"}
    return name in {"os.system", "eval", "exec", "subprocess.Popen", "subprocess.call", "subprocess.run"}
