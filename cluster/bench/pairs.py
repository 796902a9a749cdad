"""Reads the pairs of vulnerable and fixed code that screening is scored on. Pure but for reading the files.

Rules:
- The format is told in ``tests/data/screening/README.md``: one mark a line says in which version it stands.
- The half a pair belongs to follows from its source and title alone, so that adding pairs moves none.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Half = Literal["tuning", "held-out"]
_ENTRY = re.compile(r"^## (?P<source>\S+) (?P<title>.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pair:
    """One flaw and its mending."""

    cwe: str
    source: str
    """An advisory, or an example of MITRE's entry."""
    title: str
    vulnerable: str
    fixed: str

    @property
    def half(self) -> Half:
        """The half the pair belongs to."""
        digest = hashlib.sha256(f"{self.source} {self.title}".encode()).digest()
        return "held-out" if digest[-1] % 2 else "tuning"


def parse(cwe: str, text: str) -> list[Pair]:
    """Return the pairs of one file; raise ``ValueError`` on a line without a mark."""
    heads = list(_ENTRY.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return [_pair(cwe, head, text[head.end() + 1 : end]) for head, end in zip(heads, ends, strict=True)]


def read(folder: Path) -> list[Pair]:
    """Return every pair of a folder, in the order of its files' names."""
    files = sorted(folder.glob("cwe-*.txt"))
    return [pair for file in files for pair in parse(_cwe(file.stem), file.read_text(encoding="utf-8"))]


def _pair(cwe: str, head: re.Match[str], body: str) -> Pair:
    lines = body.removesuffix("\n").split("\n")
    if bad := [line for line in lines if line[:1] not in {"", " ", "-", "+"}]:
        raise ValueError(f"{head['source']}: a line has no mark: {bad[0][:40]}")
    vulnerable, fixed = (_version(lines, mark) for mark in "-+")
    return Pair(cwe, head["source"], head["title"], vulnerable, fixed)


def _version(lines: list[str], mark: str) -> str:
    return "\n".join(line[1:] for line in lines if line[:1] in {"", " ", mark}) + "\n"


def _cwe(stem: str) -> str:
    return f"CWE-{int(stem.removeprefix('cwe-'))}"
