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
from models.http1 import ConnectionPool
from models.openai_http import OpenAIHttpVoter
from serve_apps.gateway.parts import build_parts, http_voters, recorded_voters
from serve_apps.gateway.settings import GatewaySettings, OpenAIVoterSettings, RecordedSettings
from tests.shells.cluster.governed import NOW, governed


def settings_of(tmp_path: Path, **more: Any) -> GatewaySettings:
    """Return settings with the given voters."""
    domains = {"consensus": ConsensusConfig(), "policy": PolicyConfig(), "spans": SpansConfig(), "store": StoreConfig()}
    return GatewaySettings(home=tmp_path, config_sha256="0" * 64, profile="t", **domains, **more)


def remote(**more: Any) -> OpenAIVoterSettings:
    """Return the settings of one voter behind a server."""
    base = {"id": "v", "family": "f", "lineage": "l", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
    return OpenAIVoterSettings(**base | more)


def sent_by(tmp_path: Path, voter: OpenAIVoterSettings) -> bytes:
    """Return a request as the voter would send it."""
    made = http_voters(settings_of(tmp_path, openai_voters=(voter,)), ConnectionPool(1))[voter.id]
    assert isinstance(made, OpenAIHttpVoter)
    return made._endpoint.encode(b"")


def test_a_voter_sends_the_key_it_was_given_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without a key gets no authorization header at all; a key that was promised and is missing is refused."""
    monkeypatch.setenv("SOME_KEY", "s3cret")
    monkeypatch.delenv("NO_KEY", raising=False)
    assert b"Authorization: Bearer s3cret\r\n" in sent_by(tmp_path, remote(api_key_env="SOME_KEY"))
    assert b"Authorization" not in sent_by(tmp_path, remote())
    with pytest.raises(ConfigurationError, match="voter v: the environment variable NO_KEY"):
        sent_by(tmp_path, remote(api_key_env="NO_KEY"))


@pytest.mark.parametrize("base_url", ["ftp://h/v1", "h/v1", "http://h\r\nX: y/v1", "http://"])
def test_an_address_no_request_can_go_to_is_refused(tmp_path: Path, base_url: str) -> None:
    """The complaint is one line and names the voter and the field."""
    with pytest.raises(ConfigurationError, match="voter v: base_url") as caught:
        sent_by(tmp_path, remote(base_url=base_url))
    assert "\n" not in str(caught.value)


def test_a_key_is_never_part_of_a_complaint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of two lines cannot be sent, and is not shown either."""
    monkeypatch.setenv("SOME_KEY", "s3c\nret")
    with pytest.raises(ConfigurationError) as caught:
        sent_by(tmp_path, remote(api_key_env="SOME_KEY"))
    assert "s3c" not in str(caught.value)


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
