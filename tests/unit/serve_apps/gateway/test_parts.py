"""Voters of a replica, from its settings."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from actors.base.errors import ConfigurationError, IntegrityError
from actors.consensus.config import ConsensusConfig
from actors.policy.config import PolicyConfig
from actors.spans.config import SpansConfig
from actors.store.adapters.revocations import NotedRevocations
from actors.store.config import StoreConfig
from cluster.trust import load_trust
from serve_apps.gateway.parts import build_parts, recorded_voters
from serve_apps.gateway.settings import GatewaySettings, RecordedSettings
from tests.shells.cluster.governed import NOW, governed


def settings_of(tmp_path: Path, **more: Any) -> GatewaySettings:
    """Return settings with the given voters."""
    domains = {"consensus": ConsensusConfig(), "policy": PolicyConfig(), "spans": SpansConfig(), "store": StoreConfig()}
    return GatewaySettings(home=tmp_path, config_sha256="0" * 64, profile="t", **domains, **more)


def test_a_replica_that_starts_believes_no_older_bundle(tmp_path: Path) -> None:
    """A trust bundle without a revocation that was noted stops it; without the database it serves all the same."""
    system = governed(tmp_path)
    database = system.home.root / "state.db"
    NotedRevocations(system.database).note({"f" * 16: NOW})
    with pytest.raises(IntegrityError, match="lacks the revocation of ffff"):
        build_parts(settings_of(system.home.root))
    system.database.close()
    for path in system.home.root.glob("state.db*"):
        path.unlink()
    database.mkdir()
    parts = build_parts(settings_of(system.home.root))
    assert parts.trust() == load_trust(system.home.trust_file)
    parts.sink.close()


def test_recorded_answers_are_the_configured_ones(tmp_path: Path) -> None:
    """A file that changed since bring-up gives no voters but one line that names it."""
    file = tmp_path / "a.jsonl"
    file.write_text(
        json.dumps({"default": True, "voter": "a", "family": "f", "lineage": "l", "answers": [{"content": "x"}]})
    )
    pinned = RecordedSettings(path=file, sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    assert list(recorded_voters(settings_of(tmp_path, recorded=(pinned,)))) == ["a"]
    file.write_text(file.read_text() + "\n")
    with pytest.raises(ConfigurationError, match=r"a\.jsonl: hashes to") as caught:
        recorded_voters(settings_of(tmp_path, recorded=(pinned,)))
    assert "\n" not in str(caught.value)
