"""Where files of the spans table lie: in a directory, or in a bucket of an S3-compatible store.

Rules:
- ``Place`` is all that whoever reads the table may ask of a file: a ``pathlib.Path`` has it, and so has
  ``adapters.objects.ObjectPath``. How files are written is ``adapters.files``.
- A location holds no secret: it is shown in messages and lies in the home.

Left out: credentials, which the store's client takes from the environment.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Location:
    """Where a home's table lies, and how long its store may take to answer."""

    url: str = ""
    """``s3://<bucket>/<prefix>``; empty: the home's own directory."""
    endpoint: str = ""
    """Base URL of the store; empty: Amazon's."""
    timeout_s: float = 5.0
    """Longest that one request may take."""
    retries: int = 2
    """How often one is repeated that may be."""


AT_HOME = Location()


class Sized(Protocol):
    """What is known of a file."""

    @property
    def st_size(self) -> int:
        """Return its size in bytes."""
        ...


class Place(Protocol):
    """A file or folder of the table. Raises ``FileNotFoundError`` like ``pathlib.Path`` where nothing is there."""

    @property
    def name(self) -> str:
        """Return the last part."""
        ...

    def __truediv__(self, name: str, /) -> "Place":
        """Return what lies below it under a name."""
        ...

    def exists(self) -> bool:
        """Tell whether something is there."""
        ...

    def glob(self, pattern: str, /) -> "Iterator[Place]":
        """Yield what lies directly below it under names of a pattern."""
        ...

    def read_bytes(self) -> bytes:
        """Return all of it."""
        ...

    def stat(self) -> Sized:
        """Return how large it is."""
        ...

    def unlink(self, missing_ok: bool = False) -> None:
        """Take it away."""
        ...


def below(root: Place, file: Place) -> str:
    """Return a file's name below a root; raise ``ValueError`` if it does not lie there."""
    name = str(file).removeprefix(f"{root}/")
    if name == str(file):
        raise ValueError(f"{file} does not lie in {root}")
    return name
