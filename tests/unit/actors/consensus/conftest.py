"""Fixtures of the consensus tests."""

from collections.abc import Callable, Iterator
from functools import lru_cache

import pytest

from actors.base.certificates import Certificate, SignedCertificate, TrustBundle, certify
from actors.base.signing import SigningKey
from actors.consensus import deliberation
from actors.consensus.actor import ConsensusCoordinator, Identity
from actors.consensus.config import ConsensusConfig
from actors.consensus.ports import ContentSink, Hedges, Saving
from actors.consensus.readable import readable
from actors.consensus.weights import default_weights, read_weights
from actors.store.tenants import Tenants, derived_tenants
from tests.unit.actors.consensus.world import (
    LOG_KEY,
    NOW_S,
    WRITER,
    Comparer,
    CountingMeter,
    FixedClock,
    FixedWeights,
    FunctionVoter,
    MemoryLog,
    Policy,
    Screener,
    View,
    World,
    snapshot,
)


@pytest.fixture(scope="module")
def read_once() -> Iterator[None]:
    """Let deliberations read each answer once: some tests lead thousands of them through the same few, and reading is pure."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(deliberation, "readable", lru_cache(maxsize=1024)(readable))
        yield


@pytest.fixture
def trust_chain() -> tuple[TrustBundle, SigningKey, object]:
    """Root → issuer → writer, with the writer's key and certificate."""
    root, issuer, writer = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2, 3))

    def certificate(role: str, subject: str, key: SigningKey, by: SigningKey, lasts_s: int) -> object:
        value = Certificate(
            role=role, subject=subject, public_key=key.public.hex, issued_by=by.public.key_id,  # type: ignore[arg-type]
            not_before=NOW_S - 100, not_after=NOW_S - 100 + lasts_s,
        )  # fmt: skip
        return certify(by, value)

    issued = certificate("issuer", "issuer", issuer, root, 10**8)
    log = certificate("log", "log", LOG_KEY, root, 10**8)
    certified: list[SignedCertificate] = [issued, log]  # type: ignore[list-item]
    trust = TrustBundle(schema="weavergen.trust/1", root=root.public.hex, certificates=certified, revocations=[])
    return trust, writer, certificate("writer", WRITER, writer, issuer, 24 * 3600)


TENANTS = derived_tenants(b"salt" * 8)


@pytest.fixture
def make_world(trust_chain: tuple[TrustBundle, SigningKey, object]) -> Callable[..., World]:
    """Build a coordinator around voters."""
    trust, key, certificate = trust_chain

    def make(
        *voters: FunctionVoter, config: ConsensusConfig | None = None, content: ContentSink | None = None,
        hedges: Hedges | None = None, saving: Saving | None = None, tenants: Tenants = TENANTS,
    ) -> World:  # fmt: skip
        named = {v.info.id: v for v in voters}
        policy = Policy(View(snapshot(list(named))))
        weights = FixedWeights(read_weights(default_weights([])))
        log, meter, clock = MemoryLog(key, certificate), CountingMeter(), FixedClock()
        screener, comparer = Screener(), Comparer()
        coordinator = ConsensusCoordinator(
            voters=named,
            policy=policy,
            weights=weights,
            log=log,
            meter=meter,
            screener=screener,
            comparer=comparer,
            clock=clock,
            config=config or ConsensusConfig(),
            identity=Identity("c" * 64),
            tenants=tenants,
            randomness=lambda n: b"\x07" * n,
            content=content,
            hedges=hedges,
            saving=saving,
        )
        return World(coordinator, named, policy, weights, log, meter, clock, trust, screener, comparer)

    return make
