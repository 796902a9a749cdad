"""Decisions made in memory for whatever accounts for them, and processes to hold dead."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.shells.cluster.acceptance.stubborn import Stubborn
from tests.unit.actors.consensus import conftest as consensus

trust_chain = consensus.trust_chain
make_world = consensus.make_world


@pytest.fixture
def stubborn() -> Iterator[Stubborn]:
    """Yield something to hold dead; nothing of it outlives the test."""
    with ExitStack() as stack:
        yield Stubborn(stack)
