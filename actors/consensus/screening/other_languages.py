"""What is looked at in languages other than Python: the text alone.

Rules:
- JavaScript and TypeScript: code made from text, shells around text that is put together, HTML set from text, certificate checks
  off, broken hashes, weak randomness for secrets, weak ciphers. Text in comments and plain strings is blanked out before.
- Any other language: its shell and evaluation calls where they are plain to see.
- Secrets, deceptive characters and appeals to the judge are looked for in every language (``screen``).

Left out: data flow.
"""

# ruff: noqa: E501 - tables of patterns, one a line

import re
from collections.abc import Iterator

from actors.consensus.screening.findings import Finding, FindingVerdict, SinkKind

_TOKEN = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)|\"(?:[^\"\\\n]|\\.)*\"?|'(?:[^'\\\n]|\\.)*'?", re.DOTALL)
_JS: tuple[tuple[str, int, FindingVerdict, str], ...] = (
    (r"\beval\s*\(\s*(?!\")", 95, "reject", "evaluates text as code"),
    (r"\bnew\s+Function\s*\(|[^.\w]Function\s*\(", 95, "reject", "makes a function from text"),
    (r"\bset(Timeout|Interval)\s*\(\s*[\"'`]", 95, "reject", "runs text as code later"),
    (r"\bvm\s*\.\s*(runIn\w+|Script)\s*\(", 95, "reject", "runs text as code"),
    (r"\b(exec|execSync)\s*\(\s*(`[^`]*\$\{|[^,()\"`]*\+|\"[^\"]*\"\s*\+|[a-z_$][\w$.]*\s*[,)])", 78, "reject",
     "hands text that is not constant to a shell"),
    (r"\bshell\s*:\s*true", 78, "reject", "starts a program through a shell"),
    (r"\.(innerHTML|outerHTML)\s*=(?!=)\s*(?!\"\"\s*;)|\bdocument\.write(ln)?\s*\(|\bdangerouslySetInnerHTML\b|\.insertAdjacentHTML\s*\(", 79,
     "reject", "sets HTML from text"),
    (r"\brejectUnauthorized\s*:\s*false|NODE_TLS_REJECT_UNAUTHORIZED", 295, "reject", "turns certificate checks off"),
    (r"\bcreateHash\s*\(\s*\"\d*\"|\bcreateCipher\s*\(", 327, "flag", "hashes or encrypts with what may be broken"),
    (r"\b(query|execute|raw)\s*\(\s*(`[^`]*\$\{|\"[^\"]*\"\s*\+)", 89, "reject", "puts a query together from text"),
    (r"\brequire\s*\(\s*[^\"'\s)]|\bimport\s*\(\s*[^\"'\s)]", 470, "flag", "loads a module whose name is not constant"),
    (r"(__proto__|constructor\s*\[\s*\"prototype)", 1321, "flag", "touches the prototype of every object"),
)  # fmt: skip
_JS_RULES = tuple((re.compile(pattern), cwe, verdict, message) for pattern, cwe, verdict, message in _JS)
_JS_RAW = re.compile(r"createHash\s*\(\s*['\"](md5|sha1)['\"]|createCipheriv\s*\(\s*['\"](des|rc4|[\w-]*ecb)")
_JS_RANDOM = re.compile(
    r"(?i)(token|secret|passw|otp|session|nonce|salt)\w{0,40}\s{0,9}[=:][^;\n]{0,200}Math\.random\s*\("
)
_JS_DECODED = re.compile(
    r"\b(eval|Function|exec|execSync)\s*\(\s*(atob|Buffer\.from|unescape|decodeURIComponent|String\.fromCharCode)\b"
)
_ANY = re.compile(
    r"\b(eval|system|popen|shell_exec|passthru|proc_open|Runtime\.getRuntime\(\)\.exec|exec\.Command|ProcessBuilder)\s*\("
)
_JS_SINKS: tuple[tuple[SinkKind, re.Pattern[str]], ...] = (
    (
        "network",
        re.compile(
            r"\b(fetch|XMLHttpRequest|WebSocket|axios)\b|['\"](node:)?(https?|net|dgram|tls|axios|dns|http2)['\"]"
        ),
    ),
    ("process", re.compile(r"child_process|\bprocess\.(kill|exit)\b|['\"](node:)?(cluster|worker_threads)['\"]")),
    ("file", re.compile(r"['\"](node:)?fs(/promises)?['\"]|\blocalStorage\b")),
    ("crypto", re.compile(r"['\"](node:)?crypto['\"]|\bcrypto\.subtle\b")),
    ("eval", re.compile(r"\beval\s*\(|\bnew\s+Function\b|['\"](node:)?vm['\"]")),
)
JAVASCRIPT = frozenset({"javascript", "typescript", "js", "ts", "jsx", "tsx", "node"})


def check(code: str, language: str) -> Iterator[Finding]:
    """Yield what the text of a program in another language shows."""
    bare = blanked(code)
    if language not in JAVASCRIPT:
        for match in _ANY.finditer(bare):
            yield _finding(bare, match, 78, "flag", "calls a shell or evaluates text")
        return
    for pattern, cwe, verdict, message in _JS_RULES:
        for match in pattern.finditer(bare):
            yield _finding(bare, match, cwe, verdict, message)
    for match in _JS_RAW.finditer(code):
        yield _finding(code, match, 327, "reject", "uses a broken hash or cipher")
    for match in _JS_RANDOM.finditer(code):
        yield _finding(code, match, 338, "reject", "makes a secret from a generator that can be predicted")
    for match in _JS_DECODED.finditer(code):
        yield _finding(code, match, 506, "reject", "decodes text and runs what comes out")


def sinks(code: str, language: str) -> Iterator[SinkKind]:
    """Yield the kinds of effects the text names."""
    if language in JAVASCRIPT:
        yield from (kind for kind, pattern in _JS_SINKS if pattern.search(code))
    elif _ANY.search(code):
        yield "process"


def blanked(code: str) -> str:
    """Return the code with comments gone and plain strings as ``""``; lines stay where they were."""

    def blank(match: re.Match[str]) -> str:
        text = match.group()
        quote = "" if text.startswith("/") else '""'
        return quote + "\n" * text.count("\n")

    return _TOKEN.sub(blank, code)


def _finding(code: str, match: re.Match[str], cwe: int, verdict: FindingVerdict, message: str) -> Finding:
    return Finding(f"text-{cwe}", f"CWE-{cwe}", code.count("\n", 0, match.start()) + 1, verdict, message)
