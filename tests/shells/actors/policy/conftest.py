"""The fixtures of this domain's unit tests."""

from tests.unit.actors.policy.conftest import *  # noqa: F403
