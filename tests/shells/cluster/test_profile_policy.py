"""When a profile's rules come into force at bring-up, and when what is in force stays."""

import time
from pathlib import Path

import msgspec
import pytest

from actors.base.canonical import canonical_json
from actors.base.errors import HomeError
from actors.base.signing import SigningKey
from actors.consensus.adapters.registry import WeightsRegistry
from actors.policy.config import CalibrationConfig
from actors.policy.snapshot import Calibration, PolicySnapshot, sign_snapshot
from actors.policy.transitions import halted, isolated, successor
from cluster.bringup import _bring_into_force
from cluster.profile_policy import profile_rules
from cluster.succession import Note
from cluster.trust import operator_key
from tests.shells.cluster.governed import LINEAGES, Governed, config_of, governed


@pytest.fixture
def system(tmp_path: Path) -> Governed:
    """Return a home before its first policy, by today's clock."""
    return governed(tmp_path, int(time.time()))


def halt(current: PolicySnapshot, now_ms: int) -> PolicySnapshot:
    """Halt."""
    return halted(current, "why", "me", now_ms)


def with_quorum(current: PolicySnapshot, quorum: str, now_ms: int) -> PolicySnapshot:
    """Give the first layer another quorum."""
    layers = [msgspec.structs.replace(current.layers[0], quorum=quorum), *current.layers[1:]]
    return successor(current, now_ms, layers=layers)


def test_the_first_policy_gives_the_profile_s_layers_force(system: Governed) -> None:
    """Version 1 is signed by the operator, names every voter as active and weights that can be read."""
    made = system.up(config_of("a", "b", quorum=0.6)).snapshot
    assert made == system.succession.current()
    assert (made.version, made.layers[0].quorum, made.voter_state) == (1, "0.600000", {"a": "active", "b": "active"})
    assert WeightsRegistry(system.home.registry).weights(made.weights.sha256).lineages == LINEAGES


def test_thresholds_and_the_error_they_are_calibrated_for_come_from_the_profile(system: Governed) -> None:
    """Both are in the policy as decimals; a profile that says nothing of an error has the digest it had before there was one."""
    plain = config_of("a", "b")
    assert b"calibration" not in canonical_json(profile_rules(plain))
    said = plain.model_copy(
        update={
            "thresholds": {"min_gap": 0.2, "similarity": 0.85},
            "calibration": {"strict": CalibrationConfig(error=0.05, source="measured")},
        }
    )
    assert system.up(plain).snapshot.calibration == {}
    followed = system.up(said)
    assert followed.snapshot.thresholds == {"min_gap": "0.200000", "similarity": "0.850000"}
    assert followed.snapshot.calibration == {"strict": Calibration("0.050000", "measured")}
    assert "thresholds" not in followed.loosened
    assert system.up(plain).snapshot.calibration == {}


def test_the_same_profile_again_makes_no_version(system: Governed) -> None:
    """Bring-up is idempotent, also for policy, and then needs no operator's key."""
    system.up(config_of("a", "b"))
    (system.operators / "operator.key").unlink()
    assert system.up(config_of("a", "b")).snapshot.version == 1
    assert system.versions == [1]


def test_a_tightening_outlives_bring_up(system: Governed) -> None:
    """What a detector raised stays raised under an unchanged profile."""
    system.up(config_of("a", "b", quorum=0.6))
    system.tighten(lambda current, now_ms: with_quorum(current, "0.900000", now_ms), note=False)
    assert system.up(config_of("a", "b", quorum=0.6)).snapshot.layers[0].quorum == "0.900000"
    assert system.versions == [1, 2]


def test_an_operator_s_decision_outlives_bring_up(system: Governed) -> None:
    """Layers that an operator signed stay under an unchanged profile, and a changed profile replaces them."""
    first = system.up(config_of("a", "b", quorum=0.6)).snapshot
    note = Note("rollback", "", "", "ann")
    key = operator_key(system.operators)
    system.succession.publish(first, with_quorum(first, "0.500000", 0), note, key)
    assert system.up(config_of("a", "b", quorum=0.6)).snapshot.layers[0].quorum == "0.500000"
    assert system.up(config_of("a", "b", quorum=0.7)).snapshot.layers[0].quorum == "0.700000"


