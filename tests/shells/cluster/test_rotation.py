"""Replacing signing keys while everything goes on, and what stays verifiable."""

import fcntl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.base.canonical import canonical_json, decode
from actors.base.certificates import SignedCertificate, newest_key_id, role_keys, writer_key
from actors.base.errors import HomeError, IntegrityError, NotReady
from actors.base.ids import ulid
from actors.base.signing import SigningKey
from actors.consensus.adapters.decision_log import WalDecisionLog
from actors.consensus.ports import Committed
from actors.policy.adapters.directory import SnapshotDirectory
from actors.policy.adapters.trust_file import TrustFile
from actors.policy.adapters.watcher import PolicyWatcher
from actors.policy.config import PolicyConfig
from actors.policy.snapshot import PolicySnapshot, sign_snapshot
from actors.policy.transitions import halted, isolated
from actors.spans.adapters.sealer import HomeAuthority
from actors.spans.adapters.wal import WalWriter, WriterIdentity
from actors.spans.log.checkpoint import origin, sign_checkpoint
from actors.store.adapters.auth_watcher import AuthWatcher
from actors.store.adapters.revocations import NotedRevocations
from cluster.client import read_key
from cluster.issuer import CertificateRequest, grant
from cluster.rotation import AHEAD_S, Replaced, Rotation
from cluster.trust import load_trust, operator_key
from tests.shells.cluster.cli_home import terminal
from tests.shells.cluster.governed import NOW, Governed, config_of, governed
from tests.unit.actors.spans.telemetry import SMALL, span
from tests.unit.actors.spans.test_record import RECORD

CONFIG = config_of("a", "b", quorum=0.6)
WRITER = ulid(NOW * 1000, bytes(10))


class Sink:
    """An incident sink that remembers."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def open(self, kind: str, *_: object) -> None:
        """Remember."""
        self.opened.append(kind)


@pytest.fixture
def system(tmp_path: Path) -> Governed:
    """Return a home with a policy that the policy key has tightened since the operator signed it."""
    made = governed(tmp_path)
    made.up(CONFIG)
    made.tighten(isolated, "a")
    return made


def rotation(system: Governed, sleep: Any = None) -> Rotation:
    """Return a rotation under the test's clock, which nobody waits in."""
    return Rotation(system.home, CONFIG, system.operators, system.database, system.clock, sleep or (lambda _: None))


def watchers(system: Governed, sink: Sink) -> tuple[PolicyWatcher, AuthWatcher]:
    """Return what a replica follows, after its first poll."""
    source = TrustFile(system.home.trust_file, sink)
    policy = PolicyWatcher(
        SnapshotDirectory(system.home.policy), source, sink, PolicyConfig(), 0, system.clock, lambda: 0.0
    )
    auth = AuthWatcher(SnapshotDirectory(system.home.auth), source, sink, 250, 0, system.clock, lambda: 0.0)
    policy.poll_once()
    auth.poll_once()
    return policy, auth


def test_a_running_replica_follows_a_new_policy_key(system: Governed) -> None:
    """Policy and API keys stay in force without a restart or an incident, and so for a replica that starts."""
    sink = Sink()
    policy, auth = watchers(system, sink)
    old = SigningKey.load(system.home.keys / "policy.key").public.key_id
    (replaced,) = rotation(system).rotate(["policy"], "ann")
    assert replaced.revoked == [old]
    assert list(role_keys(load_trust(system.home.trust_file), "policy", NOW)) == [replaced.key_id]
    for seen_policy, seen_auth in ((policy, auth), watchers(system, sink)):
        seen_policy.poll_once()
        seen_auth.poll_once()
        assert seen_policy.current is not None
        assert seen_auth.current is not None
        assert (seen_policy.version, seen_policy.current.snapshot.isolated("a")) == (3, True)
        assert seen_auth.current.authenticate(read_key(system.home.keys / "client.key")).role == "client"
    assert seen_auth.version == 2
    assert sink.opened == []


