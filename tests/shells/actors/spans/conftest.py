"""The fixtures of this domain's unit tests."""

from tests.unit.actors.spans.conftest import *  # noqa: F403
