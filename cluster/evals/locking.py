"""One process at a time: an advisory lock on a file, taken at once or refused.

Rules: it is ``flock``, so it dies with the process, whatever kills it; nobody waits, for who holds it may need hours.
"""

from pathlib import Path
from typing import BinaryIO

from actors.base import locks
from actors.base.errors import ConfigurationError


def hold(path: Path, busy: str) -> BinaryIO:
    """Open ``path``, made if it is missing, and lock it until it is closed; raises ``ConfigurationError`` that says ``busy``."""
    file = path.open("a+b")
    if not locks.hold(file.fileno()):
        file.close()
        raise ConfigurationError(busy)
    return file


def hold_folder(folder: Path) -> BinaryIO:
    """Lock the folder that evaluations keep their verdicts in, made if it is missing, until what is returned is closed."""
    folder.mkdir(parents=True, exist_ok=True)
    return hold(folder / "verdicts.lock", f"another evaluation is using {folder}; let it end, or give another --home")
