"""Which changes of policy machines may make: those under which nothing can leave that could not have left before.

``is_tighter(old, new)`` compares content, field by field; it is a preorder (reflexive and transitive), so that a chain
of tightenings is a tightening. Version, predecessor and time are the succession's business (``acceptance``).

| field | tighter or equal when |
|---|---|
| ``halt`` | it stays on, or goes on; reason and name are free |
| ``voter_state`` | every voter that is active was active (missing means isolated) |
| ``layers`` | same names in the same order; see below |
| ``quorum``, ``min_lineages``, ``min_n_eff`` | no layer's is lower |
| ``members``, ``time_share`` | equal |
| ``thresholds`` | same names, or ``min_gap`` besides; each equal, or moved in its tighter direction where that is known |
| ``weights``, ``screening_version``, ``calibration`` | equal |
| ``invalidation_epochs`` | no counter falls (missing means 0) |
| ``learning_frozen`` | it stays true, or goes true |

Why some changes that look tighter are not:
- *A member removed* leaves less weight to hold a share of, so what was a minority may become a quorum. A voter is taken
  out by isolating it: an isolated member's seat still counts in its layer's weight, so that support only falls.
- *A layer removed* puts the next one in its place, which may ask for less; *a layer added* is one more way to answer.
- *Less time* drops late dissent, *more time* lets late agreement in: either may change a verdict.
- *Other weights* or *another screening version* have no order here; operators sign them.
"""

from collections.abc import Mapping
from types import MappingProxyType

from actors.base.canonical import micro
from actors.policy.snapshot import LayerRule, PolicySnapshot

RISING_IS_TIGHTER = frozenset({"similarity", "min_gap", "min_correlation"})
"""Thresholds that only a higher value tightens. Any other one is equal or the change is an operator's."""
UNSET: Mapping[str, str] = MappingProxyType({"min_gap": "0.000000"})
"""What a threshold that is not there stands for, where that depends on nothing else."""


def is_tighter(old: PolicySnapshot, new: PolicySnapshot) -> bool:
    """Tell whether every answer that ``new`` lets out, ``old`` would have let out (see the module's table)."""
    return (
        new.halt.on >= old.halt.on
        and new.learning_frozen >= old.learning_frozen
        and _active(new) <= _active(old)
        and new.weights == old.weights
        and new.screening_version == old.screening_version
        and new.calibration == old.calibration
        and _layers_hold(old.layers, new.layers)
        and _thresholds_hold(old.thresholds, new.thresholds)
        and _epochs_hold(old, new)
    )


def _active(snapshot: PolicySnapshot) -> set[str]:
    return {voter for voter, state in snapshot.voter_state.items() if state == "active"}


def _layers_hold(old: list[LayerRule], new: list[LayerRule]) -> bool:
    return len(old) == len(new) and all(_layer_holds(before, after) for before, after in zip(old, new, strict=True))


def _layer_holds(old: LayerRule, new: LayerRule) -> bool:
    return (
        new.name == old.name
        and new.members == old.members
        and micro(new.time_share) == micro(old.time_share)
        and micro(new.quorum) >= micro(old.quorum)
        and new.min_lineages >= old.min_lineages
        and micro(new.min_n_eff) >= micro(old.min_n_eff)
    )


def _thresholds_hold(old: Mapping[str, str], new: Mapping[str, str]) -> bool:
    before, after = {**UNSET, **old}, {**UNSET, **new}
    return before.keys() == after.keys() and all(_threshold_holds(name, before[name], after[name]) for name in before)


def _threshold_holds(name: str, old: str, new: str) -> bool:
    return micro(new) >= micro(old) if name in RISING_IS_TIGHTER else micro(new) == micro(old)


def _epochs_hold(old: PolicySnapshot, new: PolicySnapshot) -> bool:
    before, after = old.invalidation_epochs, new.invalidation_epochs
    pairs = ((before.voter, after.voter), (before.rule, after.rule), (before.tenant, after.tenant))
    return all(_counters_hold(was, now) for was, now in pairs)


def _counters_hold(old: Mapping[str, int], new: Mapping[str, int]) -> bool:
    return all(new.get(name, 0) >= old.get(name, 0) for name in old.keys() | new.keys())
