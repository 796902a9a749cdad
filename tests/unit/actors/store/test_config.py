"""The store's configuration."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from actors.store.config import StoreConfig, WebhookConfig


def test_the_default_database_is_in_home() -> None:
    """Without a URL the state lies in home; with one, that is used."""
    assert StoreConfig().url(Path("/h")) == "sqlite:////h/state.db"
    assert StoreConfig.model_validate({"database_url": "postgresql://db/w"}).url(Path("/h")) == "postgresql://db/w"


def test_secrets_do_not_show() -> None:
    """Neither a database password nor a webhook secret appears in a dump or representation."""
    webhook = {"url": "https://hooks.example/x", "secret": "sixteen-or-more-characters"}
    config = StoreConfig.model_validate({"database_url": "postgresql://u:passw0rd@db/w", "webhook": webhook})
    shown = repr(config) + config.model_dump_json()
    assert "passw0rd" not in shown
    assert "sixteen" not in shown


@pytest.mark.parametrize(
    "change", [{"secret": "short"}, {"attempts": 0}, {"attempts": 11}, {"extra": 1}, {"url": "no"}]
)
def test_bad_settings_are_refused(change: dict[str, object]) -> None:
    """Values out of bounds and unknown keys are refused."""
    good = {"url": "https://hooks.example/x", "secret": "sixteen-or-more-characters"}
    with pytest.raises(ValidationError):
        WebhookConfig.model_validate(good | change)
