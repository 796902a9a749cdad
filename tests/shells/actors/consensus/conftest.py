"""The fixtures of this domain's unit tests."""

from tests.unit.actors.consensus.conftest import *  # noqa: F403