def test_what_a_changed_profile_loosens_is_said_and_noted(system: Governed) -> None:
    """A lower quorum is in the line that bring-up prints and in the history; a higher one is not."""
    system.up(config_of("a", "b", quorum=0.6))
    assert system.up(config_of("a", "b", quorum=0.8)).loosened == ""
    followed = system.up(config_of("a", "b", quorum=0.7))
    assert followed.loosened == "layer p: quorum: 0.800000 → 0.700000"
    assert followed.loosened in system.succession.history.list()[0].reason


class Told:
    """Remembers what bring-up says."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, text: str) -> None:
        """Remember."""
        self.steps.append(text)

    def progress(self, *_: object) -> None:
        """Forget."""


def test_bring_up_says_what_it_loosens(system: Governed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs it reads the one line; nothing is said where nothing is looser."""
    monkeypatch.setenv("WEAVERGEN_OPERATOR_DIR", str(system.operators))
    told = Told()
    for quorum in (0.6, 0.6, 0.5):
        _bring_into_force(system.home, config_of("a", "b", quorum=quorum), LINEAGES, told)
    assert [text for text in told.steps if "looser" in text] == [
        "the profile changed, and the policy is looser than it was: layer p: quorum: 0.600000 → 0.500000"
    ]


def test_another_profile_keeps_halt_and_isolation(system: Governed) -> None:
    """Changing layers loosens nothing else: still halted, still isolated, new voters active."""
    system.up(config_of("a", "b"))
    system.tighten(halt)
    system.tighten(isolated, "b")
    made = system.up(config_of("a", "b", "c")).snapshot
    assert made == system.succession.current()
    assert (made.version, made.halt.on, made.halt.reason) == (4, True, "why")
    assert made.voter_state == {"a": "active", "b": "isolated", "c": "active"}


def test_a_voter_outside_every_layer_is_active_too(system: Governed) -> None:
    """Whoever is configured can be asked by name; a voter added to no layer makes a new version, the same profile none."""
    system.up(config_of("a", "b"))
    more = config_of("a", "b", "c", members=["a", "b"])
    made = system.up(more).snapshot
    assert (made.version, made.isolated("c"), made.layers[0].members) == (2, False, ["a", "b"])
    assert system.up(more).snapshot.version == 2


def test_a_removed_halt_is_not_signed_away(system: Governed) -> None:
    """With the newest file gone, another profile publishes nothing: bring-up stops and it is an incident."""
    system.up(config_of("a", "b"))
    system.tighten(halt)
    system.file(2).unlink()
    with pytest.raises(HomeError, match="policy recover"):
        system.up(config_of("a", "b", "c"))
    assert (system.versions, system.incidents) == ([1], ["policy rollback"])


def test_a_lost_profile_comes_back(system: Governed) -> None:
    """Recovered below the profile's version, bring-up publishes the profile again, once, still halted."""
    old, new = config_of("a", "b", quorum=0.6), config_of("b", "c", quorum=0.9)
    system.up(old)
    system.up(new)
    system.file(2).unlink()
    system.succession.recover("disk", "ann", operator_key(system.operators))
    assert system.up(old).snapshot.version == 3
    made = system.up(new).snapshot
    assert (made.version, made.layers[0].members, made.halt.on) == (4, ["b", "c"], True)
    assert system.up(new).snapshot == made


def test_a_policy_nobody_trusted_signed_is_refused(system: Governed) -> None:
    """Bring-up does not go on from a forged policy."""
    made = system.up(config_of("a", "b")).snapshot
    forge(system, made, SigningKey.generate())
    with pytest.raises(HomeError, match="signed by nobody trusted"):
        system.up(config_of("a", "b"))
    assert system.incidents == ["policy signature"]


def forge(system: Governed, snapshot: PolicySnapshot, key: SigningKey) -> None:
    """Replace a version's file."""
    file = system.file(snapshot.version)
    file.unlink()
    file.write_bytes(canonical_json(sign_snapshot(snapshot, key)))