def test_the_new_policy_key_halts_and_the_old_one_no_more(system: Governed) -> None:
    """From its revocation on a stolen key tightens nothing; the one in the file does."""
    stolen = SigningKey.load(system.home.keys / "policy.key")
    rotation(system).rotate(["policy"], "ann")
    current = system.succession.in_force()
    forged = halted(current, "gotcha", "thief", 0)
    SnapshotDirectory(system.home.policy).publish(forged.version, canonical_json(sign_snapshot(forged, stolen)))
    sink = Sink()
    policy, _ = watchers(system, sink)
    assert policy.current is None
    Path(SnapshotDirectory(system.home.policy).file(forged.version)).unlink()
    assert system.tighten(lambda now, now_ms: halted(now, "r", "me", now_ms)).halt.on


def test_a_tightening_in_between_is_signed_anew(system: Governed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A halt that the old key signed just before its revocation is not lost with it."""
    old = SigningKey.load(system.home.keys / "policy.key")
    made = rotation(system)
    original = made._revoke_others

    def late(*arguments: Any) -> list[str]:
        monkeypatch.setattr(made, "_revoke_others", original)
        halt = halted(system.succession.in_force(), "late", "me", 0)
        SnapshotDirectory(system.home.policy).publish(halt.version, canonical_json(sign_snapshot(halt, old)))
        return original(*arguments)

    monkeypatch.setattr(made, "_revoke_others", late)
    made.rotate(["policy"], "ann")
    current = system.succession.in_force()
    assert (current.version, current.halt.reason) == (5, "late")


def test_an_interrupted_rotation_is_mended_by_another(system: Governed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended before the revocation, the next rotation revokes both older keys."""
    made = rotation(system)

    def killed(*_: Any) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(made, "_revoke_others", killed)
    with pytest.raises(KeyboardInterrupt):
        made.rotate(["policy"], "ann")
    assert system.succession.in_force().version == 3
    (replaced,) = rotation(system).rotate(["policy"], "ann")
    assert len(replaced.revoked) == 2
    assert len(role_keys(load_trust(system.home.trust_file), "policy", NOW)) == 1


def test_the_operator_s_key_is_replaced_and_vouches_for_the_policy(system: Governed) -> None:
    """The old operator's key loosens nothing from then on."""
    old = SigningKey.load(system.operators / "operator.key")
    (replaced,) = rotation(system).rotate(["operator"], "ann")
    assert SigningKey.load(system.operators / "operator.key").public.key_id == replaced.key_id != old.public.key_id
    assert list(role_keys(load_trust(system.home.trust_file), "operator", NOW)) == [replaced.key_id]
    assert system.succession.in_force().version == 3


def certificate_of(system: Governed) -> SignedCertificate:
    """Give a living writer a certificate of the issuer in force."""
    issuer = SigningKey.load(system.home.keys / "issuer.key")
    signed = grant(CertificateRequest(WRITER, SigningKey.from_seed(bytes(32)).public.hex), issuer, system.now_s)
    (system.home.certs / f"{WRITER}.crt").write_bytes(canonical_json(signed))
    return signed


def test_records_signed_before_an_issuer_s_revocation_stay_verifiable(system: Governed) -> None:
    """A writer's certificate is good until the revocation, which never covers the second in which it is written."""
    signed = certificate_of(system)
    system.now_s += 10
    rotation(system).rotate(["issuer"], "ann", at_once=True)
    trust = load_trust(system.home.trust_file)
    for second in (NOW + 9, NOW + 10, NOW + 10 + AHEAD_S):
        assert writer_key(trust, signed, second)[0].subject == WRITER
    with pytest.raises(IntegrityError, match="no trusted issuer"):
        writer_key(trust, signed, NOW + 11 + AHEAD_S)


async def test_what_a_writer_delivered_is_verifiable_whenever_its_issuer_is_replaced(
    system: Governed, tmp_path: Path
) -> None:
    """Signing in every second around it on the old certificate, a log gives out nothing that does not verify afterwards."""
    key, issuer = SigningKey.from_seed(bytes(32)), SigningKey.load(system.home.keys / "issuer.key")
    identity = WriterIdentity(WRITER, key, grant(CertificateRequest(WRITER, key.public.hex), issuer, NOW))
    trust = TrustFile(system.home.trust_file, Sink())
    wal = WalWriter(tmp_path / "wal", identity, SMALL)
    log = WalDecisionLog(wal, identity, trust)
    delivered, refused = list[Committed](), 0

    async def sign() -> int:
        now = msgspec.structs.replace(RECORD, issued_at=system.now_s * 1000 + 1)
        try:
            delivered.append(await log.commit(1, lambda w: (msgspec.structs.replace(now, writer=w), [span(1)])))
        except NotReady:
            return 1
        return 0

    refused += await sign()
    rotation(system).rotate(["issuer"], "ann", at_once=True)
    for _ in range(AHEAD_S + 3):
        refused += await sign()
        system.now_s += 1
    for made in delivered:
        writer_key(trust(), made.envelope.certificates[0], made.record.issued_at // 1000)
    assert (len(delivered), refused) == (AHEAD_S + 2, 2)
    wal.close()


def test_the_old_issuer_is_revoked_when_every_writer_has_left_it(system: Governed) -> None:
    """A living writer gets its new certificate first; one that never does stops the command before the revocation."""
    certificate_of(system)
    (system.home.root / "wal" / WRITER).mkdir()
    with (system.home.root / "wal" / WRITER / "00000001.wal").open("wb") as segment:
        fcntl.flock(segment, fcntl.LOCK_EX)
        with pytest.raises(HomeError, match="still hold certificates"):
            rotation(system).rotate(["issuer"], "ann")
        assert len(role_keys(load_trust(system.home.trust_file), "issuer", NOW)) == 2
        (replaced,) = rotation(system, lambda _: certificate_of(system)).rotate(["issuer"], "ann")
    data = (system.home.certs / f"{WRITER}.crt").read_bytes()
    assert decode(data, SignedCertificate, "x").read().issued_by == replaced.key_id
    trust = load_trust(system.home.trust_file)
    after = NOW + 1 + AHEAD_S
    assert list(role_keys(trust, "issuer", after)) == [replaced.key_id] == [newest_key_id(trust, "issuer", NOW)]


@pytest.mark.parametrize("role", ["issuer", "policy", "operator", "log"])
def test_a_key_that_cannot_be_kept_is_not_certified(
    system: Governed, monkeypatch: pytest.MonkeyPatch, role: Any
) -> None:
    """With the disk full nothing has changed: root vouches for no key that nobody holds."""
    before = system.home.trust_file.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(SigningKey, "replace", full)
        with pytest.raises(HomeError, match="nothing changed"):
            rotation(system).rotate([role], "ann")
    assert system.home.trust_file.read_bytes() == before


def test_each_replaced_key_is_told_whatever_becomes_of_the_next(
    system: Governed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever rotates two keys and sees the second fail knows that the first was replaced."""
    made, told = rotation(system), list[Replaced]()
    monkeypatch.setattr(made, "_sign_anew", lambda *_: (_ for _ in ()).throw(HomeError("no")))
    with pytest.raises(HomeError, match="no"):
        made.rotate(["issuer", "policy"], "ann", told=told.append)
    assert [item.role for item in told] == ["issuer"]


def test_what_the_log_s_old_key_signed_stays_believed(system: Governed) -> None:
    """Whatever SpanActor signs until its key is replaced; from the revocation on only the new one's word counts."""
    trust, old = TrustFile(system.home.trust_file, Sink()), SigningKey.load(system.home.keys / "log.key")
    authority = HomeAuthority(system.home.root, trust)
    of, begun_ms = origin(trust()), NOW * 1000 + 999
    (replaced,) = rotation(system).rotate(["log"], "ann")
    before, late = (
        sign_checkpoint(old, of, 7, bytes(32), at_ms) for at_ms in (begun_ms, NOW * 1000 + 1000 * (AHEAD_S + 1))
    )
    assert (replaced.revoked, replaced.file) == ([old.public.key_id], system.home.keys / "log.key")
    assert before.verify(trust()).size == 7  # signed after the rotation was over, by who had begun before it
    with pytest.raises(IntegrityError, match="no trusted log key"):
        late.verify(trust())
    assert sign_checkpoint(authority.key(), of, 8, bytes(32), begun_ms).verify(trust()).size == 8
    assert system.versions == [1, 2]  # a policy is not signed anew for it


@pytest.mark.parametrize("role", ["issuer", "policy", "operator", "log"])
def test_an_older_bundle_is_believed_by_nobody(system: Governed, role: Any) -> None:
    """Put back after a rotation, the bundle of before stops bring-up, commands and the next rotation, as an incident."""
    older = system.home.trust_file.read_bytes()
    rotation(system).rotate([role], "ann")
    newer = system.home.trust_file.read_bytes()
    system.home.trust_file.write_bytes(older)
    attempts: list[Callable[[], object]] = [
        lambda: system.up(CONFIG),
        system.succession.in_force,
        lambda: system.succession.recover("r", "ann", operator_key(system.operators)),
        lambda: rotation(system).rotate(["issuer"], "ann"),
    ]
    for attempt in attempts:
        with pytest.raises(HomeError, match=r"bring the newest one back") as caught:
            attempt()
        assert "policy recover" not in str(caught.value)
    assert (system.incidents, system.home.trust_file.read_bytes()) == (["trust revocation"], older)
    system.home.trust_file.write_bytes(newer)
    assert system.up(CONFIG).snapshot == system.succession.in_force()


def test_a_revocation_that_was_never_noted_is_noted_when_found(system: Governed) -> None:
    """Ended between the revocation and its note, a rotation still leaves no way back once anybody looked."""
    older, made = system.home.trust_file.read_bytes(), rotation(system)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NotedRevocations, "note", lambda *_: None)
        made.rotate(["policy"], "ann")
    system.succession.in_force()
    system.home.trust_file.write_bytes(older)
    with pytest.raises(HomeError, match="lacks the revocation"):
        system.succession.in_force()


def test_without_root_nothing_is_replaced(system: Governed) -> None:
    """A key that is kept offline, or another installation's, is asked for by name; the files stay as they were."""
    before = system.home.trust_file.read_bytes()
    (system.operators / "root.key").rename(system.operators / "away")
    with pytest.raises(HomeError, match=r"bring root\.key back"):
        rotation(system)
    SigningKey.generate().save(system.operators / "root.key")
    with pytest.raises(HomeError, match="not the root key"):
        rotation(system)
    assert system.home.trust_file.read_bytes() == before


def test_the_command_rotates_issuer_and_policy_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an id the signing keys are replaced; with one, the API key; roles and id together are a mistake."""
    shell = terminal(governed(tmp_path, int(time.time())), monkeypatch)
    result = shell.run("keys", "rotate")
    assert result.exception is None
    assert [line.split(":")[0] for line in result.stdout.splitlines()[:2]] == ["issuer", "policy"]
    assert "Nothing needs a restart" in result.stdout
    trust = load_trust(shell.system.home.trust_file)
    assert len(trust.revocations) == 2
    policy = SigningKey.load(shell.system.home.keys / "policy.key").public.key_id
    assert newest_key_id(trust, "policy", int(time.time())) == policy
    assert isinstance(shell.system.succession.in_force(), PolicySnapshot)
    (client,) = (item["id"] for item in _keys(shell) if item["role"] == "client")
    assert "is in" in shell.run("keys", "rotate", client).stderr
    assert shell.run("keys", "rotate", client, "--role", "policy").exception is not None


def _keys(shell: Any) -> list[dict[str, str]]:
    found: list[dict[str, str]] = shell.told("keys", "list")
    return found
