"""What every suite shares: hypothesis profiles and the shared data."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

# Wall time is no property of the code; in CI the same examples are drawn every time.
settings.register_profile("local", deadline=None, max_examples=25)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of public vectors and traces beside the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"shared data is not there: {SHARED_DATA}")
    return SHARED_DATA
