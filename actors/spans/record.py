"""The decision record: what was asked (committed), who said what (digests), how it was tallied, who signed.

Rules:
- Bytes are canonical JSON (RFC 8785), signed with the writer's Ed25519 key; fractions are decimal strings, six places.
- A record holds digests and salted commitments, never prompt or answer text.
- ``promise`` is the writer's word that the record will be in the log in time; null in records from before there was one.
- What is signed and logged is the envelope without a proof; who asks for it later gets the proof with it.

Left out: replaying the tally (``consensus.verification``), checking inclusion proofs (``proof``).
"""

from typing import Literal

import msgspec

from actors.base.canonical import b64, canonical_json, decode, unb64
from actors.base.certificates import SignedCertificate
from actors.base.errors import IntegrityError
from actors.base.signing import Signature, SigningKey
from actors.spans.proof import InclusionProof

RECORD_TYPE = "application/vnd.weavergen.decision+json"

VoteOutcome = Literal[
    "agreed", "dissented", "failed", "timeout", "late", "refused", "invalid", "isolated", "breaker_open", "screened_out",
    "cancelled",
]  # fmt: skip
LayerOutcome = Literal["agreed", "unavailable", "disagreed", "screened_out", "deadline"]
Method = Literal["syntax", "behaviour", "examples", "canonical", "value", "similarity", "single", "none"]
Choice = Literal["", "own", "vouched", "least"]
Result = Literal["answered", "no_consensus", "screened_out", "unavailable", "deadline", "withheld", "halted"]


class PolicyRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The policy a decision was made under: its name (strict, evidence, direct) and the snapshot."""

    name: str
    version: int
    sha256: str
    calibrated_error: str = ""
    """The error that the policy states it is calibrated for; empty if it states none."""


class LayerTried(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One layer's end."""

    name: str
    outcome: LayerOutcome
    cause: str
    """Short cause without content, empty when agreed."""


class LayerRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The layer that decided, its rule as it was applied, and all that were tried."""

    index: int
    name: str
    members: list[str]
    """Who could be asked, in rank order: the panel, then those that stood by."""
    panel: int
    """How many of the members were seated; the ballots of the others are substitutes'."""
    quorum: str
    min_lineages: int
    min_n_eff: str
    tried: list[LayerTried]
    min_gap: str = ""
    """Least lead in support that the winning group had to have over the runner-up; empty if any lead was enough."""


class BallotEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One ballot. ``group`` is −1 for a ballot without an answer that counts; digests are empty then."""

    voter: str
    family: str
    lineage: str
    sample: int
    outcome: VoteOutcome
    group: int
    candidate_sha256: str
    normal_form_sha256: str
    outcome_vector_sha256: str
    screening: str
    weight: str
    latency_ms: int
    replaced: bool
    """A substitute was asked in its place; the ballot is in no group."""
    examples_passed: int = 0
    """How many of the prompt's examples its candidate passed, of those that were run."""
    own_code: int = 0
    """What of its code only its lineage wrote, where a choice depended on it: 0 nothing that most lineages did not write, 1
    nothing that no other did, 2 something."""
    own_words: int = 0
    """The same of its words beside the code."""
    received_sha256: str = ""
    """SHA-256 of an answer that came and does not count; empty where none came, and in older records."""
    hedged: bool = False
    """A substitute was asked beside it, because it took long."""
    carried: bool = False
    """The voter was asked by a layer before this one, and not again."""


class PairEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two lineages whose errors correlate otherwise than most; ``a`` is the first by name."""

    a: str
    b: str
    rho: str


class TallyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Inputs that are not in ballots or layer, and the result."""

    correlation: str
    """Correlation ρ of the errors of two lineages that ``correlations`` does not name, as n_eff was counted with."""
    eligible_weight: dict[str, str]
    """Lineage → weight of every seated lineage, or of every lineage that cast a ballot where those weigh more: what support
    is a share of."""
    winner: int
    """Winning group, −1 if none."""
    support: str
    n_eff: str
    lineages: int
    served_sha256: str
    """Digest of the served candidate, empty if none."""
    correlations: list[PairEntry] = []
    """Lineages on the ballots that n_eff was counted with another ρ for, sorted."""
    seconded: bool = False
    """By examples alone no single answer of a lineage that was asked several times could win; in older records it could."""
    choice: Choice = ""
    """How the served candidate was chosen from its group: ``least`` takes the one with least of its own, then draws a lineage;
    ``own`` does so too and first puts the lineage with most ballots behind all others; ``vouched`` does so and serves only what
    has nothing of its own. Empty in older records, where each candidate had a
    lot, and where nothing was chosen."""


class LayerEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A layer that was tried before the one that decided: its rule, its ballots and how they counted."""

    layer: LayerRef
    """``tried`` names this layer alone."""
    method: Method
    ballots: list[BallotEntry]
    tie_salt: str
    tally: TallyEntry
    examples: int = 0
    rejected: list[str] = []
    """Digests of the normal forms that it rejected, sorted: none of them counts in a later layer."""
    similarity: str = ""
    """Least likeness by which its prose was grouped, where policy changed it before the last layer; else the record's."""


class CacheRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The decision a cached answer came from."""

    source_decision_id: str


class WriterRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The writer incarnation and the record's first row in its sequence."""

    id: str
    seq: int


class Promise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Word that the record will be in a log by ``merge_by`` (Unix seconds)."""

    log_id: str
    merge_by: int


class DecisionRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One decision, answered or refused."""

    schema: Literal["weavergen.decision/1"]
    id: str
    issued_at: int
    """Unix milliseconds."""
    tenant: str
    """Pseudonym of the tenant."""
    prompt_commitment: str
    answer_kind: str
    answer_sha256: str
    """SHA-256 of the served answer's UTF-8 bytes; empty for a refusal."""
    result: Result
    degraded: bool
    method: Method
    policy: PolicyRef
    config_sha256: str
    layer: LayerRef
    ballots: list[BallotEntry]
    tie_salt: str
    tally: TallyEntry
    screening_version: str
    cache: CacheRef | None
    writer: WriterRef
    promise: Promise | None
    examples: int = 0
    """How many of the prompt's examples were run; a candidate that failed one could not win. 0 also where nothing ran."""
    schema_sha256: str = ""
    """SHA-256 of the JSON Schema that every counted candidate satisfies: its JSON with sorted keys, without blanks. Empty
    without one."""
    similarity: str = ""
    """Least likeness by which prose was grouped; empty for other kinds, and in older records."""
    earlier: list[LayerEntry] = []
    """The layers that were tried before the one that decided, in order."""


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``GET /v1/decisions/{id}``, canonical JSON: a verifier takes exactly those bytes."""

    payload: str
    """Strict base64 of the record's canonical bytes."""
    signature: Signature
    certificates: list[SignedCertificate]
    """The writer's certificate; its issuer is in the trust bundle."""
    proof: InclusionProof | None

    @property
    def payload_bytes(self) -> bytes:
        """Return the record's canonical bytes."""
        return unb64(self.payload, "payload")

    @property
    def as_logged(self) -> bytes:
        """Return the canonical bytes that were logged: no envelope could hold its own proof."""
        return canonical_json(msgspec.structs.replace(self, proof=None))

    def read(self) -> DecisionRecord:
        """Decode the record without believing it yet."""
        return read_record(self.payload_bytes)


def seal(record: DecisionRecord, key: SigningKey, certificate: SignedCertificate) -> Envelope:
    """Sign a record as its writer."""
    payload = canonical_json(record)
    return Envelope(
        payload=b64(payload), signature=key.sign(RECORD_TYPE, payload), certificates=[certificate], proof=None
    )


def read_record(payload: bytes) -> DecisionRecord:
    """Decode the canonical bytes of a record, without believing it."""
    return decode(payload, DecisionRecord, "decision record")


def read_envelope(data: bytes) -> Envelope:
    """Read the exact bytes of an envelope; anything else raises ``IntegrityError``."""
    return decode(data, Envelope, "envelope")


class _Named(msgspec.Struct, frozen=True):
    policy: PolicyRef


class _Sealed(msgspec.Struct, frozen=True):
    payload: bytes
    """Base64 in JSON."""


_SEALED, _NAMED = msgspec.json.Decoder(_Sealed), msgspec.json.Decoder(_Named)


def policy_named(data: bytes) -> str:
    """Return the digest of the policy that an envelope's record names, reading and believing nothing else of it."""
    try:
        sealed = _SEALED.decode(data)
        return _NAMED.decode(sealed.payload).policy.sha256
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IntegrityError(f"decision record cannot be read: {error}", "record") from error
