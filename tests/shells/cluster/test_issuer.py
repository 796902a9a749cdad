"""Who gets a writer certificate, and who does not."""

import fcntl
import json
import os
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from actors.base.canonical import decode
from actors.base.certificates import (
    WRITER_MAX_S,
    Certificate,
    SignedCertificate,
    TrustBundle,
    certify,
    writer_key,
)
from actors.base.ids import ulid
from actors.base.signing import SigningKey
from actors.store.adapters.incidents import Incidents
from cluster import issuer as issuing
from cluster.alerting import Emergency
from cluster.issuer import (
    STARTING_S,
    Asked,
    CertificateRequest,
    Issuer,
    Refused,
    decide,
    grant,
    writer_is_alive,
)
from cluster.supervisor import Supervisor, _supervise, run_issuer
from tests.shells.cluster.governed import config_of, governed

NOW = 1_800_000_000
WRITER = ulid(NOW * 1000, bytes(10))
OTHER = ulid(NOW * 1000, bytes(9) + b"\x01")
KEY = SigningKey.from_seed(bytes(32))
UID = 1000


def asked(**changes: Any) -> Asked:
    """Return a good request with changes."""
    body = {"writer_id": WRITER, "public_key": KEY.public.hex} | changes.pop("body", {})
    fields = {"name": WRITER, "mode": stat.S_IFREG | 0o600, "uid": UID, "data": json.dumps(body).encode()}
    return Asked(**(fields | changes))


def held(writer: str, key: SigningKey, not_after: int = NOW + 10) -> dict[str, Certificate]:
    """Return the certificates held when one writer has one."""
    return {writer: Certificate("writer", writer, key.public.hex, "i", NOW, not_after)}


def an_issuer(directory: Path, max_writers: int = 4, alive: Callable[[str], bool] = lambda _: True) -> Issuer:
    """Return an issuer for one directory."""
    key = SigningKey.generate()
    return Issuer(directory, lambda: key, max_writers, alive)


def put(directory: Path, writer: str, name: str = "") -> Path:
    """Put a good request down."""
    request = directory / f"{name or writer}.csr"
    request.write_bytes(asked(body={"writer_id": writer}).data)
    request.chmod(0o600)
    return request


def test_a_good_request_is_granted_for_at_most_a_day() -> None:
    """The certificate checks up to root, names the writer, and ends within 24 hours."""
    root, issuer = SigningKey.generate(), SigningKey.generate()
    request = decide(asked(), {}, UID, 1, NOW)
    assert isinstance(request, CertificateRequest)
    signed = grant(request, issuer, NOW)
    issuer_certificate = Certificate("issuer", "i", issuer.public.hex, root.public.key_id, NOW - 9, NOW + 9)
    trust = TrustBundle("weavergen.trust/1", root.public.hex, [certify(root, issuer_certificate)], [])
    certificate, key = writer_key(trust, signed, NOW)
    assert (certificate.subject, key) == (WRITER, KEY.public)
    assert certificate.not_before <= NOW < certificate.not_after <= NOW + WRITER_MAX_S


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"uid": 0}, "ours"),
        ({"mode": stat.S_IFREG | 0o644}, "ours"),
        ({"mode": stat.S_IFREG | 0o620}, "ours"),
        ({"mode": stat.S_IFLNK | 0o600}, "ours"),
        ({"data": b"x" * 2000}, "too large"),
        ({"data": b"{"}, "cannot be read"),
        ({"data": b"\xff"}, "cannot be read"),
        ({"body": {"extra": 1}}, "cannot be read"),
        ({"body": {"public_key": "zz"}}, "hex"),
        ({"body": {"public_key": KEY.public.hex.upper()}}, "hex"),
        ({"body": {"writer_id": OTHER}}, "file's name"),
        ({"name": "../x", "body": {"writer_id": "../x"}}, "ULID"),
    ],
)
def test_anything_else_is_refused(changes: dict[str, Any], why: str) -> None:
    """A file of somebody else, open to others, too large, malformed or named wrongly gets nothing."""
    verdict = decide(asked(**changes), {}, UID, 10, NOW)
    assert isinstance(verdict, Refused)
    assert why in verdict.why


