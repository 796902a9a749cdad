"""Whether a snapshot makes sense at all, whoever signed it: the request path must be able to rely on what is in force.

Rules:
- Version 1 names no predecessor; every later one does.
- At least one layer; names are unique; each has members, each once; numbers are decimals within their meaning.
- Counters are not negative. An error is stated of a consensus policy only, and says where the figure comes from.

Left out: whether the members exist as voters (bring-up knows them), and whether the rules are wise (operators are).
"""

import re

from actors.base.canonical import MICRO, micro
from actors.base.errors import IntegrityError
from actors.policy.snapshot import GENESIS, LayerRule, PolicySnapshot

STEP = "policy content"
MAX_LAYERS = 16
MAX_MEMBERS = 64
CALIBRATED = ("strict", "evidence")
"""Policies whose error can be stated: those that need a consensus."""
MAX_SOURCE = 300

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def check_content(snapshot: PolicySnapshot) -> PolicySnapshot:
    """Return the snapshot, or raise ``IntegrityError`` saying which rule it breaks."""
    _require(snapshot.version >= 1, "versions begin at 1")
    _require(bool(_SHA256.fullmatch(snapshot.prev_sha256)), "prev_sha256 is no SHA-256")
    _require((snapshot.version == 1) == (snapshot.prev_sha256 == GENESIS), "version 1, and only it, has no predecessor")
    _require(bool(_SHA256.fullmatch(snapshot.weights.sha256)), "weights.sha256 is no SHA-256")
    names = [layer.name for layer in snapshot.layers]
    _require(
        1 <= len(names) <= MAX_LAYERS and len(set(names)) == len(names), f"1 to {MAX_LAYERS} layers, each named once"
    )
    for layer in snapshot.layers:
        _check_layer(layer)
    for name, value in snapshot.thresholds.items():
        _share(value, f"threshold {name!r}")
    for policy, calibration in snapshot.calibration.items():
        _require(policy in CALIBRATED, f"calibration of {policy!r}, which is no consensus policy")
        _share(calibration.error, f"the error of {policy!r}")
        _require(1 <= len(calibration.source) <= MAX_SOURCE, f"a source of 1 to {MAX_SOURCE} characters")
    epochs = snapshot.invalidation_epochs
    counters = [*epochs.voter.values(), *epochs.rule.values(), *epochs.tenant.values()]
    _require(min(counters, default=0) >= 0, "an invalidation epoch is negative")
    return snapshot


def _check_layer(layer: LayerRule) -> None:
    members = layer.members
    _require(1 <= len(members) <= MAX_MEMBERS, f"layer {layer.name!r} has no members or too many")
    _require(len(set(members)) == len(members), f"layer {layer.name!r} names a member twice")
    _require(0 < _decimal(layer.quorum, "quorum") <= MICRO, f"layer {layer.name!r}: quorum is above 0 and at most 1")
    _require(layer.min_lineages >= 1, f"layer {layer.name!r}: min_lineages is at least 1")
    _require(_decimal(layer.min_n_eff, "min_n_eff") >= 0, f"layer {layer.name!r}: min_n_eff is negative")
    _require(
        0 < _decimal(layer.time_share, "time_share") <= MICRO,
        f"layer {layer.name!r}: time_share is above 0 and at most 1",
    )


def _share(text: str, what: str) -> None:
    _require(0 <= _decimal(text, what) <= MICRO, f"{what} lies between 0 and 1")


def _decimal(text: str, what: str) -> int:
    try:
        return micro(text)
    except IntegrityError as error:
        raise IntegrityError(f"{STEP}: {what} is no decimal", STEP) from error


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise IntegrityError(f"{STEP}: {rule}", STEP)
