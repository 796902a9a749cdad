"""Behaviour that waits for its moment, and text that addresses whoever judges it.

Rules:
- A branch on a comparison of date, time, host, user or a named environment variable, in whose body a process, network, file or
  eval effect stands, is rejected: code that does right until then is the classic logic bomb.
- The same effect behind a random draw is rejected too.
- Comments and strings that speak to the judge, the tally, a model or an operator are flagged.

Left out: branches that only compute (calendars, greetings, caches with an expiry).
"""

# ruff: noqa: E501 - tables of names, one a line

import ast
import re
from collections.abc import Iterator

from actors.consensus.screening.dangerous import finding
from actors.consensus.screening.findings import Finding
from actors.consensus.screening.sinks import kind_of
from actors.consensus.screening.source import Source

MOMENTS = re.compile(
    r"^(datetime\.(datetime|date)\.(now|today|utcnow)\(\)|time\.(time|localtime|gmtime|strftime)\(\)|socket\.(gethostname|getfqdn)\(\)"
    r"|platform\.(node|uname)\(\)|os\.(uname|getlogin|getuid)\(\)|getpass\.getuser\(\)|random\.\w+\(\)"
    r"|sys\.gettrace\(\))"
)
VARIABLES = re.compile(
    r"(?i)^(user|username|logname|home|hostname|computername|ci|github_actions|env|environment|stage|prod\w*)$"
)
EFFECTS = frozenset({"process", "network", "eval"})
DESTROYERS = frozenset(
    "shutil.rmtree os.remove os.unlink os.rmdir os.truncate shutil.move os.chmod sys.exit os._exit os.kill os.rename".split()
)
ADDRESSES = re.compile(
    r"(?i)(ignore (all |any |the )?(previous|prior|above|other) (instructions?|candidates?|answers?|prompts?)"
    r"|disregard (all |any |the )?(previous|prior|above)|mark (this |it |me )?(as )?(passed|correct|safe|approved|verified)"
    r"|(dear|attention|note to|hello),? ?(the )?(judge|reviewer|grader|operator|scanner|tally|verifier|evaluator)"
    r"|you are (now )?(a|an|the) (helpful |ai |language )|system prompt|<\|im_start\|>|<\|system\|>|\[INST\]"
    r"|(choose|select|prefer|vote for|pick) this (answer|candidate|solution|response)"
    r"|(this|my) (answer|candidate|code|solution) (has been|was|is) (already )?(verified|approved|reviewed|screened|audited|pre-approved)"
    r"|all (tests|checks) (have )?passed|do not (flag|reject|scan|report) (this|it)|skip (the )?(screening|scan|security))"
)


def check(source: Source) -> Iterator[Finding]:
    """Yield branches that wait for a moment."""
    for node in source.nodes:
        if isinstance(node, ast.If | ast.While) and _waits(source, node.test):
            body = [*node.body, *node.orelse]
            # what runs after an early return is behind the branch as well
            if all(isinstance(s, ast.Return | ast.Pass | ast.Continue) for s in node.body):
                body += _after(source, node)
            if any(_effect(source, inner) for statement in body for inner in ast.walk(statement)):
                yield finding(
                    node, "trigger-moment", 511, "does something outside only at a certain time, host, user or chance"
                )
        elif (
            isinstance(node, ast.IfExp)
            and _waits(source, node.test)
            and any(_effect(source, inner) for part in (node.body, node.orelse) for inner in ast.walk(part))
        ):
            yield finding(
                node, "trigger-moment", 511, "does something outside only at a certain time, host, user or chance"
            )


def addresses(text: str) -> Iterator[Finding]:
    """Yield lines that speak to whoever judges the text."""
    for match in ADDRESSES.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield Finding("text-addresses-judge", "CWE-1427", line, "flag", "speaks to whoever judges it")


def _after(source: Source, node: ast.AST) -> list[ast.stmt]:
    parent = source.parents.get(id(node))
    body = getattr(parent, "body", [])
    return body[body.index(node) + 1 :] if isinstance(body, list) and node in body else []


def _waits(source: Source, test: ast.expr) -> bool:
    compared = any(isinstance(node, ast.Compare | ast.Call) for node in ast.walk(test))
    if not compared or (isinstance(test, ast.Compare) and _relative(test)):
        return False
    return any(
        _moment(source, node)
        for node in ast.walk(test)
        if isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
    )


def _relative(test: ast.Compare) -> bool:
    """Tell a comparison of elapsed time (``now - start > limit``): a timeout, not a moment."""
    return any(isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) for node in ast.walk(test))


def _moment(source: Source, node: ast.expr) -> bool:
    name = source.dotted(node)
    if MOMENTS.match(name):
        return True
    key: object = None
    if name in {"os.environ.get()", "os.getenv()"} and isinstance(node, ast.Call) and node.args:
        key = source.constant(node.args[0])
    elif name == "os.environ[]" and isinstance(node, ast.Subscript):
        key = source.constant(node.slice)
    return isinstance(key, str) and VARIABLES.match(key) is not None


def _effect(source: Source, node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = source.dotted(node.func)
    if kind_of(name) in EFFECTS or name in DESTROYERS or name.endswith((".unlink", ".rmtree")):
        return True
    called = source.functions.get(name)
    return called is not None and any(
        isinstance(n, ast.Call) and ((inner := source.dotted(n.func)) in DESTROYERS or kind_of(inner) in EFFECTS)
        for n in ast.walk(called)
    )
