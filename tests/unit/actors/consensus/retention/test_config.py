"""Whose content is kept."""

import pytest
from pydantic import ValidationError

from actors.consensus.retention.config import ContentConfig


def test_nothing_is_kept_unless_it_is_said() -> None:
    """Off by default; by name, or for all."""
    assert (ContentConfig().on, ContentConfig().keeps("acme")) == (False, False)
    named = ContentConfig(tenants=("acme",))
    assert (named.on, named.keeps("acme"), named.keeps("other")) == (True, True, False)
    assert ContentConfig(tenants=("*",)).keeps("anybody")


@pytest.mark.parametrize("bad", [{"max_bytes": 0}, {"max_age_days": 0}, {"max_files": 1}, {"keep": True}])
def test_the_bounds_are_bounded(bad: dict[str, object]) -> None:
    """No store without an end, and no unknown key."""
    with pytest.raises(ValidationError):
        ContentConfig.model_validate(bad)
