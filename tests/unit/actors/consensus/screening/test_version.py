"""The version names the rules."""

import hashlib
from pathlib import Path

from actors.consensus.screening import version

ROOT = Path(version.__file__).parents[3]
RULES = ("actors/consensus/screening/*.py", "actors/consensus/adapters/bandit.py")


def test_the_version_is_that_of_the_sources() -> None:
    """A rule that changes changes the version; the message tells the new value."""
    files = sorted(file for pattern in RULES for file in ROOT.glob(pattern) if file.name != "version.py")
    digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()[:12]
    assert digest == version.RULES_DIGEST, f"the rules changed: set RULES_DIGEST to {digest}"


def test_bandit_is_named_too() -> None:
    """Another release of Bandit is another version."""
    assert f"{version.RULES_DIGEST}+bandit-{version.BANDIT_VERSION}" == version.SCREENING_VERSION
