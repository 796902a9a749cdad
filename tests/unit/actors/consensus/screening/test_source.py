"""What names stand for."""

import ast

import pytest

from actors.consensus.screening.screen import read


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import os as o\no.system('x')", "os.system"),
        ("from subprocess import run as r\nr('x')", "subprocess.run"),
        ("import os\ngetattr(os, 'sys' + 'tem')('x')", "os.system"),
        ("__import__('os').system('x')", "os.system"),
        ("import importlib\nimportlib.import_module('os').system('x')", "os.system"),
        ("import builtins\nbuiltins.eval('x')", "eval"),
        ("__builtins__['eval']('x')", "eval"),
        ("import sqlite3\nc = sqlite3.connect('x').cursor()\nc.execute('x')", "sqlite3.connect().cursor().execute"),
        ("import os\nf = os.system\nf('x')", "os.system"),
    ],
)
def test_roundabout_names_are_written_straight(code: str, name: str) -> None:
    """Aliases, look-ups and single assignments lead to the same dotted name."""
    assert name in {found for _, found in read(code).calls()}


def test_a_name_assigned_twice_stands_for_itself() -> None:
    """What may be either of two things is not taken for one."""
    source = read("x = 'a'\nx = 'b'\ny = 'c' + 'd'\nz = y")
    assert "x" not in source.constants
    assert source.constant(ast.parse("'c' + 'd'").body[0].value) == "cd"  # type: ignore[attr-defined]


def test_arguments_are_found_by_place_and_name() -> None:
    """A keyword wins; behind a starred argument no place is known."""
    source = read("f(1, b=2)\nf(*a, 3)")
    first, second = (call for call, _ in source.calls())
    assert source.constant(source.argument(first, 0, "a")) == 1
    assert source.constant(source.argument(first, 1, "b")) == 2
    assert source.argument(second, 1, "b") is None
