"""Settings and habits of web applications that open a door, whatever flows in.

Rules:
- Debuggers, template escaping off, cross-site request checks off, cookies without their guards, any origin with credentials.
- JSON Web Tokens are verified, with algorithms that are named and none of them ``none``.
- Secrets do not go into logs, stack traces do not go to clients.

Left out: whether a view should ask who is calling (that is the application's own business).
"""

import ast
import re
from collections.abc import Iterator

from actors.consensus.screening.crypto import words_of
from actors.consensus.screening.dangerous import Check, finding
from actors.consensus.screening.findings import Finding
from actors.consensus.screening.source import Source

SENSITIVE = re.compile(
    r"(?i)(passw(or)?d|passwd|passphrase|secret|api_?key|private_?key|access_?token|auth_?token|credit_?card|card_?number|\bssn\b|cvv"
    r"|authorization|refresh_?token|^token$|^pwd$)"
)
SESSION_COOKIES = re.compile(r"(?i)(sess|token|auth|sid$|jwt|login|remember)")
LOG_METHODS = frozenset("debug info warning warn error critical exception log".split())
SETTINGS_OFF = {
    "SESSION_COOKIE_SECURE": 614,
    "CSRF_COOKIE_SECURE": 614,
    "REMEMBER_COOKIE_SECURE": 614,
    "SESSION_COOKIE_HTTPONLY": 1004,
    "REMEMBER_COOKIE_HTTPONLY": 1004,
    "WTF_CSRF_ENABLED": 352,
    "WTF_CSRF_CHECK_DEFAULT": 352,
}
SIGNATURE_CHECKS = re.compile(r"(compare_digest|verify|construct_event|signature|check_token|validate)", re.IGNORECASE)


