"""Code in an answer, and its syntactic normal form.

Rules:
- The code is every fenced block of the language (or unlabelled) joined in order; without a fence, the whole answer, or the
  part from the first line that starts a definition or import. An unclosed fence runs to the end.
- Python's normal form is the AST without docstrings, annotations, positions and comments.
- Other languages: the lines without trailing blanks and blank lines.

Left out: renaming of locals and behaviour on inputs.
"""

import ast
import re
import warnings

MAX_CODE_CHARS = 65_536
_FENCE = re.compile(r"^[ \t]*```[ \t]*([\w+#-]*)[^\n]*\n(.*?)(?:^[ \t]*```[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_STARTS_CODE = re.compile(r"^(?:def |class |import |from \w[\w.]* import |async def |@)", re.MULTILINE)
_PYTHON_LABELS = {"", "python", "python3", "py"}
_TRIM_LINES = 40


def fenced_blocks(content: str) -> list[tuple[str, str]]:
    """Return (label, code) of every fenced block."""
    return [(match.group(1).lower(), match.group(2)) for match in _FENCE.finditer(content)]


def python_code(content: str) -> str:
    """Return the Python source an answer holds, or an empty string."""
    blocks = [code for label, code in fenced_blocks(content) if label in _PYTHON_LABELS]
    if blocks:
        joined = "\n".join(blocks)
        return joined if _parse(joined) is not None else ""
    if "```" in content:
        return ""
    return _unfenced(content)


def normal_python(content: str) -> str:
    """Return the AST normal form of the Python code in an answer, or an empty string."""
    tree = _parse(python_code(content))
    if tree is None or not tree.body:
        return ""
    try:
        return ast.dump(_Normal().visit(tree), annotate_fields=False)
    except RecursionError:
        return ""


def normal_source(content: str) -> str:
    """Return the code of another language with only trailing blanks and blank lines taken away."""
    blocks = [code for _, code in fenced_blocks(content)]
    lines = (line.rstrip() for line in "\n".join(blocks).splitlines())
    return "\n".join(line for line in lines if line)


def _unfenced(content: str) -> str:
    if _parse(content) is not None:
        return content
    start = _STARTS_CODE.search(content)
    if start is None:
        return ""
    lines = content[start.start() :].splitlines()
    for end in range(len(lines), max(len(lines) - _TRIM_LINES, 0), -1):
        code = "\n".join(lines[:end])
        if _parse(code) is not None:
            return code
    return ""


def _parse(code: str) -> ast.Module | None:
    if not code.strip() or len(code) > MAX_CODE_CHARS:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes warn; the answer is not ours to mend
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Normal(ast.NodeTransformer):
    """Drops what does not change what code does."""

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        node.type_comment = None
        node.body = _without_docstring(node.body)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = _without_docstring(node.body)
        # Annotations of a class body are data (dataclasses, pydantic): they stay.
        node.body = [self.visit(item) if not isinstance(item, ast.AnnAssign) else item for item in node.body]
        node.decorator_list = [self.visit(item) for item in node.decorator_list]
        return node

    def visit_Module(self, node: ast.Module) -> ast.AST:
        node.body = _without_docstring(node.body)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        node.type_comment = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return node
        value: ast.expr = self.visit(node.value)
        return ast.Assign(targets=[self.visit(node.target)], value=value, type_comment=None)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    if (
        body
        and isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    ):
        return body[1:] or [ast.Pass()]
    return body
