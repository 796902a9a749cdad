"""Following ``trust.json`` while it changes."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.base.canonical import canonical_json
from actors.base.certificates import Revocation, TrustBundle, certify, revoke
from actors.base.errors import HomeError, IntegrityError
from actors.base.signing import SigningKey
from actors.policy.adapters.trust_file import TrustFile

Realm = Any
Incidents = Any


def put(path: Path, data: bytes) -> None:
    """Replace the file as its writers do."""
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(data)
    temporary.rename(path)


@pytest.fixture
def path(tmp_path: Path, realm: Realm) -> Path:
    """Return a bundle on disk."""
    put(tmp_path / "trust.json", canonical_json(realm.trust))
    return tmp_path / "trust.json"


def grown(realm: Realm) -> TrustBundle:
    """Return the realm's bundle with one more policy key."""
    certificate = certify(realm.root, realm.certificate("policy", SigningKey.from_seed(b"n" * 32)))
    return msgspec.structs.replace(realm.trust, certificates=[*realm.trust.certificates, certificate])


def test_a_new_certificate_is_in_force_at_the_next_look(path: Path, realm: Realm, incidents: Incidents) -> None:
    """No restart is needed for a key that root certified."""
    source = TrustFile(path, incidents)
    assert source() == realm.trust
    put(path, canonical_json(grown(realm)))
    assert source() == grown(realm)
    assert incidents.opened == []


def test_an_unchanged_file_is_not_read(path: Path, incidents: Incidents, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at an unchanged file is a ``stat``."""
    source = TrustFile(path, incidents)

    def read(_: Path) -> bytes:
        raise AssertionError("read again")

    monkeypatch.setattr(Path, "read_bytes", read)
    assert source().certificates


def test_another_root_is_refused_once(path: Path, realm: Realm, incidents: Incidents) -> None:
    """Whoever replaces the whole bundle by one of his own root is not believed, and it is an incident."""
    source = TrustFile(path, incidents)
    stranger = TrustBundle("weavergen.trust/1", realm.stranger.public.hex, [], [])
    put(path, canonical_json(stranger))
    assert [source().root, source().root] == [realm.root.public.hex] * 2
    assert [kind for kind, _ in incidents.opened] == ["trust_refused"]
    assert "another root" in incidents.opened[0][1]["reason"]


def revoked(realm: Realm) -> TrustBundle:
    """Return the grown bundle in which one key is revoked."""
    revocation = revoke(realm.root, Revocation("f" * 16, 7, "stolen"))
    return msgspec.structs.replace(grown(realm), revocations=[revocation])


@pytest.mark.parametrize("lacks", ["certificates", "revocations", "order"])
def test_an_older_bundle_is_refused_once(path: Path, realm: Realm, incidents: Incidents, lacks: str) -> None:
    """A bundle that root signed before a key was revoked or certified does not take the newer one's place."""
    put(path, canonical_json(revoked(realm)))
    source, now = TrustFile(path, incidents), revoked(realm)
    older = {
        "certificates": msgspec.structs.replace(now, certificates=realm.trust.certificates),
        "revocations": grown(realm),
        "order": msgspec.structs.replace(now, certificates=now.certificates[::-1]),
    }[lacks]
    put(path, canonical_json(older))
    assert (source(), source()) == (now, now)
    assert [kind for kind, _ in incidents.opened] == ["trust_refused"]
    put(path, canonical_json(now))
    assert source() == now


@pytest.mark.parametrize(
    ("noted", "whole"), [({}, True), ({"f" * 16: 7}, True), ({"f" * 16: 6}, False), ({"e" * 16: 7}, False)]
)
def test_a_start_believes_no_bundle_that_lacks_a_noted_revocation(
    path: Path, realm: Realm, incidents: Incidents, noted: dict[str, int], whole: bool
) -> None:
    """A key that was seen revoked is not believed again because a process starts anew; it is an incident."""
    put(path, canonical_json(revoked(realm)))
    if whole:
        assert TrustFile(path, incidents, noted)() == revoked(realm)
        return
    with pytest.raises(IntegrityError, match="lacks the revocation"):
        TrustFile(path, incidents, noted)
    assert [kind for kind, _ in incidents.opened] == ["trust_refused"]


def test_a_lost_or_damaged_file_leaves_the_bundle_in_force(path: Path, realm: Realm, incidents: Incidents) -> None:
    """Each is one incident; a good file afterwards is taken."""
    source = TrustFile(path, incidents)
    put(path, b"garbage")
    assert (source(), source()) == (realm.trust, realm.trust)
    path.unlink()
    assert (source(), source()) == (realm.trust, realm.trust)
    assert len(incidents.opened) == 2
    put(path, canonical_json(grown(realm)))
    assert source() == grown(realm)


def test_without_a_file_nothing_begins(tmp_path: Path, incidents: Incidents) -> None:
    """A process that starts needs somebody to believe."""
    with pytest.raises(HomeError, match="weavergen up"):
        TrustFile(tmp_path / "none", incidents)
