"""The versions name the sources of what groups answers."""

import hashlib
from pathlib import Path

import pytest

from actors.consensus.retention import versions

ROOT = Path(versions.__file__).parents[3]
CONSENSUS = "actors/consensus"
READING = (f"{CONSENSUS}/reading/*.py", f"{CONSENSUS}/readable.py", f"{CONSENSUS}/grouping.py", f"{CONSENSUS}/own.py")
BEHAVIOUR = (
    f"{CONSENSUS}/behaviour/*.py", f"{CONSENSUS}/sandbox/protocol.py", f"{CONSENSUS}/sandbox/decoding.py",
    f"{CONSENSUS}/sandbox/adapters/harness.py", f"{CONSENSUS}/reading/examples*.py", f"{CONSENSUS}/reading/context.py",
)  # fmt: skip


@pytest.mark.parametrize(("name", "patterns"), [("READING_DIGEST", READING), ("BEHAVIOUR_DIGEST", BEHAVIOUR)])
def test_a_version_is_that_of_its_sources(name: str, patterns: tuple[str, ...]) -> None:
    """A source that changes changes the version; the message tells the new value."""
    files = sorted(file for pattern in patterns for file in ROOT.glob(pattern))
    digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()[:12]
    assert digest == getattr(versions, name), f"set {name} to {digest}"


def test_the_versions_name_python_too() -> None:
    """Normal forms go through Python's own parser."""
    assert {v.split("+")[1].split("-")[0] for v in (versions.READING_VERSION, versions.BEHAVIOUR_VERSION)} == {"python"}
