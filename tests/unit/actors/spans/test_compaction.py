"""Which files are merged: neighbours of one date that are sealed, each row a few times, and in the end all."""

from collections import defaultdict
from dataclasses import replace
from math import log, log2
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.spans.compaction import MAX_FILES, Limits, TableFile, plan, tier

LIMITS = Limits(target_bytes=1_000_000, min_files=4, close_age_ms=1000)
ROW_BYTES, FILE_BYTES = 100, 5000
"""What a row takes, and what any file does."""
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03")
NEVER_CLOSED = 0


def file(first: int, rows: int, day: str = DAYS[0], last: int | None = None, written_ms: int = 0) -> TableFile:
    """Make a file of some batches."""
    last = first if last is None else last
    return TableFile(
        Path(day) / f"{first}-{last}", first, last, day, FILE_BYTES + rows * ROW_BYTES, rows, written_ms
    )  # fmt: skip


class Table:
    """Files that come, and are merged as planned; what happens is held against the rules."""

    def __init__(self) -> None:
        self.files: list[TableFile] = []
        self.rewritten: dict[int, int] = defaultdict(int)
        """Batch → how often its rows were written again."""
        self.day_of: dict[int, str] = {}

    def came(self, new: TableFile) -> None:
        """Take in a file of one batch."""
        self.files.append(new)
        self.day_of[new.first or 0] = new.day

    def merge(self, sealed: int, now_ms: int) -> None:
        """Merge until nothing is left to be done."""
        while inputs := plan(self.files, sealed, now_ms, LIMITS):
            self._check(inputs, sealed)
            first, last, day = inputs[0].first or 0, inputs[-1].last or 0, inputs[0].day
            for batch in range(first, last + 1):
                self.rewritten[batch] += self.day_of[batch] == day
            self.files = [one for one in self.files if one not in inputs]
            self.files.append(file(first, sum(one.rows for one in inputs), day, last, inputs[-1].written_ms))

    def _check(self, inputs: list[TableFile], sealed: int) -> None:
        assert 2 <= len(inputs) <= MAX_FILES
        assert len({one.day for one in inputs}) == 1, "dates are mixed"
        assert all(one.last is not None and one.last < sealed for one in inputs), "a batch is not sealed yet"
        of_day = sorted((one for one in self.files if one.day == inputs[0].day), key=lambda one: one.first or 0)
        at = of_day.index(inputs[0])
        assert of_day[at : at + len(inputs)] == inputs, "not neighbours, or not in the order of the log"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3000), st.sampled_from(DAYS), st.integers(1, 5)), min_size=1, max_size=150))
def test_merges_keep_the_rules_and_rewrite_each_row_a_few_times(arrivals: list[tuple[int, str, int]]) -> None:
    """Whatever comes in which order, a row is rewritten once a tier; a closed date is left with few files."""
    table = Table()
    for index, (rows, day, behind) in enumerate(arrivals):
        table.came(file(index, rows, day))
        table.merge(max(0, index - behind), NEVER_CLOSED)
    tiers = 1 + log(LIMITS.target_bytes / ROW_BYTES, LIMITS.min_files)
    assert max(table.rewritten.values(), default=0) <= tiers
    total = sum(rows for rows, _, _ in arrivals)
    table.merge(len(arrivals), 10**6)
    assert sum(one.rows for one in table.files) == total
    for day in DAYS:
        small = [one for one in table.files if one.day == day and 2 * one.bytes < LIMITS.target_bytes]
        full = [one for one in table.files if one.day == day and 2 * one.bytes >= LIMITS.target_bytes]
        assert len(small) <= (1 + len(full)) * (1 + log2(total + 1))


def test_equal_files_are_rewritten_a_logarithm_s_number_of_times() -> None:
    """A thousand commits of a hundred rows end in a few files, each row rewritten less than five times on average."""
    table = Table()
    for index in range(1000):
        table.came(file(index, 100))
        table.merge(index, NEVER_CLOSED)
    assert len(table.files) <= 3 * LIMITS.min_files + 20
    assert sum(table.rewritten.values()) / 1000 < 5


def test_few_files_are_left_until_their_date_is_over() -> None:
    """Three are no merge while more may come; a while after the last of them they are."""
    few = [file(index, 100) for index in range(3)]
    assert plan(few, 3, LIMITS.close_age_ms - 1, LIMITS) == []
    assert plan(few, 3, LIMITS.close_age_ms, LIMITS) == few


def test_a_large_file_is_not_rewritten_for_a_late_row() -> None:
    """Whoever sends a row of a date long ago every day does not have all of that date written again every day."""
    assert plan([file(0, 1000), file(1, 1)], 2, 10**6, LIMITS) == []
    rest = [file(0, 1000), *(file(index, 1) for index in range(1, 4))]
    assert plan(rest, 4, 10**6, LIMITS) == rest[1:]


def test_lower_tiers_go_first() -> None:
    """Where small files and larger ones wait alike, the small ones are merged, on whichever date they lie."""
    large = [file(index, 1000, DAYS[0]) for index in range(4)]
    small = [file(index, 10, DAYS[1]) for index in range(4, 8)]
    assert plan([*large, *small], 8, 0, LIMITS) == small
    assert plan(large, 8, 0, LIMITS) == large


def test_what_is_not_sealed_refused_full_or_of_no_batch_is_left_alone() -> None:
    """And nothing is merged past it: its neighbours on both sides stay apart."""
    files = [file(index, 100) for index in range(7)]
    assert plan(files, 7, 0, LIMITS) == files[:4]
    assert plan(files, 3, 0, LIMITS) == []
    assert plan(files, 7, 0, LIMITS, {files[3].path}) == []
    full = [*files[:3], replace(files[3], bytes=LIMITS.target_bytes // 2), *files[4:]]
    assert plan(full, 7, 0, LIMITS) == []
    old = [replace(one, first=None, last=None) for one in files]
    assert plan(old, 7, 10**6, LIMITS) == []


def test_a_merge_stops_at_the_target() -> None:
    """Two files that fill one are enough, and a third is left out."""
    files = [file(index, 4000) for index in range(4)]
    assert plan(files, 4, 0, LIMITS) == files[:3]
    assert sum(one.bytes for one in files[:2]) < LIMITS.target_bytes


def test_a_merge_has_no_more_files_than_its_entry_can_name() -> None:
    """However many wait."""
    files = [file(index, 0) for index in range(3 * MAX_FILES)]
    assert len(plan(files, len(files), 10**6, LIMITS)) <= MAX_FILES


def test_tiers_are_logarithms() -> None:
    """Rounded down, without the errors of floating point."""
    assert [tier(rows, 4) for rows in (0, 1, 3, 4, 15, 16, 63, 64)] == [0, 0, 0, 1, 1, 2, 2, 3]
