"""Brings a spans table that an earlier version made to today's columns, by a commit of its own that changes no file.

Rules:
- Columns are only ever added, at the end and nullable: files from before read as null in them, and rows keep their digests.
- The commit is metadata alone. A crash before it leaves the old table, after it the new one; whoever appends next finds out.
- A table with columns that are not known here is of a newer version and is not written.

Left out: the other migrations of a home (``cluster.migrations``, of the state database).
"""

from deltalake import DeltaTable, Schema
from deltalake.exceptions import DeltaError

from actors.base.errors import StorageUnavailable
from actors.spans.adapters.delta import CLEANS_NOTHING
from actors.spans.columns import table_schema


def add_columns(delta: DeltaTable) -> list[str]:
    """Add the columns that a table lacks; return their names. Raises ``StorageUnavailable`` for a table of a newer version."""
    there = {field.name for field in delta.schema().fields}
    wanted = Schema.from_arrow(table_schema()).fields
    if strange := sorted(there - {field.name for field in wanted}):
        raise StorageUnavailable(
            f"the span table has columns of a newer version ({', '.join(strange)}): use the version that wrote it"
        )
    missing = [field for field in wanted if field.name not in there]
    if missing:
        try:
            delta.alter.add_columns(missing, post_commithook_properties=CLEANS_NOTHING)
        except DeltaError as error:
            raise StorageUnavailable(f"the span table cannot be given its new columns: {error}") from error
    return [field.name for field in missing]
