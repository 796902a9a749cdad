"""Who writes, signs and is believed in a home that mutants are made of: keys, certificates, decisions and their rows.

All keys come from a seed. Decisions are of one voter (policy ``direct``): the shortest records that replay.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from actors.base.canonical import canonical_json
from actors.base.certificates import Certificate, Revocation, Role, SignedCertificate, TrustBundle, certify, revoke
from actors.base.ids import ulid
from actors.base.signing import PublicKey, SigningKey
from actors.spans.adapters.wal import WriterIdentity
from actors.spans.log.checkpoint import log_id
from actors.spans.record import (
    BallotEntry,
    DecisionRecord,
    Envelope,
    LayerRef,
    LayerTried,
    PolicyRef,
    Promise,
    TallyEntry,
    WriterRef,
    seal,
)
from actors.spans.span import Span

NOW_S = 1_790_034_000
"""Shortly before midnight (UTC): what is written goes into files of two dates."""
DAY_S = 86_400
PROMISE_S = DAY_S
MAX_AGE_S = DAY_S
_MICRO = "1.000000"


def key_of(*words: object) -> SigningKey:
    """Return the key that goes by these words."""
    return SigningKey.from_seed(hashlib.sha256(repr(words).encode()).digest())


class Authority:
    """Whose word counts in one home: a root, an issuer, and the log's keys in turn."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.root, self.issuer = key_of(seed, "root"), key_of(seed, "issuer")
        self._log = key_of(seed, "log", 1)
        self._trust = TrustBundle(
            schema="weavergen.trust/1", root=self.root.public.hex,
            certificates=[self._certified("issuer", self.issuer), self._certified("log", self._log)], revocations=[],
        )  # fmt: skip

    def trust(self) -> TrustBundle:
        """Return what a verifier needs."""
        return self._trust

    def key(self) -> SigningKey:
        """Return the log's key in force."""
        return self._log

    def rotate(self, at_s: int) -> None:
        """Give the log another key, and revoke the one that it had."""
        before, self._log = self._log, key_of(self.seed, "log", 2)
        revoked = revoke(self.root, Revocation(before.public.key_id, at_s, "rotated"))
        self._trust = msgspec.structs.replace(
            self._trust, certificates=[*self._trust.certificates, self._certified("log", self._log)],
            revocations=[revoked],
        )  # fmt: skip

    def watched_by(self, name: str, key: PublicKey) -> None:
        """Have root certify a witness."""
        certificate = Certificate("witness", name, key.hex, self.root.public.key_id, NOW_S - DAY_S, NOW_S + 30 * DAY_S)
        certificates = [*self._trust.certificates, certify(self.root, certificate)]
        self._trust = msgspec.structs.replace(self._trust, certificates=certificates)

    def writer(self, number: int, at_s: int = NOW_S - 3600, lasts_s: int = DAY_S - 3600) -> WriterIdentity:
        """Return a writer whom the issuer certified."""
        key, name = key_of(self.seed, "writer", number), ulid(at_s * 1000 + number, _letters(self.seed, number))
        certificate = Certificate("writer", name, key.public.hex, self.issuer.public.key_id, at_s, at_s + lasts_s)
        return WriterIdentity(name, key, certify(self.issuer, certificate))

    def _certified(self, role: Role, key: SigningKey) -> SignedCertificate:
        by = self.root.public.key_id
        return certify(self.root, Certificate(role, role, key.public.hex, by, NOW_S - 30 * DAY_S, NOW_S + 30 * DAY_S))


def _letters(*words: object) -> bytes:
    return hashlib.sha256(repr(words).encode()).digest()[:10]


def envelope_of(
    writer: WriterIdentity, seq: int, at_ms: int, trust: TrustBundle, answer: str = "", key: SigningKey | None = None
) -> Envelope:
    """Return a decision of row ``seq``, signed by its writer, or by whoever else holds ``key``."""
    candidate = hashlib.sha256(f"{answer} of {writer.id}/{seq}".encode()).hexdigest()
    voter = BallotEntry(
        "m1", "llama", "m1", 0, "agreed", 0, candidate, candidate, "", "none", _MICRO, 12, replaced=False
    )
    record = DecisionRecord(
        schema="weavergen.decision/1", id=decision_id(writer.id, seq, at_ms), issued_at=at_ms, tenant="t-1",
        prompt_commitment=hashlib.sha256(writer.id.encode()).hexdigest(), answer_kind="value", answer_sha256=candidate,
        result="answered", degraded=True, method="single", policy=PolicyRef("direct", 1, "ab" * 32), config_sha256="cd" * 32,
        layer=LayerRef(0, "direct", ["m1"], 1, _MICRO, 1, _MICRO, [LayerTried("direct", "agreed", "")]), ballots=[voter],
        tie_salt="44" * 16, tally=TallyEntry("0.000000", {"m1": _MICRO}, 0, _MICRO, _MICRO, 1, candidate),
        screening_version="1", cache=None, writer=WriterRef(writer.id, seq),
        promise=Promise(log_id(trust), at_ms // 1000 + PROMISE_S),
    )  # fmt: skip
    return seal(record, key or writer.key, writer.certificate)


def decision_id(writer_id: str, seq: int, at_ms: int) -> str:
    """Return the id of the decision in a writer's row."""
    return ulid(at_ms, _letters(writer_id, seq))


def deciding(writer: WriterIdentity, seq: int, at_ms: int, trust: TrustBundle) -> list[Span]:
    """Return three rows: a decision, its voter's call, and something else that was measured."""
    envelope = envelope_of(writer, seq, at_ms, trust)
    decision = envelope.read().id
    root = measured(writer.id, seq, at_ms, "invoke_workflow", decision, canonical_json(envelope))
    return [root, *(measured(writer.id, seq + place, at_ms, f"chat m{place}", decision) for place in (1, 2))]


def measured(writer_id: str, seq: int, at_ms: int, name: str, decision: str = "", record: bytes = b"") -> Span:
    """Return one row."""
    seed = hashlib.sha256(f"{writer_id}/{seq}".encode()).digest()
    begun, lasted_ms = at_ms * 1_000_000, 5
    return Span(
        trace_id=seed[:16], span_id=seed[16:24], parent_span_id=b"", name=name, kind="server",
        start_unix_nano=begun, end_unix_nano=begun + lasted_ms * 1_000_000, status="ok", decision_id=decision, tenant="t-1",
        attributes={"seq": str(seq), "note": seed.hex()}, voter="m1", family="llama", layer="primary", outcome="agreed",
        latency_ms=lasted_ms, agreement=0.5, answer_kind="value", record=record,
    )  # fmt: skip


def records_of(spans: Sequence[Span]) -> dict[str, bytes]:
    """Return the envelopes among rows, by decision: what a client was given."""
    return {span.decision_id: span.record for span in spans if span.record}
