"""The policy snapshot: everything a replica needs to decide, signed, versioned, never partly read.

Rules:
- A snapshot names its predecessor by digest; versions rise by exactly one.
- It is stored and sent as a DSSE envelope over its canonical JSON; the envelope's signatures say who wanted it.
- Fractions are decimal strings with six places.

Left out: which changes are allowed (``tightening``), and whose word counts (``acceptance``).
"""

from typing import Literal

import msgspec

from actors.base.canonical import b64, canonical_json, decode, unb64
from actors.base.digests import sha256_hex
from actors.base.signing import Signature, SigningKey

SNAPSHOT_TYPE = "application/vnd.weavergen.policy+json"

VoterState = Literal["active", "isolated"]
PolicyName = Literal["strict", "evidence", "direct"]


class LayerRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One consensus layer."""

    name: str
    members: list[str]
    quorum: str
    """Share of the layer's weight that the winning group must hold."""
    min_lineages: int
    min_n_eff: str
    """Least effective number of independent votes in the winning group."""
    time_share: str
    """Share of the request's deadline this layer may use."""


class Halt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether generation is stopped, why and by whom."""

    on: bool
    reason: str
    by: str


class WeightsRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The weights file in force (``home/registry/<sha256>.json``)."""

    sha256: str


class Epochs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Counters that invalidate cached answers; they only rise."""

    voter: dict[str, int]
    rule: dict[str, int]
    tenant: dict[str, int]


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The error that a policy's rules were set for."""

    error: str
    """Share of served answers that were wrong where that was measured."""
    source: str
    """Where the figure comes from: what was measured, on what, with which weights."""


class PolicySnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One version of the policy in force."""

    version: int
    issued_at: int
    """Unix milliseconds."""
    prev_sha256: str
    """SHA-256 of the predecessor's canonical bytes; 64 zeros for the first."""
    layers: list[LayerRule]
    voter_state: dict[str, VoterState]
    """Every configured voter, in a layer or not; one that is missing counts as isolated."""
    weights: WeightsRef
    thresholds: dict[str, str]
    """Named decimals between 0 and 1: ``similarity`` (least, of prose to its group), ``min_gap`` (least lead in support over
    the runner-up), ``min_correlation`` (no two lineages count as less correlated than this)."""
    halt: Halt
    screening_version: str
    invalidation_epochs: Epochs
    learning_frozen: bool
    calibration: dict[str, Calibration] = {}
    """Policy name → the error that layers and thresholds are calibrated for; none is stated that nobody measured."""

    @property
    def sha256(self) -> str:
        """Digest that records and successors name."""
        return sha256_hex(canonical_json(self))

    def isolated(self, voter: str) -> bool:
        """Tell whether a voter's ballots count for nothing."""
        return self.voter_state.get(voter) != "active"


GENESIS = "0" * 64


class SignedSnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """DSSE envelope of a snapshot (payload: strict base64 of its canonical bytes)."""

    payload: str
    signatures: list[Signature]

    def read(self) -> PolicySnapshot:
        """Decode the snapshot without believing it yet."""
        return decode(self.payload_bytes, PolicySnapshot, "policy snapshot")

    @property
    def payload_bytes(self) -> bytes:
        """Return the bytes that were signed."""
        return unb64(self.payload, "policy snapshot")


def sign_snapshot(snapshot: PolicySnapshot, *keys: SigningKey) -> SignedSnapshot:
    """Sign a snapshot with one or more keys."""
    payload = canonical_json(snapshot)
    return SignedSnapshot(payload=b64(payload), signatures=[key.sign(SNAPSHOT_TYPE, payload) for key in keys])
