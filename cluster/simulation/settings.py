"""What a simulated site is: its voters with their characters, its layers, and the production's configuration of all the rest."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from actors.admission.config import AdmissionConfig
from actors.admission.idempotency_config import IdempotencyConfig
from actors.base.canonical import MICRO, decimal_str
from actors.base.digests import sha256_hex
from actors.consensus.breakers.config import BreakerConfig
from actors.consensus.config import ConsensusConfig
from actors.consensus.weights import default_weights
from actors.policy.config import PolicyConfig
from actors.policy.snapshot import GENESIS, Epochs, Halt, LayerRule, PolicySnapshot, WeightsRef
from cluster.simulation import authority
from cluster.simulation.voters import Character


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """One site."""

    characters: tuple[Character, ...]
    layers: tuple[LayerRule, ...]
    consensus: ConsensusConfig = field(default_factory=ConsensusConfig)
    breakers: BreakerConfig = field(default_factory=BreakerConfig)
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    replicas: int = 2
    spend_per_day_usd: float = 0.0
    """0 for voters without a price."""
    thresholds: Mapping[str, str] = field(default_factory=dict)
    idempotency: IdempotencyConfig | None = None
    """How answers are kept under a client's key; ``None`` where no client has one."""
    admission: AdmissionConfig | None = None
    """Who is let in; ``None`` for everybody, at once."""
    begins_s: float = 0.0
    """Where in its first minute the site begins, by the wall clock."""

    @property
    def slots(self) -> int:
        """Return how many replicas there may be: health may ask for one more."""
        return self.replicas + 1

    @property
    def weights(self) -> bytes:
        """Return the weights file that policy names: nothing learned yet."""
        return default_weights(sorted((one.info.id, one.info.lineage) for one in self.characters))

    def first_policy(self) -> PolicySnapshot:
        """Return the policy that the site begins with."""
        return PolicySnapshot(
            version=1, issued_at=authority.EPOCH_S * 1000, prev_sha256=GENESIS, layers=list(self.layers),
            voter_state={one.info.id: "active" for one in self.characters}, weights=WeightsRef(sha256=sha256_hex(self.weights)),
            thresholds=dict(self.thresholds) or {"similarity": "0.600000"}, halt=Halt(on=False, reason="", by=""),
            screening_version="none", invalidation_epochs=Epochs(voter={}, rule={}, tenant={}), learning_frozen=False,
        )  # fmt: skip


def layer(
    name: str, members: tuple[str, ...], *, quorum: float = 0.55, min_lineages: int = 2, min_n_eff: float = 1.0, time_share: float
) -> LayerRule:  # fmt: skip
    """Return a layer as policy writes it."""

    def decimal(value: float) -> str:
        return decimal_str(round(value * MICRO))

    return LayerRule(
        name=name, members=list(members), quorum=decimal(quorum), min_lineages=min_lineages, min_n_eff=decimal(min_n_eff),
        time_share=decimal(time_share),
    )  # fmt: skip
