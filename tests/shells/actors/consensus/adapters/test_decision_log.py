"""Decisions in the log: signed only when a verifier will believe it, durable on return."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from actors.base.certificates import (
    Certificate,
    Revocation,
    SignedCertificate,
    TrustBundle,
    certify,
    revoke,
    writer_key,
)
from actors.base.errors import NotReady
from actors.base.signing import SigningKey
from actors.consensus.adapters.decision_log import WalDecisionLog, good_for
from actors.consensus.ports import Committed
from actors.consensus.vocabulary import Answered
from actors.spans.adapters.wal import WalWriter, WriterIdentity
from tests.unit.actors.consensus.test_records import finished, record
from tests.unit.actors.consensus.world import NOW_S, WRITER, candidate
from tests.unit.actors.spans.telemetry import SMALL, span

TrustChain = tuple[TrustBundle, SigningKey, SignedCertificate]
BEGINS, ENDS = NOW_S - 100, NOW_S - 100 + 24 * 3600
ROOT, ISSUER = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2))


@pytest.fixture
def identity(trust_chain: TrustChain) -> WriterIdentity:
    """Return the certified writer."""
    return WriterIdentity(WRITER, trust_chain[1], trust_chain[2])


@pytest.fixture
async def log(tmp_path: Path, trust_chain: TrustChain, identity: WriterIdentity) -> AsyncIterator[WalDecisionLog]:
    """Open a log of decisions."""
    wal = WalWriter(tmp_path, identity, SMALL)
    yield WalDecisionLog(wal, identity, lambda: trust_chain[0])
    wal.close()


async def committed_at(log: WalDecisionLog, at_s: float) -> Committed:
    """Commit a decision that is issued at a Unix second."""
    state = finished(*(Answered(seat, candidate("Paris"), 1) for seat in range(3)))
    made = msgspec.structs.replace(record(state), issued_at=int(at_s * 1000))
    return await log.commit(1, lambda writer: (msgspec.structs.replace(made, writer=writer), [span(1)]))


@pytest.mark.parametrize("at_s", [BEGINS - 1, BEGINS - 0.001, BEGINS, ENDS - 0.001, ENDS, ENDS + 3600])
async def test_what_a_verifier_would_refuse_is_not_written(
    log: WalDecisionLog, trust_chain: TrustChain, at_s: float
) -> None:
    """Before a certificate begins and from its end on nothing is signed, and no number is used up; between, all verifies."""
    if BEGINS <= at_s < ENDS:
        made = await committed_at(log, at_s)
        assert log.seconds_left(at_s) > 0
        writer_key(trust_chain[0], made.envelope.certificates[0], made.record.issued_at // 1000)
        return
    with pytest.raises(NotReady, match="certificate is not good"):
        await committed_at(log, at_s)
    assert log.seconds_left(at_s) == 0
    assert (await committed_at(log, NOW_S)).record.writer.seq == 1


async def test_a_renewed_certificate_counts_at_once(log: WalDecisionLog, identity: WriterIdentity) -> None:
    """What has run out signs nothing; with the certificate that replaces it the same log goes on."""
    later = msgspec.structs.replace(identity.certificate.read(), not_before=ENDS - 10, not_after=ENDS + 3600)
    with pytest.raises(NotReady):
        await committed_at(log, ENDS)
    log.identity = WriterIdentity(WRITER, identity.key, certify(ISSUER, later))
    assert (await committed_at(log, ENDS)).record.writer.seq == 1
    assert log.seconds_left(ENDS) == 3600


async def test_a_revocation_counts_at_once(tmp_path: Path, trust_chain: TrustChain, identity: WriterIdentity) -> None:
    """What verifiers believe is asked for every record: one that they would refuse by now is not signed."""
    word = revoke(ROOT, Revocation(ISSUER.public.key_id, NOW_S - 10, "stolen"))
    believed = [trust_chain[0]]
    wal = WalWriter(tmp_path, identity, SMALL)
    log = WalDecisionLog(wal, identity, lambda: believed[0])
    await committed_at(log, NOW_S)
    believed[0] = msgspec.structs.replace(trust_chain[0], revocations=[word])
    with pytest.raises(NotReady):
        await committed_at(log, NOW_S)
    assert log.seconds_left(NOW_S) == 0
    wal.close()


def test_a_certificate_is_good_only_as_long_as_its_issuer(trust_chain: TrustChain, identity: WriterIdentity) -> None:
    """An issuer that ends, is revoked, or is none shortens what its writers may sign, to nothing."""
    trust, key, _ = trust_chain
    assert good_for(trust, identity) == (range(BEGINS, ENDS),)
    short = certify(ROOT, msgspec.structs.replace(trust.certificates[0].read(), not_after=NOW_S))
    assert good_for(msgspec.structs.replace(trust, certificates=[short]), identity) == (range(BEGINS, NOW_S),)
    for gone in (ISSUER, key):
        word = revoke(ROOT, Revocation(gone.public.key_id, NOW_S + 5, "stolen"))
        revoked = msgspec.structs.replace(trust, revocations=[word])
        assert good_for(revoked, identity) == (range(BEGINS, NOW_S + 5),)
    assert good_for(msgspec.structs.replace(trust, certificates=[]), identity) == ()


def test_a_certificate_for_somebody_else_is_good_for_nothing(trust_chain: TrustChain, identity: WriterIdentity) -> None:
    """Another writer's name, another key, or a signature that no issuer made: nothing is signed with it."""
    trust, key, certificate = trust_chain
    assert good_for(trust, WriterIdentity("01M3250V00000000000000000", key, certificate)) == ()
    assert good_for(trust, WriterIdentity(WRITER, SigningKey.generate(), certificate)) == ()
    value: Certificate = certificate.read()
    assert good_for(trust, WriterIdentity(WRITER, key, certify(SigningKey.generate(), value))) == ()


async def test_a_bundle_that_changed_is_heeded_at_the_next_decision(
    tmp_path: Path, trust_chain: TrustChain, identity: WriterIdentity
) -> None:
    """An issuer that is revoked while a replica runs signs away no record that nobody would believe."""
    bundles = [trust_chain[0]]
    wal = WalWriter(tmp_path, identity, SMALL)
    log = WalDecisionLog(wal, identity, lambda: bundles[-1])
    await committed_at(log, NOW_S)
    bundles.append(msgspec.structs.replace(trust_chain[0], certificates=[]))
    with pytest.raises(NotReady, match="certificate is not good"):
        await committed_at(log, NOW_S)
    bundles.append(trust_chain[0])
    assert (await committed_at(log, NOW_S)).record.writer.seq == 2
    wal.close()
