"""Reads rows of the spans table, file by file, for whoever takes them elsewhere.

Rules:
- Rows are read as the log's check reads them: page checksums, types, one form. A row that is not what was written stops it.
- What is in memory is one file at most, and a line's rows of it.
"""

from collections.abc import Iterator
from typing import Literal, cast

import pyarrow as pa
import pyarrow.compute as pc

from actors.spans.adapters.reading import TableReader
from actors.spans.columns import Rows, pinned_schema, rows_of

LINE_ROWS = 512
Origin = Literal["all", "own", "external"]


def exported(table: TableReader, since_ns: int, origin: Origin = "all") -> Iterator[list[Rows]]:
    """Yield the rows that began at ``since_ns`` or later, some hundred at a time, in the order of the log.

    Raises ``StorageUnavailable`` or ``IntegrityError`` like the table.
    """
    wanted = pc.field("start_unix_nano") >= since_ns
    if origin != "all":
        external = pc.field("sender").is_valid()
        wanted &= external if origin == "external" else ~external
    for file in table.numbered_files():
        rows = cast("pa.Table", table.read_file(file.path, pinned_schema().names, wanted))
        for at in range(0, len(rows), LINE_ROWS):
            yield rows_of(rows.slice(at, LINE_ROWS))
