"""Keys, trust and snapshots that the policy tests share."""

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import pytest

from actors.base.certificates import Certificate, Role, TrustBundle, certify
from actors.base.signing import SigningKey
from actors.policy.snapshot import GENESIS, Epochs, Halt, LayerRule, PolicySnapshot, WeightsRef

START, END, NOW = 1_000, 1_000_000, 5_000


@dataclass
class Realm:
    """A root, an operator, a policy key, a stranger, and the bundle that says so."""

    root: SigningKey = field(default_factory=lambda: SigningKey.from_seed(b"r" * 32))
    operator: SigningKey = field(default_factory=lambda: SigningKey.from_seed(b"o" * 32))
    policy: SigningKey = field(default_factory=lambda: SigningKey.from_seed(b"p" * 32))
    stranger: SigningKey = field(default_factory=lambda: SigningKey.from_seed(b"s" * 32))

    def certificate(self, role: Role, key: SigningKey) -> Certificate:
        """Make a certificate in root's name."""
        return Certificate(role, role, key.public.hex, self.root.public.key_id, START, END)

    @property
    def trust(self) -> TrustBundle:
        """Return the bundle of an ordinary home."""
        certificates = [
            certify(self.root, self.certificate("operator", self.operator)),
            certify(self.root, self.certificate("policy", self.policy)),
        ]
        return TrustBundle("weavergen.trust/1", self.root.public.hex, certificates, [])


@pytest.fixture
def realm() -> Realm:
    """Return keys and trust."""
    return Realm()


@pytest.fixture
def now_s() -> int:
    """Return a moment at which every certificate is valid."""
    return NOW


@pytest.fixture
def base() -> PolicySnapshot:
    """Return a first snapshot: two layers, three voters, nothing halted."""
    return PolicySnapshot(
        version=1,
        issued_at=1_700_000_000_000,
        prev_sha256=GENESIS,
        layers=[
            LayerRule("primary", ["a", "b", "c"], "0.600000", 2, "1.500000", "0.700000"),
            LayerRule("backup", ["a", "b"], "0.600000", 2, "1.500000", "0.300000"),
        ],
        voter_state={"a": "active", "b": "active", "c": "active"},
        weights=WeightsRef("ab" * 32),
        thresholds={"similarity": "0.800000", "mystery": "0.500000"},
        halt=Halt(on=False, reason="", by=""),
        screening_version="none",
        invalidation_epochs=Epochs(voter={"a": 1}, rule={}, tenant={}),
        learning_frozen=False,
    )


@pytest.fixture
def change(base: PolicySnapshot) -> Callable[..., PolicySnapshot]:
    """Return a maker of snapshots that differ from the first in the named fields."""

    def make(**fields: object) -> PolicySnapshot:
        return msgspec.structs.replace(base, **fields)

    return make
