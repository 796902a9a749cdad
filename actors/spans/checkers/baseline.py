"""What rows were like: bounded counts of accepted rows, per voter, layer and kind of answer. Pure.

Rules:
- A cell counts values in logarithmic bins and words by how often they came; nothing of a row is kept but these counts.
- It forgets: at ``FULL`` observations all its counts are halved, so that the newest half weighs as much as all before.
- Fewer than ``WARM`` observations are no baseline: the cell is warming up, and says nothing of a row.
- There are at most ``MAX_CELLS``; rows of a further one are counted as rows that nobody has a baseline for.
- It is written as plain JSON with a digest over its content. What does not read back exactly is none: it is learned anew.

Whoever owns the home can write another baseline with its digest: the digest tells of damage, not of an attacker.

Left out: where it lies (``adapters.baseline``), and judging rows (``statistical``).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from actors.base.digests import sha256_hex
from actors.base.errors import IntegrityError
from actors.spans.checkers.statistical_tests import BINS, Ints

SCHEMA: Final = "weavergen.baseline/1"
WARM: Final = 200
FULL: Final = 65_536
MAX_CELLS: Final = 512
VALUES: Final = ("latency", "input", "output", "agreement", "rate")
"""What is measured of a row, in bins."""
WORDS: Final = (
    "agreed", "dissented", "failed", "timeout", "late", "refused", "invalid", "isolated", "breaker_open", "screened_out",
    "cancelled", "answered", "no_consensus", "unavailable", "deadline", "withheld", "halted", "code", "json", "value", "text",
    "other",
)  # fmt: skip
"""How a voter's call or a decision may end, and what may be asked for."""
OTHER: Final = len(WORDS) - 1


class Canaries:
    """Layers of made up voters, which no profile can name."""

    ODD: Final = "\0odd"
    MOVED: Final = "\0moved"
    OTHER: Final = "\0other"


CANARY_VOTERS: Final = ("\0steady", "\0changed")
CANARY_OUTPUT: Final = 100
"""Tokens of their answers."""
_KEY_MAX: Final = 512


@dataclass(slots=True)
class Cell:
    """Counts of rows of one sort."""

    values: dict[str, Ints] = field(default_factory=lambda: {name: np.zeros(BINS, np.int64) for name in VALUES})
    words: Ints = field(default_factory=lambda: np.zeros(len(WORDS), np.int64))
    n: int = 0

    @property
    def warm(self) -> bool:
        """Tell whether enough was seen to judge by."""
        return self.n >= WARM

    def add(self, values: Mapping[str, Ints], words: Ints) -> None:
        """Count rows: their bins (negative where a row has no such value) and how they ended."""
        for name, bins in values.items():
            self.values[name] += np.bincount(bins[bins >= 0], minlength=BINS)
        self.words += np.bincount(words, minlength=len(WORDS))
        self.n += len(words)
        while self.n >= FULL:
            self._halve()

    def _halve(self) -> None:
        self.values = {name: counts // 2 for name, counts in self.values.items()}
        self.words, self.n = self.words // 2, self.n // 2


class Baseline:
    """Cells by name."""

    def __init__(self) -> None:
        self.cells: dict[str, Cell] = {}
        self.given: dict[str, Cell] = {}
        self.refused = 0
        """Rows that came when no further cell could be made."""

    def cell(self, key: str) -> Cell | None:
        """Return a cell, made if there is room for it."""
        known = self.cells.get(key)
        if known is None and len(self.cells) < MAX_CELLS and len(key) <= _KEY_MAX:
            known = self.cells[key] = Cell()
        return known

    def forget(self, key: str) -> None:
        """Begin a cell anew."""
        self.cells.pop(key, None)

    def give(self, key: str, cell: Cell) -> None:
        """Put a cell that was learned nowhere: a canary's. It is not kept."""
        self.given[key] = cell

    def known(self, key: str) -> Cell | None:
        """Return the cell to judge by, ``None`` where there is none or it is not warm."""
        cell = self.given.get(key) or self.cells.get(key)
        return cell if cell is not None and cell.warm else None

    @property
    def warm(self) -> int:
        """Return how many cells can be judged by."""
        return sum(cell.warm for cell in self.cells.values())


def to_bytes(baseline: Baseline) -> bytes:
    """Write a baseline as JSON with its digest."""
    cells = {key: _cell_out(cell) for key, cell in sorted(baseline.cells.items())}
    body = json.dumps(cells, sort_keys=True, separators=(",", ":"))
    return json.dumps({"schema": SCHEMA, "sha256": sha256_hex(body.encode()), "cells": body}).encode()


def from_bytes(data: bytes) -> Baseline:
    """Read a baseline; raise ``IntegrityError`` for anything but what ``to_bytes`` wrote."""
    try:
        outer = json.loads(data)
        body = outer["cells"]
        if outer["schema"] != SCHEMA or outer["sha256"] != sha256_hex(body.encode()):
            raise ValueError("another schema, or its digest is not that of what it holds")
        found = Baseline()
        for key, cell in json.loads(body).items():
            if found.cell(key) is None:
                raise ValueError("more cells than there can be")
            found.cells[key] = _cell_in(cell)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise IntegrityError(f"the baseline cannot be read: {error}", "baseline") from error
    return found


def _cell_out(cell: Cell) -> dict[str, Any]:
    values = {name: _sparse(counts) for name, counts in cell.values.items()}
    return {"n": cell.n, "words": cell.words.tolist(), "values": values}


def _sparse(counts: Ints) -> list[list[int]]:
    return [[int(at), int(counts[at])] for at in np.flatnonzero(counts)]


def _cell_in(read: Mapping[str, Any]) -> Cell:
    cell = Cell(n=_count(read["n"]))
    words = [_count(number) for number in read["words"]]
    if len(words) != len(WORDS) or read["values"].keys() != cell.values.keys():
        raise ValueError("a cell does not count what cells count")
    cell.words += np.array(words, np.int64)
    for name, pairs in read["values"].items():
        for at, number in pairs:
            if not 0 <= at < BINS:
                raise ValueError("a bin out of bounds")
            cell.values[name][at] = _count(number)
    return cell


def _count(number: object) -> int:
    if type(number) is not int or not 0 <= number < 2 * FULL:
        raise ValueError("a count out of bounds")
    return number
