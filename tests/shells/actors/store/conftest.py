"""The fixtures of this domain's unit tests."""

from tests.unit.actors.store.conftest import *  # noqa: F403
