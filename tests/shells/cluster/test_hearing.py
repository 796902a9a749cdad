"""Whom whoever checks a log must hear, by root's word and by what lies on this machine, and what is no word of theirs."""

import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from actors.base.canonical import canonical_json
from actors.base.certificates import Revocation, TrustBundle, revoke
from actors.base.errors import HomeError, StorageUnavailable
from actors.base.signing import SigningKey
from actors.spans.config import LogConfig, WitnessConfig
from actors.spans.log.checkpoint import SignedCheckpoint, origin, sign_checkpoint
from actors.spans.log.note import KeyKind, NoteKey, sign_line
from cluster.hearing import Hearing, hear, watchers
from cluster.home import create_home
from cluster.local_witnesses import local_witnesses, lying_in, prepare
from cluster.trust import certified_as
from tests.unit.actors.spans.telemetry import ROOT, Authority

NOW = int(time.time())
KEYS = {name: SigningKey.from_seed(name[-1:].encode() * 32) for name in ("w/1", "w/2", "w/3")}
AUTHORITY = Authority()
TRUST = AUTHORITY.trust()


def with_witnesses(trust: TrustBundle, *keys: NoteKey) -> TrustBundle:
    """Return a bundle in which root certified witnesses as well."""
    added = [certified_as(ROOT, "witness", key.name, key.public, NOW) for key in keys]
    return replace(trust, certificates=[*trust.certificates, *added])


def without(trust: TrustBundle, key: NoteKey) -> TrustBundle:
    """Return a bundle in which root revoked a key."""
    gone = revoke(ROOT, Revocation(key.public.key_id, 0, "stolen"))
    return replace(trust, revocations=[*trust.revocations, gone])


def key(name: str, of: str = "") -> NoteKey:
    """Return a witness's key, or another one's under its name."""
    return NoteKey(name, KeyKind.COSIGNATURE, KEYS[of or name].public)


def named(*keys: NoteKey, port: int = 1) -> LogConfig:
    """Return a profile that names witnesses, each at a port of its own."""
    return LogConfig(
        witnesses=tuple(
            WitnessConfig(url=f"http://127.0.0.1:{number}", key=each.text) for number, each in enumerate(keys, port)
        )
    )


def shown(size: int, *by: str, age_s: int = 0, signer: SigningKey | None = None) -> SignedCheckpoint:
    """Return a checkpoint of the log as witnesses show it."""
    signed = sign_checkpoint(signer or AUTHORITY.key(), origin(TRUST), size, bytes(32), NOW * 1000)
    return signed.cosigned(sign_line(signed.note.text, name, KEYS[name], NOW - age_s) for name in by)


def heard(trust: TrustBundle, log: LogConfig, *answers: SignedCheckpoint | None) -> Hearing:
    """Ask all of a profile's; each port has its answer, ``None`` for nothing signed, and the others nobody who answers."""

    def ask(url: str, _timeout_s: float) -> SignedCheckpoint | None:
        if (at := int(url.rpartition(":")[2]) - 1) < len(answers):
            return answers[at]
        raise StorageUnavailable(f"witness {url} does not answer")

    return hear(watchers(log, (), trust, NOW), trust, 1, 60, ask, lambda: float(NOW))


def test_who_is_certified_is_missed_and_who_is_only_named_is_not() -> None:
    """The profile is the home's word: it adds who is asked, and takes away nobody."""
    trust = with_witnesses(TRUST, key("w/1"), key("w/2"))
    found = heard(trust, named(key("w/1"), key("w/3")), shown(5, "w/1"))
    assert (found.heard, found.wanted, found.missing(None), found.missing(1)) == (["w/1"], 2, True, False)
    assert found.away[0].startswith("witness w/2 was not heard: nobody says where it is")
    assert found.away[1].startswith("witness w/3 was not heard: witness http")
    all_of = heard(trust, named(key("w/1"), key("w/2"), key("w/3")), *(shown(5, name) for name in KEYS))
    assert (all_of.heard, all_of.away, all_of.missing(None), all_of.missing(3)) == (["w/1", "w/2"], [], False, True)
    assert {who: signed.head.size for who, signed in all_of.seen.items()} == {f"witness {name}": 5 for name in KEYS}


def test_who_root_revoked_is_neither_asked_nor_missed() -> None:
    """Nor under a key that the profile names; another key of its name speaks for it, and an old one does not."""
    trust = without(with_witnesses(TRUST, key("w/1"), key("w/2")), key("w/1"))
    assert [each.name for each in watchers(named(key("w/1"), key("w/2")), (), trust, NOW)] == ["w/2"]
    renewed = with_witnesses(trust, key("w/1", "w/3"))
    (first, second) = watchers(named(key("w/1"), key("w/2")), (), renewed, NOW)
    assert (first.name, second.name, second.keys) == ("w/2", "w/1", (key("w/1", "w/3"),))
    assert second.urls == ("http://127.0.0.1:1",)


def test_a_log_that_nobody_watches_is_missed_by_nobody() -> None:
    """Unless somebody says how many there must be."""
    found = heard(TRUST, LogConfig())
    assert (found, found.missing(None), found.missing(1)) == (Hearing(), False, True)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (shown(5), "not signed with the key of that witness"),
        (shown(5, "w/2"), "not signed with the key of that witness"),
        (shown(5, "w/1", age_s=61), "61 s from now"),
        (shown(5, "w/1", age_s=-61), "61 s from now"),
        (None, "has signed nothing yet"),
        (shown(5, "w/1", signer=SigningKey.from_seed(b"s" * 32)), "no trusted log key signed it"),
    ],
)
def test_what_is_not_its_own_word_of_now_is_not_its_word(answer: SignedCheckpoint | None, why: str) -> None:
    """Somebody else's, a recording, nothing, or of another log; what this log's key signed is evidence all the same."""
    found = heard(with_witnesses(TRUST, key("w/1")), named(key("w/1")), answer)
    assert (found.heard, found.missing(None), why in found.away[0]) == ([], True, True)
    theirs = {} if answer is None or "log key" in why else {"whoever is at http://127.0.0.1:1": 5}
    assert {who: signed.head.size for who, signed in found.seen.items()} == theirs


def test_those_of_this_machine_are_found_whatever_the_home_says_of_them(tmp_path: Path) -> None:
    """By the directory that they lie in: certified or not, they are missed, and asked where they are."""
    home, away = create_home(tmp_path / "home"), tmp_path / "away"
    home.trust_file.write_bytes(canonical_json(TRUST))
    made = prepare(home, 2, TRUST, away)
    (home.run / "witnesses.json").unlink()
    assert local_witnesses(home) == ()
    assert lying_in(away, TRUST) == made
    false = WitnessConfig(url="http://127.0.0.1:9", key=made[0].key)
    (first, second) = watchers(LogConfig(witnesses=(false,)), made, TRUST, NOW)
    assert (first.urls, second.urls) == ((made[0].config.url, false.url), (made[1].config.url,))
    assert (first.counts, second.counts) == (True, True)
    assert lying_in(away, without(TRUST, made[0].config.note_key)) == made[1:]
    assert lying_in(tmp_path / "none", TRUST) == ()
    (Path(made[0].folder) / "port").write_text("nonsense")
    with pytest.raises(HomeError, match="WEAVERGEN_WITNESS_DIR"):
        lying_in(away, TRUST)