def test_a_writer_renews_its_own_key_and_no_other() -> None:
    """Who can write files cannot take over a living writer's name with a key of his own."""
    assert isinstance(decide(asked(), held(WRITER, KEY), UID, 1, NOW), CertificateRequest)
    assert isinstance(decide(asked(), held(WRITER, SigningKey.generate()), UID, 9, NOW), Refused)


def test_writers_are_bounded() -> None:
    """At the bound a new writer is refused; one whose certificate ran out does not count."""
    assert isinstance(decide(asked(), held(OTHER, KEY), UID, 1, NOW), Refused)
    assert isinstance(decide(asked(), held(OTHER, KEY, NOW), UID, 1, NOW), CertificateRequest)


def test_requests_in_a_directory_are_answered_once(tmp_path: Path) -> None:
    """A request gets its certificate beside it; looking again issues nothing."""
    request = tmp_path / f"{WRITER}.csr"
    request.write_bytes(asked().data)
    request.chmod(0o600)
    issuer = an_issuer(tmp_path)
    assert (issuer.tick(NOW), issuer.tick(NOW)) == (1, 0)
    answer = tmp_path / f"{WRITER}.crt"
    assert decode(answer.read_bytes(), SignedCertificate, "x").read().subject == WRITER
    assert stat.S_IMODE(answer.stat().st_mode) == 0o600


def test_a_renewed_request_is_answered_again(tmp_path: Path) -> None:
    """Writing the request anew brings a later certificate for the same key."""
    issuer = an_issuer(tmp_path)
    ends = []
    for now in (NOW, NOW + 3600):
        fresh = tmp_path / "new"
        fresh.write_bytes(asked().data)
        fresh.chmod(0o600)
        os.utime(fresh, (now, now))
        fresh.rename(tmp_path / f"{WRITER}.csr")
        assert issuer.tick(now) == 1
        ends.append(decode((tmp_path / f"{WRITER}.crt").read_bytes(), SignedCertificate, "x").read().not_after)
    assert ends[1] - ends[0] == 3600


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A symbolic link named like a request gets nothing, whatever it points to."""
    (tmp_path / "elsewhere").write_bytes(asked().data)
    (tmp_path / "elsewhere").chmod(0o600)
    (tmp_path / f"{WRITER}.csr").symlink_to(tmp_path / "elsewhere")
    assert an_issuer(tmp_path).tick(NOW) == 0
    assert not (tmp_path / f"{WRITER}.crt").exists()


def test_what_ran_out_is_swept(tmp_path: Path) -> None:
    """Certificates that ended are removed with their requests when the next one is issued."""
    issuer = an_issuer(tmp_path)
    for writer, now in ((WRITER, NOW), (OTHER, NOW + WRITER_MAX_S)):
        request = tmp_path / f"{writer}.csr"
        request.write_bytes(asked(body={"writer_id": writer}).data)
        request.chmod(0o600)
        issuer.tick(now)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{OTHER}.crt", f"{OTHER}.csr"]


def test_a_clock_that_jumped_a_day_does_not_sweep_the_renewal_away(tmp_path: Path) -> None:
    """A writer that asks again after its certificate ran out gets the next one at once."""
    issuer = an_issuer(tmp_path)
    put(tmp_path, WRITER)
    assert issuer.tick(NOW) == 1
    fresh = put(tmp_path, WRITER, "fresh")
    fresh.rename(tmp_path / f"{WRITER}.csr")
    assert issuer.tick(NOW + WRITER_MAX_S) == 1
    data = (tmp_path / f"{WRITER}.crt").read_bytes()
    assert decode(data, SignedCertificate, "x").read().not_after > NOW + WRITER_MAX_S


def test_writers_that_are_gone_make_room(tmp_path: Path) -> None:
    """At the bound a new incarnation waits while all others live, and gets its certificate once one is dead."""
    living = {WRITER}
    issuer = an_issuer(tmp_path, 1, living.__contains__)
    put(tmp_path, WRITER)
    assert issuer.tick(NOW) == 1
    put(tmp_path, OTHER)
    assert issuer.tick(NOW + STARTING_S) == 0
    living.clear()
    assert issuer.tick(NOW + STARTING_S) == 1
    assert not (tmp_path / f"{WRITER}.crt").exists()


def test_a_writer_that_only_starts_is_not_gone(tmp_path: Path) -> None:
    """Between its certificate and its first segment a writer keeps its place."""
    issuer = an_issuer(tmp_path, 1, lambda _: False)
    put(tmp_path, WRITER)
    issuer.tick(NOW)
    put(tmp_path, OTHER)
    assert issuer.tick(NOW + STARTING_S - 1) == 0
    assert (tmp_path / f"{WRITER}.crt").exists()


def test_a_damaged_certificate_keeps_nobody_waiting(tmp_path: Path) -> None:
    """A file that cannot be read is passed over; requests beside it are answered."""
    (tmp_path / f"{OTHER}.crt").write_bytes(b"garbage")
    put(tmp_path, WRITER)
    assert an_issuer(tmp_path).tick(NOW) == 1


def test_a_request_that_met_a_full_disk_is_answered_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that could not be written is written at a later tick, and others are not held up."""

    def full(path: Path, data: bytes) -> None:
        if path.stem == WRITER:
            raise OSError(28, "No space left on device")
        path.write_bytes(data)

    issuer = an_issuer(tmp_path)
    put(tmp_path, WRITER)
    put(tmp_path, OTHER)
    with monkeypatch.context() as patch:
        patch.setattr(issuing, "write_atomic", full)
        assert (issuer.tick(NOW), issuer.tick(NOW)) == (1, 0)
    assert (issuer.tick(NOW), issuer.tick(NOW)) == (1, 0)


