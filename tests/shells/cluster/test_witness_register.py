"""Which witnesses root certifies: added with its key, revoked for good, and invented by nobody."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from actors.base.certificates import role_keys
from actors.base.errors import ConfigurationError, HomeError, InvalidRequest, NotFound
from actors.base.signing import SigningKey
from actors.spans.log.checkpoint import origin, witness_keys
from actors.spans.log.note import KeyKind, NoteKey
from actors.store.adapters.revocations import NotedRevocations
from cluster.home import Home
from cluster.local_witnesses import prepare
from cluster.trust import CERTIFIED_S, load_trust
from cluster.witness_register import RENEW_S, WitnessRegister, certify_local, registered
from tests.shells.cluster.cli_home import terminal
from tests.shells.cluster.governed import NOW, Governed, config_of, governed

NAME = "witness.example/1"
CONFIG = config_of("a", "b", quorum=0.6)


@pytest.fixture
def system(tmp_path: Path) -> Governed:
    """Return a home with a policy."""
    made = governed(tmp_path)
    made.up(CONFIG)
    return made


def register(system: Governed) -> WitnessRegister:
    """Return the register of a home under the test's clock."""
    return WitnessRegister(system.home, CONFIG, system.operators, system.database, system.clock)


def witness(seed: bytes = b"w", name: str = NAME) -> NoteKey:
    """Return a witness's key."""
    return NoteKey(name, KeyKind.COSIGNATURE, SigningKey.from_seed(seed * 32).public)


def counting(home: Home, now_s: int = NOW) -> list[NoteKey]:
    """Return whom a verifier with a copy of the bundle counts."""
    return witness_keys(load_trust(home.trust_file), now_s)


def test_a_witness_is_added_once_and_again_before_its_certificate_ends(system: Governed) -> None:
    """By root's key, and nothing else in the bundle changes; one that counts for long needs nothing."""
    before = load_trust(system.home.trust_file)
    assert register(system).add([witness(), witness()]) == [witness()]
    assert register(system).add([witness()]) == []
    assert counting(system.home) == [witness()]
    after = load_trust(system.home.trust_file)
    assert after.certificates[:-1] == before.certificates
    system.now_s += CERTIFIED_S - RENEW_S
    assert register(system).add([witness()]) == [witness()]
    assert counting(system.home, NOW + CERTIFIED_S) == [witness()]


def test_what_cannot_be_a_witness_is_refused(system: Governed) -> None:
    """A key of another kind or role, the log's name, root, a key with another name; then nothing of the command is done."""
    trust = load_trust(system.home.trust_file)
    (log,) = role_keys(trust, "log", NOW).values()
    root = SigningKey.load(system.operators / "root.key").public
    wrong: Iterable[tuple[NoteKey, str]] = [
        (NoteKey(NAME, KeyKind.ED25519, witness().public), "kind 4"),
        (NoteKey(NAME, KeyKind.COSIGNATURE, log), "certified as log"),
        (witness(name=origin(trust)), "log's own name"),
        (NoteKey(NAME, KeyKind.COSIGNATURE, root), "root's"),
        (witness(b"o", "witness.example/2"), "certified as witness witness.example/3"),
    ]
    for key, reason in wrong:
        with pytest.raises(InvalidRequest, match=reason):
            register(system).add([witness(), witness(b"o", "witness.example/3"), key])
        assert load_trust(system.home.trust_file) == trust


def test_a_revoked_witness_counts_no_more_and_never_again(system: Governed) -> None:
    """With every key that it has; noted, so that a bundle of before proves nothing, and its key cannot come back."""
    register(system).add([witness(), witness(b"x"), witness(b"o", "witness.example/2")])
    older = system.home.trust_file.read_bytes()
    system.now_s += 5
    gone = register(system).revoke(NAME, "stolen")
    assert {each.key for each in gone} == {witness().text, witness(b"x").text}
    assert counting(system.home, NOW + 5) == [witness(b"o", "witness.example/2")]
    assert NotedRevocations(system.database).since().keys() >= {witness().public.key_id}
    with pytest.raises(InvalidRequest, match="was revoked"):
        register(system).add([witness()])
    with pytest.raises(NotFound, match="no witness"):
        register(system).revoke(NAME, "again")
    states = [each.state for each in registered(load_trust(system.home.trust_file), NOW + 5)]
    assert states == ["revoked", "revoked", "counts"]
    system.home.trust_file.write_bytes(older)
    with pytest.raises(HomeError, match="lacks the revocation"):
        register(system).add([witness(b"n", "witness.example/4")])


def test_without_root_s_key_nothing_changes(system: Governed, tmp_path: Path) -> None:
    """It is asked for, or another root's is refused."""
    before = system.home.trust_file.read_bytes()
    (system.operators / "root.key").rename(tmp_path / "root.key")
    with pytest.raises(HomeError, match=r"bring root\.key back"):
        register(system).add([witness()])
    SigningKey.from_seed(b"r" * 32).save(system.operators / "root.key")
    with pytest.raises(HomeError, match="not the root key"):
        register(system).add([witness()])
    assert system.home.trust_file.read_bytes() == before


def test_those_of_this_machine_are_certified_where_root_is(system: Governed, tmp_path: Path) -> None:
    """At every ``up`` as often as needed; where root's key is away they run all the same, and who does not count is told."""
    trust = load_trust(system.home.trust_file)
    keys = [each.config.note_key for each in prepare(system.home, 2, trust, tmp_path / "away")]
    (system.operators / "root.key").rename(tmp_path / "root.key")
    assert certify_local(system.home, system.operators, keys, NOW) == [key.name for key in keys]
    (tmp_path / "root.key").rename(system.operators / "root.key")
    for _ in range(2):
        assert certify_local(system.home, system.operators, keys, NOW) == []
    assert counting(system.home) == keys
    assert len(load_trust(system.home.trust_file).certificates) == len(trust.certificates) + 2
    system.up(CONFIG)
    register(system).revoke(keys[0].text, "stolen")
    assert certify_local(system.home, system.operators, keys, NOW) == [keys[0].name]


def test_the_command_line_adds_lists_and_revokes(system: Governed, monkeypatch: pytest.MonkeyPatch) -> None:
    """As each witness prints its key; what is none is a usage error, and `verify` counts by the file alone."""
    shell = terminal(system, monkeypatch)
    other = witness(b"o", "witness.example/2").text
    result = shell.run("witnesses", "add", witness().text, other)
    assert (result.exception, "certified: witness.example/1, witness.example/2" in result.output) == (None, True)
    assert "none that was not before" in shell.run("witnesses", "add", other).output
    told = shell.run("witnesses", "revoke", NAME, "--reason", "stolen", "--json")
    assert json.loads(told.stdout) == [{"key": witness().text, "name": NAME}]
    listed = json.loads(shell.run("witnesses", "list", "--json").stdout)
    assert [(each["name"], each["state"]) for each in listed] == [(NAME, "revoked"), ("witness.example/2", "counts")]
    assert "revoked" in shell.run("witnesses", "list").output
    assert isinstance(shell.run("witnesses", "add", "x").exception, ConfigurationError)
