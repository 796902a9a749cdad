"""Secrets written in the text, in any language.

Rules:
- Keys whose shape their issuer publishes, private keys, and addresses with a password in them are rejected.
- A constant assigned to a name for a secret is rejected unless it is plainly a placeholder, empty, or a name of something.
- A password that a literal comparison or a keyword holds counts like one that is assigned.

Left out: secrets that look like nothing, in names that say nothing.
"""

# ruff: noqa: E501 - tables of patterns, one a line

import ast
import math
import re
from collections import Counter
from collections.abc import Iterator

from actors.consensus.screening.dangerous import finding
from actors.consensus.screening.findings import Finding
from actors.consensus.screening.source import Source

MIN_SECRET_CHARS, MIN_BITS_PER_CHAR = 4, 2.6
MAX_SECRET_CHARS = 512  # of a longer constant the beginning is looked at
SHAPES = {
    "an access key of AWS": r"\b(AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",
    "a token of GitHub": r"\b(gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})",
    "a token of GitLab": r"\bglpat-[A-Za-z0-9_-]{20}",
    "a token of Slack": r"\bxox[abposr]-[A-Za-z0-9-]{10,}",
    "a key of Stripe": r"\b[sr]k_live_[A-Za-z0-9]{16,}",
    "a key of Google": r"\bAIza[A-Za-z0-9_-]{35}",
    "a key of a language model's provider": r"\bsk-(proj-|ant-)?[A-Za-z0-9_-]{32,}",
    "a key of SendGrid": r"\bSG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}",
    "a key of Twilio": r"\bSK[0-9a-f]{32}\b",
    "a token of npm": r"\bnpm_[A-Za-z0-9]{36}",
    "a token of a package index": r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{20,}",
    "a private key": r"-----BEGIN (RSA |EC |DSA |OPENSSH |PGP |ENCRYPTED )?PRIVATE KEY",
    "a signed token": r"\beyJ[A-Za-z0-9_-]{10,1000}\.eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10,}",
    "an address with a password": r"\b[a-z][a-z0-9+]{1,20}://[^\s:/@'\"{}<>]{1,64}:[^\s:/@'\"{}<>%$]{3,64}@",
}
_SHAPES = {meaning: re.compile(pattern) for meaning, pattern in SHAPES.items()}
NAMES = re.compile(
    r"(?i)(passw(or)?d|passwd|passphrase|secret(_?key)?|api_?key|auth_?token|access_?token|access_?key|private_?key|signing_?key"
    r"|encryption_?key|jwt_?key|_pwd$|^pwd$|client_?secret|_token$|^token$|hmac_?key|master_?key|db_?pass$)"
)
NOT_VALUES = re.compile(
    r"(?i)(_?(field|name|label|header|prompt|hint|help|url|uri|path|file|env|var|param|column|placeholder|regex|pattern|message|error"
    r"|type|length|policy|prefix|suffix|hash|attr|min|max|validator|form|endpoint|parser|scheme|reset|id))$"
)
PLACEHOLDERS = re.compile(
    r"(?i)(example|placeholder|changeme|change[-_ ]me|your[-_ ]|<.*>|\{.*\}|xxx|\*\*\*|\.\.\.|^(test|none|null|todo|dummy|fake|redacted"
    r"|unset|token|password|passwd|secret|secret_?key|api_?key|access_?token|bearer|basic|key|csrf_?token|refresh|access)s?$|[/\\]|^\$|%s|^[a-z]+[ :]|\s)"
)


def shapes(text: str) -> Iterator[Finding]:
    """Yield keys known by their shape, with the line they stand on."""
    for meaning, pattern in _SHAPES.items():
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield Finding("secret-shape", "CWE-798", line, "reject", f"holds {meaning}")


def check(source: Source) -> Iterator[Finding]:
    """Yield constants that stand where secrets do."""
    for node in source.nodes:
        for name, value in _named(source, node):
            if NAMES.search(name) and not NOT_VALUES.search(name) and looks_secret(name, value):
                yield finding(value, "secret-named", 798, "holds a password or key in the code")


def looks_secret(name: str, value: ast.expr) -> bool:
    """Tell a constant that could be used as a secret from a placeholder or a name."""
    text = value.value if isinstance(value, ast.Constant) else None
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    text = text[:MAX_SECRET_CHARS] if isinstance(text, str) else None
    if text is None or len(text) < MIN_SECRET_CHARS or PLACEHOLDERS.search(text):
        return False
    if text.lower().replace("_", "") in name.lower().replace("_", "") or (text.isupper() and "_" in text):
        return False
    password = re.search(r"(?i)pass|pwd", name) is not None
    return password or (len(text) >= 8 and (entropy(text) >= MIN_BITS_PER_CHAR))


def entropy(text: str) -> float:
    """Return Shannon's entropy in bits a character."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values()) if text else 0.0


def _named(source: Source, node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((name, _default(source, value)) for target in targets if (name := _name(target)))
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield _name(target), _default(source, value)
        case ast.keyword(arg=str(name), value=value):
            yield name, value
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            yield from ((k.value, v) for k, v in pairs if isinstance(k, ast.Constant) and isinstance(k.value, str))
        case ast.arguments():
            yield from _defaults(node)
        case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq()], comparators=[right]):
            yield from ((_name(a), b) for a, b in ((left, right), (right, left)) if isinstance(b, ast.Constant))


def _defaults(node: ast.arguments) -> Iterator[tuple[str, ast.expr]]:
    positional = node.posonlyargs + node.args
    with_default = positional[len(positional) - len(node.defaults) :]
    yield from ((a.arg, d) for a, d in zip(with_default, node.defaults, strict=True))
    yield from ((a.arg, d) for a, d in zip(node.kwonlyargs, node.kw_defaults, strict=True) if d is not None)


def _default(source: Source, value: ast.expr) -> ast.expr:
    """Look through ``os.environ.get("KEY", "fallback")`` and ``"...".encode()``."""
    if isinstance(value, ast.Call):
        name = source.dotted(value.func)
        if name in {"os.environ.get", "os.getenv", "environ.get"} and len(value.args) == 2:
            return value.args[1]
        if isinstance(value.func, ast.Attribute) and value.func.attr == "encode":
            return value.func.value
    return value


def _name(target: ast.expr) -> str:
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return key
    return ""