def test_a_replaced_issuer_key_signs_the_next_certificate(tmp_path: Path) -> None:
    """The key is read when a certificate is issued."""
    keys = [SigningKey.generate(), SigningKey.generate()]
    issuer = Issuer(tmp_path, lambda: keys[0], 4, lambda _: True)
    put(tmp_path, WRITER)
    issuer.tick(NOW)
    keys.reverse()
    put(tmp_path, OTHER)
    issuer.tick(NOW)
    assert decode((tmp_path / f"{OTHER}.crt").read_bytes(), SignedCertificate, "x").read().issued_by == (
        keys[0].public.key_id
    )


def test_a_writer_lives_as_long_as_a_segment_is_locked(tmp_path: Path) -> None:
    """A held lock means alive; a free one, or no log at all, means gone."""
    assert not writer_is_alive(tmp_path, WRITER)
    (tmp_path / WRITER).mkdir()
    with (tmp_path / WRITER / "00000001.wal").open("wb") as segment:
        fcntl.flock(segment, fcntl.LOCK_EX)
        assert writer_is_alive(tmp_path, WRITER)
    assert not writer_is_alive(tmp_path, WRITER)


def test_a_supervisor_issues_certificates_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its first round on a request put down in the home is answered, by the issuer's key of that moment."""
    system, handlers, answered = governed(tmp_path), list[Callable[..., None]](), threading.Event()
    tick = Issuer.tick

    def watched(issuer: Issuer, now_s: int) -> int:
        issued = tick(issuer, now_s)
        if issued:
            answered.set()
        return issued

    def rounds(_: Supervisor) -> None:
        SigningKey.generate().replace(system.home.keys / "issuer.key")
        put(system.home.certs, WRITER)
        assert answered.wait(20)
        handlers[0](signal.SIGTERM, None)  # ends the issuer, too

    monkeypatch.setattr(Issuer, "tick", watched)
    monkeypatch.setattr(Supervisor, "run", rounds)
    monkeypatch.setattr(signal, "signal", lambda _, handler: handlers.append(handler))
    config = config_of("a", "b")
    _supervise(system.home, config, Emergency(Incidents(system.database), None, "here"))
    data = (system.home.certs / f"{WRITER}.crt").read_bytes()
    issuer = SigningKey.load(system.home.keys / "issuer.key").public.key_id
    assert decode(data, SignedCertificate, "x").read().issued_by == issuer


def test_an_issuer_that_fails_goes_on() -> None:
    """Whatever a tick raises, the next one comes, until it is told to stop."""
    stopping, ticks = threading.Event(), list[int]()

    class Failing:
        """An issuer whose disk is broken."""

        def tick(self, now_s: int) -> int:
            """Fail; the third time, have it stopped."""
            ticks.append(now_s)
            if len(ticks) == 3:
                stopping.set()
            raise RuntimeError("broken")

    run_issuer(cast("Any", Failing()), 0.0, stopping)
    assert len(ticks) == 3
