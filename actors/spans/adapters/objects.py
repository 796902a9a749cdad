"""Files of the spans table in a bucket of an S3-compatible store.

Rules:
- Credentials and region come from where Amazon's own tools take them (environment, ``~/.aws``, the instance): they are in no
  configuration, message or commit of ours.
- Every request ends: after a timeout, and so many repetitions.
- An object is there whole or not at all, and durable when the store has said so. None is ever renamed.
- What is not there is ``FileNotFoundError``. Whatever else goes wrong is ``StorageUnavailable``: bytes that nobody could fetch
  are not damaged.

Left out: writing in order (``files``), Delta's commits (``delta``), making buckets.
"""

import contextlib
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pyarrow as pa
from deltalake.exceptions import DeltaError
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import AwsStandardS3RetryStrategy, FileSelector, FileType, S3FileSystem

from actors.base.errors import StorageUnavailable
from actors.spans.place import Location

_FAILURES = (OSError, DeltaError, pa.ArrowException, ValueError)
"""What clients raise."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PAUSE_MS = 1000
"""Longest wait before a request is repeated."""


def storage_options(location: Location) -> dict[str, str]:
    """Return what Delta's library is told of a store: no secret is among it."""
    request_ms = round(1000 * location.timeout_s)
    options = {
        "aws_conditional_put": "etag",  # a commit is a PUT with If-None-Match: of two at once, the store takes one
        "AWS_REGION": _region(),
        "timeout": f"{request_ms}ms",
        "connect_timeout": f"{request_ms}ms",
        "max_retries": str(location.retries),
        "retry_timeout": f"{(location.retries + 1) * (request_ms + _PAUSE_MS)}ms",
        "backoff_config.init_backoff": "100ms",
        "backoff_config.max_backoff": f"{_PAUSE_MS}ms",
    }
    if _are_in_a_file():
        options["aws_force_credential_load"] = "true"  # the library looks into files only then
    if location.endpoint:
        options["aws_endpoint_url"] = location.endpoint
        options["aws_allow_http"] = str(location.endpoint.startswith("http://")).lower()
    return options


def _are_in_a_file() -> bool:
    """Tell whether credentials are a file's to give."""
    file = os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"
    return "AWS_ACCESS_KEY_ID" not in os.environ and Path(file).expanduser().is_file()


def _region() -> str:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


@lru_cache(maxsize=8)
def _client(location: Location) -> Any:  # noqa: ANN401 - pyarrow has no types
    endpoint = urlsplit(location.endpoint)
    return S3FileSystem(
        region=_region(), scheme=endpoint.scheme or None, endpoint_override=endpoint.netloc or None,
        request_timeout=location.timeout_s, connect_timeout=location.timeout_s, allow_delayed_open=True,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=location.retries + 1),
    )  # fmt: skip


@lru_cache(maxsize=8)
def _remover(location: Location) -> DeltaStorageHandler:
    """Return what removes objects: pyarrow would put an empty one in place of the folder."""
    return DeltaStorageHandler(location.url, storage_options(location))


@dataclass(frozen=True, slots=True)
class _Size:
    st_size: int


@dataclass(frozen=True, slots=True)
class ObjectPath:
    """An object, or what names of objects begin with; see ``place.Place``."""

    location: Location
    key: str = ""
    """Below the location's URL."""

    def __str__(self) -> str:
        return f"{self.location.url}/{self.key}" if self.key else self.location.url

    @property
    def name(self) -> str:
        """Return the last part."""
        return str(self).rpartition("/")[2]

    @property
    def _path(self) -> str:
        return str(self).removeprefix("s3://")

    def __truediv__(self, name: str, /) -> "ObjectPath":
        return ObjectPath(self.location, f"{self.key}/{name}" if self.key else name)

    def exists(self) -> bool:
        """Tell whether there is an object of this name."""
        return self._found() is not None

    def stat(self) -> _Size:
        """Return its size."""
        size = self._found()
        if size is None:
            raise FileNotFoundError(f"there is no {self}")
        return _Size(size)

    def _found(self) -> int | None:
        with _told(self):
            (found,) = _client(self.location).get_file_info([self._path])
            return found.size if found.type == FileType.File else None

    def glob(self, pattern: str, /) -> "Iterator[ObjectPath]":
        """Yield the objects directly below whose names match; a bucket that is not there is not one that is empty."""
        with _told(self):
            client = _client(self.location)
            found = client.get_file_info(FileSelector(self._path, allow_not_found=True))
            if not found and client.get_file_info(self._path.partition("/")[0]).type == FileType.NotFound:
                raise StorageUnavailable(f"the bucket of {self.location.url} is not there: make it")
        names = sorted(each.base_name for each in found if each.type == FileType.File)
        return iter([self / name for name in names if fnmatchcase(name, pattern)])

    def read_bytes(self) -> bytes:
        """Return all of it."""
        with _told(self), _client(self.location).open_input_file(self._path) as file:
            return cast("bytes", file.read())

    def opened(self) -> "ObjectFile":
        """Open it for reading piece by piece."""
        with _told(self):
            return ObjectFile(self, _client(self.location).open_input_file(self._path))

    def write_bytes(self, data: bytes) -> None:
        """Write it; it is durable afterwards."""
        with _told(self), _client(self.location).open_output_stream(self._path) as file:
            file.write(data)

    def unlink(self, missing_ok: bool = False) -> None:
        """Take it away. The store does not say whether there was anything."""
        with contextlib.suppress(*([FileNotFoundError] if missing_ok else [])), _told(self):
            _remover(self.location).delete_file(self.key)


class ObjectFile(io.RawIOBase):
    """An object that is read piece by piece, as pyarrow reads files."""

    def __init__(self, path: ObjectPath, file: Any) -> None:  # noqa: ANN401 - an Arrow file
        self._path, self._file = path, file

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be read from anywhere."""
        return True

    def size(self) -> int:
        """Return how many bytes it has."""
        with _told(self._path):
            return cast("int", self._file.size())

    def tell(self) -> int:
        """Return where it is read."""
        return cast("int", self._file.tell())

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go on elsewhere."""
        with _told(self._path):
            return cast("int", self._file.seek(offset, whence))

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes."""
        with _told(self._path):
            return cast("bytes", self._file.read(None if size < 0 else size))


@contextlib.contextmanager
def _told(path: ObjectPath) -> Iterator[None]:
    """Let what a client raises be this project's error."""
    try:
        yield
    except FileNotFoundError:
        raise
    except _FAILURES as error:
        raise StorageUnavailable(f"{path} cannot be reached: {in_words(error)}") from error


def in_words(error: BaseException) -> str:
    """Return what a client says, in one line without colours."""
    return " ".join(_COLOUR.sub("", str(error)).replace("\u21b3", ":").split())
