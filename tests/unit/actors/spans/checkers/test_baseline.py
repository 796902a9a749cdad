"""Counts of accepted rows: bounded, forgetting, and written so that damage shows."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.base.errors import IntegrityError
from actors.spans.checkers.baseline import FULL, MAX_CELLS, VALUES, WARM, WORDS, Baseline, from_bytes, to_bytes
from actors.spans.checkers.statistical_tests import BINS, Ints


def bins(*values: int) -> Ints:
    """Return bins."""
    return np.array(values, np.int64)


def filled(rows: int, cells: int = 1) -> Baseline:
    """Return a baseline of as many rows in each of as many cells."""
    made = Baseline()
    for number in range(cells):
        cell = made.cell(f"cell {number}")
        assert cell is not None
        cell.add({"latency": np.arange(rows, dtype=np.int64) % BINS, "input": bins(*[-1] * rows)}, bins(*[0] * rows))
    return made


def test_a_cell_is_warm_once_enough_was_seen() -> None:
    """One row less is not enough."""
    assert not filled(WARM - 1).cells["cell 0"].warm
    assert filled(WARM).cells["cell 0"].warm
    assert (filled(WARM).warm, filled(WARM - 1).warm) == (1, 0)


def test_a_row_without_a_value_counts_by_how_it_ended() -> None:
    """It is in no bin."""
    cell = filled(10).cells["cell 0"]
    assert (int(cell.values["input"].sum()), int(cell.values["latency"].sum()), int(cell.words.sum())) == (0, 10, 10)


def test_a_full_cell_forgets_half() -> None:
    """Of everything; it never counts beyond what is full."""
    cell = filled(FULL - 1).cells["cell 0"]
    cell.add({"latency": bins(3)}, bins(1))
    assert cell.n == FULL // 2
    assert int(cell.values["latency"].sum()) <= FULL // 2
    cell.add({"latency": bins(*[3] * FULL * 3)}, bins(*[1] * FULL * 3))
    assert cell.n < FULL


def test_there_are_so_many_cells_and_no_more() -> None:
    """Nor one whose name is endless; one that is forgotten makes room."""
    made = filled(1, MAX_CELLS)
    assert made.cell("one more") is None
    assert made.cell("cell 0") is made.cells["cell 0"]
    made.forget("cell 0")
    assert made.cell("x" * 10_000) is None
    assert made.cell("one more") is not None


KEYS = st.text(min_size=1, max_size=8)
ROWS = st.lists(st.tuples(st.integers(-1, BINS - 1), st.integers(0, len(WORDS) - 1)), max_size=20)


@given(st.dictionaries(KEYS, ROWS, max_size=4))
def test_what_is_written_reads_back_the_same(cells: dict[str, list[tuple[int, int]]]) -> None:
    """Every cell and every count, and again to the same bytes."""
    made = Baseline()
    for key, rows in cells.items():
        cell = made.cell(key)
        assert cell is not None
        cell.add({name: bins(*(at for at, _ in rows)) for name in VALUES}, bins(*(word for _, word in rows)))
    again = from_bytes(to_bytes(made))
    assert to_bytes(again) == to_bytes(made)
    assert {key: cell.n for key, cell in again.cells.items()} == {key: len(rows) for key, rows in cells.items()}


WHOLE = to_bytes(filled(300))


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_changed_byte_makes_it_none(at: int, by: int) -> None:
    """Or changes nothing that it says."""
    changed = bytearray(WHOLE)
    changed[at] ^= by
    try:
        found = from_bytes(bytes(changed))
    except IntegrityError:
        return
    assert to_bytes(found) == WHOLE


def with_cells(cells: object) -> bytes:
    """Return a baseline that says so, with its digest."""
    from actors.base.digests import sha256_hex

    body = json.dumps(cells)
    return json.dumps({"schema": "weavergen.baseline/1", "sha256": sha256_hex(body.encode()), "cells": body}).encode()


def test_another_count_than_was_digested_makes_it_none() -> None:
    """Though it is a count."""
    changed = WHOLE.replace(b'\\"n\\":300', b'\\"n\\":299')
    assert changed != WHOLE
    with pytest.raises(IntegrityError, match="digest"):
        from_bytes(changed)


WORD_COUNTS = [0] * len(WORDS)
VALUE_COUNTS: dict[str, list[list[object]]] = {name: [] for name in VALUES}


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"null", WHOLE[:-1], WHOLE.replace(b"baseline/1", b"baseline/2"),
        with_cells({"c": {}}),
        with_cells({"c": {"n": -1, "words": WORD_COUNTS, "values": VALUE_COUNTS}}),
        with_cells({"c": {"n": 2 * FULL, "words": WORD_COUNTS, "values": VALUE_COUNTS}}),
        with_cells({"c": {"n": 1, "words": WORD_COUNTS[1:], "values": VALUE_COUNTS}}),
        with_cells({"c": {"n": 1, "words": WORD_COUNTS, "values": {}}}),
        with_cells({"c": {"n": 1, "words": WORD_COUNTS, "values": VALUE_COUNTS | {"rate": [[BINS, 1]]}}}),
        with_cells({"c": {"n": 1, "words": WORD_COUNTS, "values": VALUE_COUNTS | {"rate": [[0, True]]}}}),
        with_cells({str(n): {"n": 1, "words": WORD_COUNTS, "values": VALUE_COUNTS} for n in range(MAX_CELLS + 1)}),
    ],
)  # fmt: skip
def test_what_is_no_baseline_is_refused(data: bytes) -> None:
    """Whatever its digest says."""
    with pytest.raises(IntegrityError, match="cannot be read"):
        from_bytes(data)
