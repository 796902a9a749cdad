"""Checks of source text: each takes text and returns one line for each violation, empty when there is none.

Left out: which files they run on and what is excepted (the tests beside this file).
"""

import ast
import re
from collections.abc import Collection, Iterator

EFFECT_MODULES = frozenset({
    "aiohttp", "asyncio", "concurrent", "deltalake", "fastapi", "fcntl", "glob", "http", "httpx", "logging",
    "multiprocessing", "openai", "os", "pg8000", "pyarrow", "random", "ray", "redis", "requests", "secrets", "select",
    "selectors", "shutil", "signal", "socket", "sqlalchemy", "sqlite3", "ssl", "starlette", "subprocess", "tempfile",
    "threading", "time", "torch", "transformers", "urllib", "uuid", "uvicorn", "vllm",
})  # fmt: skip
"""Importing one of these gives a module a clock, randomness, a network, a disk, threads or a framework."""
EFFECT_BUILTINS = frozenset({"open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint"})
EFFECT_METHODS = frozenset({
    "now", "utcnow", "today", "read_text", "write_text", "read_bytes", "write_bytes", "mkdir", "unlink", "rmdir",
    "touch", "iterdir", "is_file", "is_dir", "exists", "stat", "generate", "urandom", "getenv",
})  # fmt: skip
"""Methods of datetime, pathlib and key types that reach outside."""
BUILDERS = frozenset(
    {("ray", "remote"), ("serve", "deployment"), ("serve", "ingress"), ("serve", "batch"), ("serve", "multiplexed")}
)
BROAD = frozenset({"Exception", "BaseException"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


def imported_modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and full name of everything a module imports, at its top or inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def called_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of every call: ``open`` for a plain one, ``.mkdir`` for a method."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.lineno, node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.lineno, f".{node.func.attr}"


def impurities(source: str, allowed: Collection[str] = ()) -> list[str]:
    """Name what gives a core module effects: imports, calls, or a shell or adapter of ours; ``allowed`` is excepted."""
    tree = ast.parse(source)
    found = []
    for line, name in imported_modules(tree):
        parts = name.split(".")
        if parts[0] in EFFECT_MODULES and parts[0] not in allowed:
            found.append(f"{line}: imports {name}")
        if parts[0] in {"actors", "models"} and {"adapters", "actor"} & set(parts[1:]):
            found.append(f"{line}: imports the shell {name}")
        if parts[0] in {"serve_apps", "cluster"}:
            found.append(f"{line}: imports {name}")
    effects = EFFECT_BUILTINS | {f".{name}" for name in EFFECT_METHODS}
    found += [f"{line}: calls {name}" for line, name in called_names(tree) if name in effects and name not in allowed]
    return found


def has_behaviour(source: str) -> bool:
    """Tell whether a module holds a function that does something (ports and plain types do not)."""
    return any(
        not (
            isinstance(statement, ast.Pass)
            or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        )
        for node in ast.walk(ast.parse(source))
        if isinstance(node, Function)
        for statement in node.body
    )


def oversize(source: str, file_lines: int = 500, function_lines: int = 70) -> dict[str, int]:
    """Return what is too long: ``""`` for the file, else a function's name, with its number of lines."""
    found = {}
    if (length := len(source.splitlines())) >= file_lines:
        found[""] = length
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length >= function_lines:
                found[node.name] = length
    return found


def builder_calls(source: str) -> list[str]:
    """Name uses of Ray's decorators, however they were imported."""
    tree = ast.parse(source)
    imports = dict(imported_modules(tree))
    found = [f"{line}: {name}" for line, name in imports.items() if tuple(name.split(".")[-2:]) in BUILDERS]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            if (owner, node.attr) in BUILDERS:
                found.append(f"{node.lineno}: {owner}.{node.attr}")
    return found


def exception_names(node: ast.expr | None) -> set[str]:
    """Return the names an ``except`` clause catches; a bare one catches ``BaseException``."""
    if node is None:
        return {"BaseException"}
    kinds = node.elts if isinstance(node, ast.Tuple) else [node]
    return {kind.id if isinstance(kind, ast.Name) else ast.unparse(kind) for kind in kinds}


def swallowed(source: str) -> list[str]:
    """Name handlers that do nothing, and suppressions of everything."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            idle = all(
                isinstance(step, ast.Pass) or (isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant))
                for step in node.body
            )
            skips = all(isinstance(step, ast.Continue) for step in node.body) and exception_names(node.type) & BROAD
            if idle or skips:
                found.append(f"{node.lineno}: except {', '.join(sorted(exception_names(node.type)))} does nothing")
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith("suppress")
            and {ast.unparse(argument) for argument in node.args} & BROAD
        ):
            found.append(f"{node.lineno}: suppresses everything")
    return found


def foreign_words(text: str, patterns: dict[str, str]) -> list[str]:
    """Name lines that match a pattern; ``patterns`` maps what is meant to a regular expression."""
    return [
        f"{number}: {meaning}: {line.strip()[:80]}"
        for number, line in enumerate(text.splitlines(), 1)
        for meaning, pattern in patterns.items()
        if re.search(pattern, line)
    ]


def untold_tests(source: str) -> list[str]:
    """Name tests without a docstring."""
    return [
        f"{node.lineno}: {node.name} has no docstring"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, Function) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]


def sleeps(source: str) -> list[str]:
    """Name calls that wait for wall time: ``time.sleep`` and ``asyncio.sleep`` with a positive number."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "asyncio.sleep", "sleep"}:
            argument = node.args[0] if node.args else None
            harmless = isinstance(argument, ast.Constant) and argument.value == 0
            if not harmless:
                found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


def make_targets(makefile: str) -> set[str]:
    """Return the targets a Makefile has rules for."""
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", makefile, re.MULTILINE))


def documented(text: str, program: str) -> set[str]:
    """Return the first words after ``program`` in code spans and code blocks of a Markdown text."""
    code = re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)
    pattern = rf"(?:^|[\s`$/])(?:\w+=\S+ )*{program} +([a-z][a-z-]*)"
    return {word for span in code for word in re.findall(pattern, span, re.MULTILINE)}


def modules_run(makefile: str) -> set[str]:
    """Return our modules that a Makefile runs with ``python -m``."""
    return set(re.findall(r"python -m ((?:models|actors|serve_apps|cluster)[\w.]*)", makefile))


def lock_faults(text: str) -> list[str]:
    """Name pins of a lock that carry no hash or no exact version, and any address in it."""
    found = [f"address: {line}" for line in text.splitlines() if "://" in line]
    for block in re.split(r"\n(?=[A-Za-z0-9])", text.strip()):
        head = block.splitlines()[0]
        if "==" not in head:
            found.append(f"not pinned: {head}")
        if "--hash=sha256:" not in block:
            found.append(f"no hash: {head}")
    return found
