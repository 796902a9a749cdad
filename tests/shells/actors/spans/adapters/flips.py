"""Damages a span file in every way that a bit flip in its footer can, and has each reader read it.

Run as a process of its own, for what it looks for ends the process or never comes back.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path

import pyarrow.compute as pc

from actors.base.errors import IntegrityError
from actors.spans.adapters.described import misdescribed
from actors.spans.adapters.parquet import STATISTICS, groups_in, read_file
from actors.spans.adapters.reading import TableReader
from actors.spans.columns import pinned_schema
from tests.unit.actors.spans.telemetry import flipped

_KINDS = range(8)
"""Physical types of Parquet, as its footer numbers them."""
_FILTERED = 4
"""One in so many flips is read by whoever asks for some rows as well: that takes longer."""


def footer_of(data: bytes) -> int:
    """Return where a file's footer begins."""
    return len(data) - 8 - int.from_bytes(data[-8:-4], "little")


def flips(data: bytes, step: int) -> Iterator[bytes]:
    """Yield a file with one bit of its footer flipped, every ``step``-th of them."""
    for bit in range(8 * footer_of(data), 8 * len(data), step):
        yield flipped(data, bit)


def retyped(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a file of which the footer gives one column another physical type, and the column."""
    for name in pinned_schema().names:
        place = data.find(bytes([0x18, len(name)]) + name.encode(), footer_of(data)) - 3
        if (
            place > 0 and data[place - 1] == 0x15
        ):  # field 1 of a schema's element: its type, before how often it repeats
            for kind in _KINDS:
                if data[place] != 2 * kind:
                    yield name, data[:place] + bytes([2 * kind]) + data[place + 1 :]


def told(file: Path, *readers: Callable[[], object]) -> bool:
    """Have a file read; return whether somebody said that it is damaged. Whoever says so names it."""
    found = False
    for read in readers:
        try:
            read()
        except IntegrityError as error:
            if file.name not in str(error):
                raise
            found = True
    return found


def _asked_for(file: Path, name: str) -> object:
    return read_file(file, ["writer_seq", "record"], pc.field(name).is_valid())


def main(table: Path, file: Path, step: int) -> None:
    """Damage a file of a table, one bit after another; say how often it was, and how often some reader said so."""
    whole = file.read_bytes()
    found = []
    for name, damaged in retyped(whole):
        file.write_bytes(damaged)
        found.append(
            told(file, lambda: list(misdescribed(TableReader(table, 10), 1, {})), partial(_asked_for, file, name))
        )
    names = cycle(STATISTICS)
    for at, damaged in enumerate(flips(whole, step)):
        if at % _FILTERED == 0:
            file.write_bytes(damaged)
            told(file, partial(_asked_for, file, next(names)))
        found.append(told(file, lambda damaged=damaged: list(groups_in(file, damaged))))
    file.write_bytes(whole)
    print(len(found), sum(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
