"""Ordinary code runs as it would anywhere."""

import json
from typing import Any

import pytest

from actors.consensus.sandbox.adapters.warm import WarmParent
from actors.consensus.sandbox.confinement import Interpreter, confinement
from actors.consensus.sandbox.protocol import Job, Observed
from tests.shells.actors.consensus.sandbox.conftest import PATIENT

LIBRARY = (
    "abc array ast asyncio base64 bisect calendar cmath collections collections.abc contextlib copy csv dataclasses datetime "
    "decimal difflib enum fractions functools hashlib heapq html inspect io itertools json logging math numbers operator os "
    "pathlib pickle pprint queue random re secrets statistics string struct sys tempfile textwrap threading time traceback "
    "types typing unicodedata unittest urllib.parse uuid warnings zlib"
).split()


def ran(patient: WarmParent, code: str, *calls: str) -> tuple[Observed, ...]:
    """Return what each call did, of code that must run."""
    done = patient.run(Job(code, calls))
    assert done.end == "ran", done
    return done.calls


@pytest.mark.parametrize("name", LIBRARY)
def test_the_standard_library_can_be_imported(name: str, patient: WarmParent) -> None:
    """Modules that answers use are there."""
    assert ran(patient, f"import {name}", "1")[0].end == "value"


USES: list[tuple[str, str, Any]] = [
    ("import math", "math.comb(10, 3)", ["i", "120"]),
    ("import re", "re.findall(r'\\d+', 'a1b22')", ["l", [["s", "1"], ["s", "22"]]]),
    ("from collections import Counter", "Counter('aab').most_common(1)", ["l", [["t", [["s", "a"], ["i", "2"]]]]]),
    ("import hashlib", "hashlib.sha256(b'x').hexdigest()[:8]", ["s", "2d711642"]),
    ("import hashlib", "hashlib.md5(b'x').hexdigest()[:8]", ["s", "9dd4e461"]),
    ("from decimal import Decimal", "str(Decimal('0.1') + Decimal('0.2'))", ["s", "0.3"]),
    ("from fractions import Fraction", "float(Fraction(1, 4))", ["f", "0.25"]),
    ("from datetime import date, timedelta", "(date(2024, 2, 28) + timedelta(2)).isoformat()", ["s", "2024-03-01"]),
    ("import statistics", "statistics.median([3, 1, 2])", ["i", "2"]),
    ("import json", "json.loads(json.dumps({'a': [1, None]}))", ["d", [[["s", "a"], ["l", [["i", "1"], None]]]]]),
    ("import random\nrandom.seed(1)", "random.randint(1, 10**6)", ["i", "140892"]),
    ("import copy", "copy.deepcopy([[1]])", ["l", [["l", [["i", "1"]]]]]),
    ("from enum import Enum\nC = Enum('C', 'RED')", "C.RED.name", ["s", "RED"]),
    ("from functools import cache\n@cache\ndef f(n): return n if n < 2 else f(n-1) + f(n-2)", "f(50)", ["i", "12586269025"]),
    ("import time", "time.monotonic() > 0", True),
    ("x = 2 ** 4000", "len(str(x))", ["i", "1205"]),
    ("def f(): return 10 ** 3900", "f()", ["i", "1" + "0" * 3900]),
    ("class A:\n    def __init__(self, x): self.x = x", "A", ["x", "type"]),
    ("async def g(): return 3\nimport asyncio\ndef f(): return asyncio.run(g())", "f()", ["i", "3"]),
]  # fmt: skip


@pytest.mark.parametrize(("code", "call", "wanted"), USES)
def test_the_standard_library_works(code: str, call: str, wanted: Any, patient: WarmParent) -> None:
    """Its functions give their known results."""
    assert ran(patient, code, call)[0].value == wanted


def test_a_dataclass_works(patient: WarmParent) -> None:
    """Classes that look their module up find it."""
    code = (
        "from dataclasses import dataclass, asdict\n@dataclass(order=True)\nclass P:\n    x: int\n    y: 'list[int]'\n"
    )
    assert ran(patient, code, "asdict(P(1, [2]))")[0].value == [
        "d",
        [[["s", "x"], ["i", "1"]], [["s", "y"], ["l", [["i", "2"]]]]],
    ]


def test_arguments_are_seen_after_the_call(patient: WarmParent) -> None:
    """A mutation of an argument shows, positional and named alike; calls that are no plain calls have none."""
    code = "def f(a, *, b=None):\n    a.append(1)\n    b and b.clear()\n"
    plain, named, other = ran(patient, code, "f([0])", "f([], b={1: 2})", "f(a=[]) or len('x')")
    assert plain.arguments == (["l", [["i", "0"], ["i", "1"]]],)
    assert named.arguments == (["l", [["i", "1"]]], ["d", []])
    assert (other.arguments, other.value) == ((), ["i", "1"])


def test_arguments_are_made_anew_for_every_call(patient: WarmParent) -> None:
    """A mutated argument does not reach the next call; what the module keeps does."""
    code = "kept = []\ndef f(a):\n    a.append(1)\n    kept.append(len(a))\n    return kept[:]\n"
    assert [seen.value for seen in ran(patient, code, "f([])", "f([])")] == [
        ["l", [["i", "1"]]],
        ["l", [["i", "1"], ["i", "1"]]],
    ]


def test_output_belongs_to_its_call(patient: WarmParent) -> None:
    """Each call's output is told with it, cut to the bound; that of the top level is nobody's."""
    code = "print('top')\ndef f(n):\n    print('x' * n, end='')\n"
    assert [seen.printed for seen in ran(patient, code, "f(2)", "f(0)", "f(9000)")] == ["xx", "", "x" * 4096]


def test_sets_come_out_in_one_order(patient: WarmParent) -> None:
    """Members are sorted by their text, so equal sets look equal."""
    first, second = ran(patient, "", "{'b', 'a', 3}", "frozenset([2, 1])")
    assert first.value == ["S", sorted([["s", "b"], ["s", "a"], ["i", "3"]], key=json.dumps)]
    assert second.value == ["F", [["i", "1"], ["i", "2"]]]


def test_the_main_guard_is_not_entered(patient: WarmParent) -> None:
    """Code behind ``if __name__ == "__main__"`` stays asleep."""
    assert ran(patient, "x = 1\nif __name__ == '__main__':\n    x = 2\n", "x")[0].value == ["i", "1"]


def test_code_that_is_none_fails(patient: WarmParent) -> None:
    """A syntax error and an error at the top level are failures with the class of what was raised."""
    assert [patient.run(Job(code, ("1",))).detail for code in ("def", "1 / 0")] == ["SyntaxError", "ZeroDivisionError"]


def test_a_run_depends_on_the_job_alone(bwrap: str, patient: WarmParent, interpreter: Interpreter) -> None:
    """Two warm parents order the same set of strings the same way."""
    job = Job("", ("list({'alpha', 'beta', 'gamma', 'delta', 'epsilon'})",))
    other = WarmParent(bwrap, confinement(PATIENT, interpreter), PATIENT)
    try:
        assert other.run(job) == patient.run(job)
    finally:
        other.close()
