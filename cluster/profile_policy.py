"""How a profile's layers come into force at bring-up, and when they do not.

Rules:
- The profile's rules (voters, layers, thresholds, calibration) are published when they changed since they were last
  published, never because policy was changed meanwhile: what operators and detectors tightened stays.
- The digest of the rules is the target of the history's note of kind ``profile``, so that a later bring-up can tell. The
  note of a version that was lost counts for nothing: its profile is not what a recovery went on with.
- Halt, isolation and epochs stay as they are. What the profile's change loosens is said and noted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from actors.base.canonical import MICRO, canonical_json, decimal_str
from actors.base.digests import sha256_hex
from actors.base.files import write_atomic
from actors.base.signing import SigningKey
from actors.consensus.weights import default_weights
from actors.policy.changes import changes, loosened
from actors.policy.snapshot import GENESIS, Calibration, Epochs, Halt, LayerRule, PolicySnapshot, WeightsRef
from actors.policy.transitions import successor
from cluster.config import Config
from cluster.home import Home
from cluster.succession import Note, Succession

KIND = "profile"
NO_SCREENING = "none"


class ProfileRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a profile is policy."""

    voters: list[str]
    """Every configured voter: those outside every layer answer when named."""
    layers: list[LayerRule]
    thresholds: dict[str, str]
    calibration: dict[str, Calibration] = {}

    @property
    def sha256(self) -> str:
        """Digest that the history keeps."""
        return sha256_hex(canonical_json(self))


@dataclass(frozen=True, slots=True)
class Followed:
    """What bring-up found or made."""

    snapshot: PolicySnapshot
    loosened: str
    """What the profile's change let go, in one line; empty if nothing."""


def ensure_policy(
    succession: Succession, config: Config, lineages: Mapping[str, str], operator: Callable[[], SigningKey]
) -> Followed:
    """Return the policy in force after publishing the profile's rules if those changed."""
    current, rules = succession.current(), profile_rules(config)
    noted = succession.standing(KIND)
    if current is not None and noted is not None and noted.target == rules.sha256:
        return Followed(current, "")
    weights = publish_weights(succession.home, default_weights(sorted(lineages.items())))
    wanted = follow_profile(current, rules, weights, succession.now_ms())
    looser = loosened(changes(current, wanted)) if current is not None else ""
    reason = f"profile {config.profile}" + (f" loosens {looser}" if looser else "")
    note = Note(KIND, rules.sha256, reason, "operator, by bringing up")
    return Followed(succession.publish(current, wanted, note, operator()), looser)


def follow_profile(current: PolicySnapshot | None, rules: ProfileRules, weights: str, now_ms: int) -> PolicySnapshot:
    """Return the snapshot that gives a profile's rules force; halt and isolation stay."""
    if current is None:
        return PolicySnapshot(
            version=1,
            issued_at=now_ms,
            prev_sha256=GENESIS,
            layers=rules.layers,
            voter_state=dict.fromkeys(rules.voters, "active"),
            weights=WeightsRef(sha256=weights),
            thresholds=rules.thresholds,
            halt=Halt(on=False, reason="", by=""),
            screening_version=NO_SCREENING,
            invalidation_epochs=Epochs(voter={}, rule={}, tenant={}),
            learning_frozen=False,
            calibration=rules.calibration,
        )
    return successor(
        current,
        now_ms,
        layers=rules.layers,
        voter_state=dict.fromkeys(rules.voters, "active") | current.voter_state,
        weights=WeightsRef(sha256=weights),
        thresholds=rules.thresholds,
        calibration=rules.calibration,
    )


def profile_rules(config: Config) -> ProfileRules:
    """Return what of a profile is policy, as a snapshot writes it."""
    layers = [
        LayerRule(
            name=layer.name,
            members=list(layer.members),
            quorum=_decimal(layer.quorum),
            min_lineages=layer.min_lineages,
            min_n_eff=_decimal(layer.min_n_eff),
            time_share=_decimal(layer.time_share),
        )
        for layer in config.layers
    ]
    voters = sorted(voter.id for voter in config.voters)
    thresholds = {name: _decimal(value) for name, value in sorted(config.thresholds.items())}
    calibration: dict[str, Calibration] = {
        policy: Calibration(error=_decimal(stated.error), source=stated.source)
        for policy, stated in sorted(config.calibration.items())
    }
    return ProfileRules(voters, layers, thresholds, calibration)


def publish_weights(home: Home, data: bytes) -> str:
    """Keep a weights file under its digest and return that."""
    digest = sha256_hex(data)
    path = home.registry / f"{digest}.json"
    if not path.exists():
        write_atomic(path, data)
    return digest


def _decimal(value: float) -> str:
    return decimal_str(round(value * MICRO))