def check(source: Source) -> Iterator[Finding]:
    """Yield what is open."""
    for call, name in source.calls():
        for each in CHECKS:
            yield from each(source, call, name)
    for node in source.nodes:
        if isinstance(node, ast.Assign):
            yield from _settings(source, node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _exempt(source, node)
        elif isinstance(node, ast.Return) and node.value is not None:
            yield from _traces(source, node)
        elif isinstance(node, ast.Assert):
            yield from _asserted(node)


def is_logger(name: str) -> bool:
    """Tell a call of a logger's method by its dotted name."""
    base, _, method = name.rpartition(".")
    return method in LOG_METHODS and bool(re.search(r"(?i)(log|logging|logger|getLogger\(\))$", base))


def _debug(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    if (
        name.endswith(".run")
        and source.keyword_is(call, "debug", True)
        and {"flask", "quart", "bottle"} & source.imported
    ) or (name == "bottle.run" and source.keyword_is(call, "debug", True)):
        yield finding(call, "web-debug", 489, "runs a web application with its debugger on")
    elif name.endswith("DebuggedApplication") and source.keyword_is(call, "evalex", True):
        yield finding(call, "web-debug", 489, "puts a debugger that runs code before the application")
    elif name.endswith("uvicorn.run") and source.keyword_is(call, "debug", True):
        yield finding(call, "web-debug", 489, "runs a server in debug mode", "flag")
    elif name in {"fastapi.FastAPI", "starlette.applications.Starlette"} and source.keyword_is(call, "debug", True):
        yield finding(call, "web-debug", 489, "shows stack traces to clients")


def _templates(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    if name in {"jinja2.Environment", "jinja2.environment.Environment"}:
        given = source.argument(call, -1, "autoescape")
        if given is None or (source.is_constant(given) and source.constant(given) is False):
            yield finding(call, "web-autoescape", 79, "renders templates without escaping")
    elif name.startswith("mako.template.Template") and not any(k.arg == "default_filters" for k in call.keywords):
        yield finding(call, "web-autoescape", 79, "renders Mako templates without escaping")


def _tokens(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    if name in {"jwt.decode", "jose.jwt.decode", "jwt.api_jwt.decode"}:
        options = source.argument(call, -1, "options")
        off = source.keyword_is(call, "verify", False) or (
            isinstance(options, ast.Dict) and _unverified(source, options)
        )
        algorithms = source.argument(call, 2, "algorithms")
        if off or (algorithms is not None and _none_algorithm(source, algorithms)):
            yield finding(call, "web-jwt", 347, "reads a token without verifying it")
        elif algorithms is None or _from_outside(algorithms):
            yield finding(call, "web-jwt-algorithm", 347, "lets the token choose how it is verified")
    elif name in {"jwt.encode", "jose.jwt.encode"}:
        if source.constant(source.argument(call, 2, "algorithm")) in {"none", "None"}:
            yield finding(call, "web-jwt", 347, "issues tokens without a signature")
    elif name.endswith("get_unverified_claims"):
        yield finding(call, "web-jwt", 347, "reads a token's claims without verifying them")


def _unverified(source: Source, options: ast.Dict) -> bool:
    """Tell options that turn the check of the signature or of the expiry off."""
    pairs = zip(options.keys, options.values, strict=True)
    off = {
        source.constant(key) for key, value in pairs if source.is_constant(value) and source.constant(value) is False
    }
    return bool(off & {"verify_signature", "verify_exp"})


def _none_algorithm(source: Source, algorithms: ast.expr) -> bool:
    if not isinstance(algorithms, ast.List | ast.Tuple | ast.Set):
        return source.constant(algorithms) == "none"
    return any(str(source.constant(item)).lower() == "none" for item in algorithms.elts)


def _from_outside(algorithms: ast.expr) -> bool:
    return any("header" in word.lower() for word in (ast.unparse(algorithms),))


def _cookies(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    if not name.endswith((".set_cookie", ".set_signed_cookie")):
        return
    key = source.constant(source.argument(call, 0, "key", "name"))
    given = {k.arg: source.constant(k.value) for k in call.keywords}
    sensitive = isinstance(key, str) and bool(SESSION_COOKIES.search(key))
    for flag, cwe in (("secure", 614), ("httponly", 1004)):
        if (flag in given and given[flag] is False) or (flag not in given and sensitive and None not in given):
            yield finding(call, f"web-cookie-{flag}", cwe, f"sets a session cookie that is not {flag}")


def _origins(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    given = {k.arg: k.value for k in call.keywords}
    credentials = any(source.keyword_is(call, flag, True) for flag in ("allow_credentials", "supports_credentials"))
    patterns = [given[key] for key in ("allow_origins", "origins", "resources", "allow_origin_regex") if key in given]
    wild = any("'*'" in (text := ast.unparse(each)) or "'.*'" in text for each in patterns)
    if credentials and (wild or (name.endswith("CORS") and not patterns)):
        yield finding(call, "web-any-origin", 942, "lets any site read answers with the user's credentials")


def _logging(source: Source, call: ast.Call, name: str) -> Iterator[Finding]:
    if not (is_logger(name) or name == "print"):
        return
    for argument in call.args:
        if isinstance(argument, ast.Constant):
            continue
        if any(SENSITIVE.search(word) for word in _shown(source, argument)):
            verdict = "flag" if name == "print" else "reject"
            yield finding(call, "web-secret-logged", 532, "writes a secret to the log", verdict)  # type: ignore[arg-type]
            return


def _shown(source: Source, argument: ast.expr) -> Iterator[str]:
    """Yield the names whose values an argument shows: not those inside calls, which show a result."""
    parts = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
    for part in parts:
        inner = part.value if isinstance(part, ast.FormattedValue) else part
        if isinstance(inner, ast.BinOp):
            yield from _shown(source, inner.left)
            yield from _shown(source, inner.right)
        elif isinstance(inner, ast.Tuple):
            for item in inner.elts:
                yield from _shown(source, item)
        elif isinstance(inner, ast.Name | ast.Attribute):
            yield inner.id if isinstance(inner, ast.Name) else inner.attr
        elif isinstance(inner, ast.Subscript) or (
            isinstance(inner, ast.Call) and source.dotted(inner.func).endswith((".get", ".format", ".get_secret_value"))
        ):
            yield from words_of(inner)


def _settings(source: Source, node: ast.Assign) -> Iterator[Finding]:
    value = source.constant(node.value)
    for target in node.targets:
        name = _setting(source, target)
        if name in SETTINGS_OFF and value is False:
            yield finding(node, "web-setting", SETTINGS_OFF[name], "turns a guard of the web framework off")
        elif name in {"DEBUG", "PROPAGATE_EXCEPTIONS", "debug"} and value is True and name != target_id(target):
            yield finding(node, "web-debug", 489, "runs a web application with its debugger on")
        elif name == "ALLOWED_HOSTS" and isinstance(node.value, ast.List) and "'*'" in ast.unparse(node.value):
            yield finding(node, "web-hosts", 644, "answers to any host name", "flag")
        elif name == "DEBUG" and value is True and {"django", "os"} & source.imported:
            yield finding(node, "web-debug", 489, "runs a web application in debug mode", "flag")


def target_id(target: ast.expr) -> str:
    """Return the name of a plain name, else nothing."""
    return target.id if isinstance(target, ast.Name) else ""


def _setting(source: Source, target: ast.expr) -> str:
    match target:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr) if source.dotted(value).endswith(
            ("Flask()", "app", "settings", "config")
        ):
            return attr
        case ast.Subscript(value=value, slice=ast.Constant(value=str(key))) if source.dotted(value).endswith("config"):
            return key
    return ""


def _exempt(source: Source, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Finding]:
    for decorator in node.decorator_list:
        name = source.dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if name.endswith(("csrf_exempt", "csrf.exempt")):
            checked = any(
                isinstance(n, ast.Call) and SIGNATURE_CHECKS.search(source.dotted(n.func)) for n in ast.walk(node)
            )
            if not checked:
                yield finding(node, "web-csrf", 352, "takes a view out of the cross-site request check")


def _traces(source: Source, node: ast.Return) -> Iterator[Finding]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and source.dotted(inner.func) in {
            "traceback.format_exc",
            "traceback.format_exception",
        }:
            yield finding(node, "web-trace", 209, "shows a stack trace to the caller")


def _asserted(node: ast.Assert) -> Iterator[Finding]:
    words = " ".join(words_of(node.test)).lower()
    if re.search(r"(is_admin|is_staff|is_superuser|permission|authoriz|authenticat|is_owner|role|logged_in)", words):
        yield finding(
            node, "web-assert", 617, "checks a permission with an assertion, which can be switched off", "flag"
        )


CHECKS: tuple[Check, ...] = (_debug, _templates, _tokens, _cookies, _origins, _logging)
