"""Runs the command line against a governed home, without a gateway."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cluster.cli.main import cli
from cluster.config import GatewayConfig
from tests.shells.cluster.governed import Governed, config_of


@dataclass
class Terminal:
    """A shell on the home's machine."""

    system: Governed

    def run(self, *words: str) -> Result:
        """Run a command; its exception, if it raised one, is in the result."""
        return CliRunner().invoke(cli, [*words, "--home", str(self.system.home.root)], standalone_mode=False)

    def told(self, *words: str) -> dict[str, Any]:
        """Run a command that must succeed and return its JSON."""
        result = self.run(*words, "--json")
        if result.exception is not None:
            raise result.exception
        told: dict[str, Any] = json.loads(result.stdout)
        return told


def terminal(system: Governed, monkeypatch: pytest.MonkeyPatch, port: int = 8000) -> Terminal:
    """Bring a home's policy up and open a shell beside it; its gateway's place is ``port``."""
    monkeypatch.setenv("WEAVERGEN_OPERATOR_DIR", str(system.operators))
    config = config_of("a", "b", quorum=0.6)
    config = config.model_copy(update={"gateway": GatewayConfig(port=port)})
    system.home.write_config(config)
    system.up(config)
    return Terminal(system)
