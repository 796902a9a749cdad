"""A replica's writer identity: a key of its own, and the certificate the supervisor's issuer gives it through files."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from actors.base.canonical import decode
from actors.base.certificates import SignedCertificate
from actors.base.errors import NotReady
from actors.base.files import write_atomic
from actors.base.ids import new_ulid
from actors.base.signing import SigningKey
from actors.spans.adapters.wal import WriterIdentity

POLL_S = 0.05


def request_identity(directory: Path, wait_s: float, sleep: Callable[[float], None] = time.sleep) -> WriterIdentity:
    """Make a key and wait for its certificate; raise ``NotReady`` if no issuer answers in time."""
    writer_id, key = new_ulid(), SigningKey.generate()
    certificate = ask(directory, writer_id, key, b"", wait_s, sleep)
    return WriterIdentity(writer_id, key, certificate)


def renew(identity: WriterIdentity, directory: Path, wait_s: float) -> WriterIdentity:
    """Ask for a newer certificate for the same writer and key."""
    old = directory / f"{identity.id}.crt"
    before = old.read_bytes() if old.exists() else b""
    return replace(identity, certificate=ask(directory, identity.id, identity.key, before, wait_s, time.sleep))


def ask(
    directory: Path, writer_id: str, key: SigningKey, before: bytes, wait_s: float, sleep: Callable[[float], None]
) -> SignedCertificate:
    """Put the request down and wait until an answer other than ``before`` lies beside it."""
    request = msgspec.json.encode({"writer_id": writer_id, "public_key": key.public.hex})
    write_atomic(directory / f"{writer_id}.csr", request)
    answer = directory / f"{writer_id}.crt"
    for _ in range(max(1, round(wait_s / POLL_S))):
        if answer.exists() and (data := answer.read_bytes()) != before:
            return decode(data, SignedCertificate, answer.name)
        sleep(POLL_S)
    raise NotReady(f"no issuer answered in {wait_s:g} s; is the supervisor running? (`weavergen status`)")
