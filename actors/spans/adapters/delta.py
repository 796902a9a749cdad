"""Delta's table, wherever it lies.

Rules:
- A store that cannot be asked whether it holds a table is away, never empty: the library would say that there is none.
- A log that cannot be read is ``StorageUnavailable``, however the library puts it.
- Whoever commits to a bucket does it with a conditional PUT: of two at once one takes effect, and the other is told.

Left out: what is committed (``table``), and the files that it names (``files``, ``objects``).
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlparse

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from deltalake.transaction import PostCommitHookProperties

from actors.base.errors import StorageUnavailable
from actors.spans.adapters.objects import ObjectPath, in_words, storage_options
from actors.spans.place import Place

DELTA_LOG = "_delta_log"
CHECKPOINTS, LOG_KEPT, FILES_KEPT = PROPERTIES = (
    "delta.checkpointInterval",
    "delta.logRetentionDuration",
    "delta.deletedFileRetentionDuration",
)
"""Properties of our tables: commits between checkpoints, how long entries of the log are kept, and marks of removed files."""
CLEANS_NOTHING = PostCommitHookProperties(cleanup_expired_logs=False)
"""Of every commit: entries that a checkpoint stands for go when that is durable, which the library does not wait for."""
_PANIC = "PanicException"
"""Its class has no module that one could import."""


def is_table(path: Place) -> bool:
    """Tell whether there is a table; raise ``StorageUnavailable`` if nobody can tell."""
    if isinstance(path, ObjectPath):
        return any(True for _ in (path / DELTA_LOG).glob("*"))
    return DeltaTable.is_deltatable(str(path))


def open_table(path: Place) -> DeltaTable:
    """Open it at its newest version."""
    return DeltaTable(str(path), storage_options=_options(path))


def create_table(path: Place, schema: pa.Schema, partition: str, configuration: Mapping[str, str | None]) -> DeltaTable:
    """Create it, unless somebody else just did."""
    return DeltaTable.create(
        str(path), schema, mode="ignore", partition_by=[partition], configuration=configuration,
        storage_options=_options(path),
    )  # fmt: skip


@contextlib.contextmanager
def asked(path: Place) -> Iterator[None]:
    """Let whatever keeps a table's log from being read be ``StorageUnavailable``."""
    try:
        yield
    except BaseException as error:
        # ValueError: words that are not UTF-8. Where the log is damaged the library may panic, which is no Exception.
        if isinstance(error, OSError | DeltaError | pa.ArrowException | ValueError) or type(error).__name__ == _PANIC:
            raise StorageUnavailable(f"the span table in {path} cannot be read: {in_words(error)}") from error
        raise


def file_of(path: Place, uri: str) -> Place:
    """Return the file that Delta calls by a URI."""
    if isinstance(path, ObjectPath):
        return path / unquote(uri.removeprefix(f"{path}/"))
    return Path(unquote(urlparse(uri).path) if uri.startswith("file:") else uri)


def _options(path: Place) -> dict[str, str] | None:
    return storage_options(path.location) if isinstance(path, ObjectPath) else None
