"""What a command can still do with a configuration that cannot be read as a whole."""

import json
from pathlib import Path

import pytest
import yaml

from actors.base.errors import HomeError
from tests.shells.cluster.cli_home import Terminal, terminal
from tests.shells.cluster.governed import governed


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Return a shell beside a home."""
    return terminal(governed(tmp_path), monkeypatch)


def test_api_keys_need_the_store_s_section_alone(shell: Terminal) -> None:
    """A key is made, listed, replaced and revoked while another section is another build's."""
    shell.system.home.config_file.write_text(yaml.safe_dump({"profile": "t", "supervisor": {"removed": 1}}))
    made = shell.told("keys", "create", "--role", "client")
    new = shell.told("keys", "rotate", made["id"])
    assert shell.told("keys", "revoke", new["id"])["revoked_at_ms"] is not None
    listed = json.loads(shell.run("keys", "list", "--json").stdout)
    assert {item["id"] for item in listed if item["revoked_at_ms"] is not None} == {made["id"], new["id"]}


@pytest.mark.parametrize("store", [{"removed": 1}, {"database_url": 7}, "none"])
def test_keys_are_never_made_in_a_database_that_was_guessed(shell: Terminal, store: object) -> None:
    """Of a store's section that cannot be read whole nobody knows whether it names another database."""
    shell.system.home.config_file.write_text(yaml.safe_dump({"profile": "t", "store": store}))
    for words in (("list",), ("create", "--role", "client")):
        assert isinstance(shell.run("keys", *words).exception, HomeError)
