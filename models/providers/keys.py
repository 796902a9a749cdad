"""A provider's key: from one environment variable or one file, both named by whoever configures the voter.

Rules: one source is named and only that one is read; a file that others may read is refused; no message carries a key,
and no key has characters that could end a header.
"""

import os
import stat
from pathlib import Path

MAX_KEY_CHARS = 4096


class KeyMissing(Exception):
    """A key cannot be had; the message names the place and what to change."""


def read_key(*, env: str | None = None, file: Path | None = None) -> str:
    """Return the key from exactly one of an environment variable and a file; raises ``KeyMissing``."""
    if (env is None) == (file is None):
        raise KeyMissing("name either an environment variable or a file that holds the key, not both and not none")
    if env is not None:
        return _checked(os.environ.get(env, ""), f"the environment variable {env}")
    if file is None:
        raise AssertionError
    return _checked(_text_of(file), f"the file {file}")


def _text_of(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            if stat.S_IMODE(os.fstat(opened.fileno()).st_mode) & 0o077:
                raise KeyMissing(f"others can read the file {file}: chmod 600 it")
            return opened.read(MAX_KEY_CHARS + 2).decode("ascii", "replace")
    except OSError as error:
        raise KeyMissing(f"the file {file} with the key cannot be read: {error.strerror}") from error


def _checked(text: str, place: str) -> str:
    key = text.strip()
    if not key:
        raise KeyMissing(f"{place} holds no key: put it there")
    if len(key) > MAX_KEY_CHARS or not all("!" <= character <= "~" for character in key):
        raise KeyMissing(
            f"{place} holds something that is no key: one line of visible ASCII, at most {MAX_KEY_CHARS} long"
        )
    return key
