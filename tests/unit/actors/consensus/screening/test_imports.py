"""Imports that do not exist or imitate."""

# ruff: noqa: E501 - snippets, one a line

import pytest

from actors.consensus.screening import imports
from tests.unit.actors.consensus.screening.rules import rejected


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import reqeusts", "import-lookalike"),
        ("import numpyy", "import-lookalike"),
        ("from pandsa import DataFrame", "import-lookalike"),
        ("import dj4ngo", "import-lookalike"),
        ("import python_requests", "import-lookalike"),
        (
            "import zzunknown0\nimport zzunknown1\nimport zzunknown2\nimport zzunknown3\nimport zzunknown4\nimport zzunknown5\nimport zzunknown6\nimport zzunknown7\nimport zzunknown8\nimport zzunknown9\nimport zzunknown10\nimport zzunknown11\nimport zzunknown12\nimport zzunknown13\nimport zzunknown14\nimport zzunknown15\nimport zzunknown16\nimport zzunknown17\nimport zzunknown18\nimport zzunknown19\nimport zzunknown20\nimport zzunknown21\nimport zzunknown22\nimport zzunknown23\nimport zzunknown24\nimport zzunknown25\nimport zzunknown26\nimport zzunknown27\nimport zzunknown28\nimport zzunknown29\nimport zzunknown30\nimport zzunknown31\nimport zzunknown32\nimport zzunknown33\nimport zzunknown34\nimport zzunknown35\nimport zzunknown36\nimport zzunknown37\nimport zzunknown38\nimport zzunknown39\nimport zzunknown40\nimport zzunknown41\nimport zzunknown42\nimport zzunknown43\nimport zzunknown44\nimport zzunknown45\nimport zzunknown46\nimport zzunknown47\nimport zzunknown48\nimport zzunknown49\nimport zzunknown50\nimport zzunknown51\nimport zzunknown52\nimport zzunknown53\nimport zzunknown54\nimport zzunknown55\nimport zzunknown56\nimport zzunknown57\nimport zzunknown58\nimport zzunknown59\nimport zzunknown60\nimport zzunknown61\nimport zzunknown62\nimport zzunknown63\nimport zzunknown64\nimport zzunknown65\nimport zzunknown66\nimport zzunknown67\nimport zzunknown68\nimport zzunknown69",
            "import-many",
        ),
    ],
)
def test_what_is_wrong_is_rejected(code: str, rule: str) -> None:
    """Each snippet is rejected by the rule that is for it."""
    assert rule in rejected(imports.check, code)


@pytest.mark.parametrize(
    "code",
    [
        "import os, sys, json, numpy, yaml, flask",
        "from . import x\nfrom .models import y\nfrom __future__ import annotations",
        "import models\nfrom utils import x",
        "import quuxfrobnicator",
    ],
)
def test_what_is_right_is_not_rejected(code: str) -> None:
    """The sound way of doing the same is let through."""
    assert rejected(imports.check, code) == set()
