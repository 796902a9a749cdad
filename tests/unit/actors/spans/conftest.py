"""Fixtures of the spans tests."""

from pathlib import Path

import pytest

from tests.unit.actors.spans.telemetry import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return an empty home."""
    return Home(tmp_path)
