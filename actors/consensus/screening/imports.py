"""Imports that do not exist, or are named almost like something that does.

Rules:
- Modules of the standard library and names in ``packages`` are known. Relative imports and ``__future__`` are fine.
- An unknown name one edit (Damerau-Levenshtein) away from a known one, with its words swapped, with digits for letters, or with a
  popular name in front or behind as squatters do, is rejected; any other unknown name is flagged.
- Short names and plain words that programs call their own modules are only flagged.

Left out: whether the index has the package; no look-up is made.
"""

# ruff: noqa: E501 - tables of names, one a line

import ast
import sys
from collections.abc import Iterator
from functools import lru_cache

from actors.consensus.screening.dangerous import finding
from actors.consensus.screening.findings import Finding
from actors.consensus.screening.packages import PACKAGES
from actors.consensus.screening.source import Source

MIN_TARGET_CHARS = 5
MAX_UNKNOWN = 64  # different unknown names that are looked at
MAX_REMEMBERED = 4_096
STANDARD = frozenset(sys.stdlib_module_names) | frozenset(
    {"asynchat", "asyncore", "imp", "smtpd", "distutils", "telnetlib", "cgi"}
)
KNOWN = STANDARD | PACKAGES
_FOLDED = frozenset(name.lower().replace("_", "") for name in KNOWN)
OWN_MODULES = frozenset(
    "models model views view forms form utils util helpers helper config configs settings database databases schemas schema tokens"
    " tasks task handlers handler routes router routers services service errors exceptions constants common core main app apps api"
    " auth users user accounts parser parsers types data store storage client clients server servers crypto logger tests test db"
    " extensions middleware permissions serializers admin urls signals jobs cache events filters lib libs base domain solution"
    " module modules package project mypackage mymodule myapp sample example security sites states stats numbers fractions_ queues"
    " code_ tools objects formats files images items pages posts orders products payments billing reports search shop blog notes".split()
)
_LETTERS = str.maketrans({"0": "o", "1": "l", "3": "e", "5": "s", "4": "a", "7": "t"})
POPULAR = frozenset(
    "requests numpy pandas django flask boto3 urllib3 cryptography setuptools sqlalchemy selenium pillow tensorflow torch scipy"
    " matplotlib pytest colorama beautifulsoup4 fastapi pydantic openai discord tqdm pyyaml aiohttp".split()
)
_AFFIXES = (
    "python",
    "py",
    "python3",
    "py3",
    "secure",
    "lib",
    "dev",
    "pro",
    "official",
    "fix",
    "fixed",
    "update",
    "plus",
    "x",
    "ng",
)


def check(source: Source) -> Iterator[Finding]:
    """Yield imports of names that are not known."""
    looked_at: set[str] = set()
    for node, name in _imported(source):
        if name in KNOWN or name == "__future__":
            continue
        looked_at.add(name)
        if len(looked_at) > MAX_UNKNOWN:
            yield finding(node, "import-many", 1357, "imports more unknown names than any program needs")
            return
        if resembles(name):
            yield finding(node, "import-lookalike", 1357, "imports a name that is almost a known package's")
        else:
            yield finding(
                node, "import-unknown", 1357, "imports a name that is neither standard nor widely used", "flag"
            )


@lru_cache(MAX_REMEMBERED)
def resembles(name: str) -> bool:
    """Tell a name made to be mistaken for a known one."""
    folded = name.lower().replace("_", "")
    if folded in _FOLDED or name.lower() in OWN_MODULES:
        return False
    if len(folded) >= MIN_TARGET_CHARS and folded.translate(_LETTERS) in _FOLDED:
        return True
    if _swapped(name) or any(folded in {a + p, p + a} for p in POPULAR for a in _AFFIXES):
        return True
    return any(len(known) >= MIN_TARGET_CHARS and one_edit(folded, known) for known in _FOLDED)


def one_edit(left: str, right: str) -> bool:
    """Tell whether two different texts are one insertion, deletion, replacement or swap of neighbours apart."""
    if left == right or abs(len(left) - len(right)) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    a, b = left[start:], right[start:]
    swapped = len(a) >= 2 and len(b) >= 2 and a[0] == b[1] and a[1] == b[0] and a[2:] == b[2:]
    return swapped or a[1:] == b[1:] or a[1:] == b or a == b[1:]


def _swapped(name: str) -> bool:
    words = name.lower().split("_")
    return len(words) == 2 and f"{words[1]}_{words[0]}" in PACKAGES


def _imported(source: Source) -> Iterator[tuple[ast.AST, str]]:
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from ((node, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node, node.module.split(".")[0]
