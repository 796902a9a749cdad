"""Python literals as values and back, without evaluating anything.

Rules:
- A literal is what ``ast.literal_eval`` knows, and ``set()``, ``frozenset(...)`` and ``float("inf" | "-inf" | "nan")``.
- ``render`` writes a value so that ``parse`` gives it back: exact built-in types only, ``nan`` included.
- Length of the source and depth are bounded; what is beyond raises ``ValueError``.

Left out: names, arithmetic (but for ``re + imj``), and every other call.
"""

import ast
import math
import warnings
from collections.abc import Callable
from typing import Any

from actors.base.python_source import parse_expression

Value = Any
"""``None``, bool, int, float, complex, str, bytes, and lists, tuples, sets, frozensets and dicts of values."""

MAX_SOURCE_CHARS = 65_536
MAX_DEPTH = 32
_FAILURES = (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, OverflowError)
_SPECIAL_FLOATS = frozenset({"inf", "-inf", "+inf", "nan"})


def parse(source: str) -> Value:
    """Return the value of a literal; raise ``ValueError`` if ``source`` is none."""
    if len(source) > MAX_SOURCE_CHARS:
        raise ValueError("the literal is too long")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes warn; the source is not ours to mend
            node = parse_expression(source.strip())
        return value_of(node)
    except _FAILURES as error:
        raise ValueError("no literal") from error


def value_of(node: ast.expr) -> Value:
    """Return the value of a literal's syntax tree; raise ``ValueError`` if it is none."""
    try:
        return _value(node, MAX_DEPTH)
    except (TypeError, OverflowError) as error:  # unhashable members, a complex too large
        raise ValueError("no literal") from error


def _value(node: ast.expr, depth: int) -> Value:
    if depth == 0:
        raise ValueError("nested too deep")
    match node:
        case ast.Constant(value=value) if value is not Ellipsis:
            return value
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            number = _number(operand, depth - 1)
            return -number if isinstance(node.op, ast.USub) else number
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=ast.Constant(value=complex() as imaginary)):
            real = _number(left, depth - 1)
            return real + imaginary if isinstance(node.op, ast.Add) else real - imaginary
        case ast.Dict(keys=keys, values=values) if None not in keys:
            named = [key for key in keys if key is not None]
            return {_value(k, depth - 1): _value(v, depth - 1) for k, v in zip(named, values, strict=True)}
        case ast.List(elts=elts) | ast.Tuple(elts=elts) | ast.Set(elts=elts):
            members = [_value(item, depth - 1) for item in elts]
            return _container(node)(members)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return _called(name, [_value(item, depth - 1) for item in args])
    raise ValueError("no literal")


def _number(node: ast.expr, depth: int) -> Value:
    value = _value(node, depth)
    if type(value) not in {int, float, complex}:
        raise ValueError("a sign before what is no number")
    return value


def _container(node: ast.expr) -> Callable[[list[Any]], Any]:
    return list if isinstance(node, ast.List) else tuple if isinstance(node, ast.Tuple) else set


def _called(name: str, arguments: list[Any]) -> Value:
    match name, arguments:
        case "set", []:
            return set()
        case "frozenset", []:
            return frozenset()
        case (("set" | "frozenset"), [list() | tuple() | set() as members]):
            return set(members) if name == "set" else frozenset(members)
        case "float", [str() as text] if text in _SPECIAL_FLOATS:
            return float(text)
    raise ValueError("no literal")


def render(value: Value) -> str:
    """Write a value as a literal; raise ``ValueError`` for anything that is no exact built-in or is nested too deep."""
    return _render(value, MAX_DEPTH)


def _render(value: Value, depth: int) -> str:
    if depth == 0:
        raise ValueError("nested too deep")
    kind = type(value)
    if value is None or kind in {bool, int, str, bytes}:
        return repr(value)
    if kind in {float, complex}:
        return _float(value) if kind is float else _complex(value)
    if kind is dict:
        return "{" + ", ".join(f"{_render(k, depth - 1)}: {_render(v, depth - 1)}" for k, v in value.items()) + "}"
    if kind not in {list, tuple, set, frozenset}:
        raise ValueError("no built-in value with a literal")
    return _collection(kind, [_render(item, depth - 1) for item in value])


def _float(value: float) -> str:
    return repr(value) if math.isfinite(value) else f"float({str(value)!r})"


def _complex(value: complex) -> str:
    if not (math.isfinite(value.real) and math.isfinite(value.imag)):
        raise ValueError("no built-in value with a literal")
    return f"({value.real!r}{value.imag:+}j)"


def _collection(kind: type, members: list[str]) -> str:
    inside = ", ".join(members if kind in {list, tuple} else sorted(members))
    if kind is list:
        return f"[{inside}]"
    if kind is tuple:
        return f"({inside},)" if len(members) == 1 else f"({inside})"
    if kind is frozenset:
        return f"frozenset([{inside}])"
    return f"{{{inside}}}" if members else "set()"
