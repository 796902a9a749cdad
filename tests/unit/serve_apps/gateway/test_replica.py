"""What a replica says of its voters and of itself, and how it keeps its certificate."""

import asyncio
import contextlib
import dataclasses
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from actors.base.certificates import Certificate, Role, SignedCertificate, TrustBundle, certify
from actors.base.endings import DAY_S
from actors.base.ids import ulid
from actors.base.signing import SigningKey
from actors.consensus.adapters.decision_log import WalDecisionLog
from actors.spans.adapters.wal import WriterIdentity
from models.voter import VoterInfo
from serve_apps.gateway import replica
from serve_apps.gateway.renewal import MAX_ASKS, IssuerWatch
from serve_apps.gateway.replica import RENEW_BELOW_S, Gateway
from tests.unit.actors.consensus.world import snapshot


def test_models_tell_each_voter_s_state_whatever_layer_it_is_in() -> None:
    """A voter is active exactly if the policy in force lets it answer; one outside every layer may be either."""
    gateway: Any = Gateway.__new__(Gateway)
    states = {"a": "active", "b": "isolated", "c": "active"}
    gateway.policy = lambda: snapshot("ab", voter_state=states)
    gateway._voters = {name: SimpleNamespace(info=VoterInfo(name, name, name)) for name in "abcd"}
    told = {model["id"]: (model["weavergen"]["layers"], model["weavergen"]["state"]) for model in gateway.models()}
    assert told == {
        "consensus": (["primary"], "active"),
        "a": (["primary"], "active"),
        "b": (["primary"], "isolated"),
        "c": ([], "active"),
        "d": ([], "isolated"),
    }


@pytest.fixture
def gateway() -> Any:
    """Make a whole replica of which nothing runs: each part says what readiness asks of it."""
    made: Any = Gateway.__new__(Gateway)
    view = SimpleNamespace(snapshot=snapshot("ab"), stale=False, halted=lambda _: False)
    made._parts = SimpleNamespace(
        policy=SimpleNamespace(current=view), auth=SimpleNamespace(current=object()), trust=lambda: lasting(60 * DAY_S)
    )
    made._clock = SimpleNamespace(monotonic=lambda: 0.0)
    made._voters = {name: SimpleNamespace(info=VoterInfo(name, name, name)) for name in "ab"}
    made._own = frozenset("ab")
    made._health = SimpleNamespace(failing=list)
    made._guards = SimpleNamespace(denying=list)
    made._coordinator = SimpleNamespace(weights_problem=str)
    made._wal = SimpleNamespace(unavailable_because="")
    made._spans = SimpleNamespace(problem="")
    made._open_incidents = SimpleNamespace(problem="")
    made._log = SimpleNamespace(seconds_left=lambda _: 100.0)
    made._settings = SimpleNamespace(degraded=(), closed=("a",))
    made._scrutiny = SimpleNamespace(degraded=tuple)
    made._admission = SimpleNamespace(degraded=tuple)
    made._content = SimpleNamespace(problems=())
    return made


def lasting(left_s: int) -> TrustBundle:
    """Return a bundle in which the log's key is certified for ``left_s`` from now on."""
    return TrustBundle("weavergen.trust/1", ROOT.public.hex, [issued(ROOT, "log", OLD, left_s)], [])


FAULTS: dict[str, tuple[str, str, object, bool]] = {
    "no policy": ("_parts.policy", "current", None, False),
    "no keys": ("_parts.auth", "current", None, False),
    "unusable weights": ("_coordinator", "weights_problem", lambda: "gone", False),
    "full log": ("_wal", "unavailable_because", "full", False),
    "expired certificate": ("_log", "seconds_left", lambda _: 0.0, False),
    "silent voter": ("_health", "failing", lambda: ["a"], False),
    "halted": ("_parts.policy.current", "halted", lambda _: True, True),
    "stale policy": ("_parts.policy.current", "stale", True, True),
    "spans without a table": ("_spans", "problem", "away", True),
    "a database without connections": ("_open_incidents", "problem", "too many clients already", True),
    "no sandbox": ("_scrutiny", "degraded", lambda: ("sandbox: bwrap is missing",), True),
    "content that cannot be kept": ("_content", "problems", ("content is not kept: the disk fills",), True),
    "co-located keys": ("_settings", "degraded", ("root: co-located",), True),
    "a log key whose certificate ends": ("_parts", "trust", lambda: lasting(9 * DAY_S), True),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_readiness_asks_every_part(gateway: Any, fault: str) -> None:
    """A whole replica is ready and degraded in nothing; a fault of any one part shows, as a reason or as degraded."""
    judged = gateway.readiness()
    assert (judged.ready, judged.reasons, judged.degraded) == (True, [], [])
    path, name, value, ready = FAULTS[fault]
    part = gateway
    for step in path.split("."):
        part = getattr(part, step)
    setattr(part, name, value)
    judged = gateway.readiness()
    assert judged.ready is ready
    assert judged.degraded if ready else judged.reasons


def test_layers_say_whether_anything_of_them_reaches_a_network(gateway: Any) -> None:
    """What the settings say of each voter is what is shown of the layer."""
    assert [layer.egress for layer in gateway.layers()] == ["open"]
    gateway._settings = SimpleNamespace(degraded=(), closed=("a", "b"))
    assert [layer.egress for layer in gateway.layers()] == ["none"]


ROOT, OLD, NEW, WRITER = (SigningKey.from_seed(bytes([n]) * 32) for n in range(4))
NAME = ulid(0, bytes(10))


def issued(by: SigningKey, role: Role, key: SigningKey, left_s: float) -> SignedCertificate:
    """Certify a key for ``left_s`` from now on."""
    start, subject = int(time.time()) - 60, NAME if role == "writer" else role
    return certify(by, Certificate(role, subject, key.public.hex, by.public.key_id, start, start + 60 + int(left_s)))


class Certified:
    """A replica that does nothing but keep its certificate; every renewal is granted by the newest issuer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, left_s: float) -> None:
        self.bundles = [TrustBundle("weavergen.trust/1", ROOT.public.hex, [issued(ROOT, "issuer", OLD, 1e6)], [])]
        self.issuer, self.renewals, self.looked, self.until = OLD, 0, 0, 0
        identity = WriterIdentity(NAME, WRITER, issued(OLD, "writer", WRITER, left_s))
        self.log = WalDecisionLog(cast("Any", None), identity, lambda: self.bundles[-1])
        self.gateway: Any = Gateway.__new__(Gateway)
        self.gateway._log, self.gateway._renewal = self.log, None
        self.gateway._issuers = IssuerWatch(self.trust)
        self.gateway._settings = SimpleNamespace(home=Path("home"))
        monkeypatch.setattr(replica, "RENEW_LOOK_S", 0)
        monkeypatch.setattr(replica, "renew", self.renew)

    def trust(self) -> TrustBundle:
        """Return the bundle in force: the replica looks at it once a round."""
        self.looked += 1
        if self.looked == self.until:
            self.done.set()
        return self.bundles[-1]

    def renew(self, identity: WriterIdentity, directory: Path, _: float) -> WriterIdentity:
        """Grant a certificate for half a day and more."""
        assert directory == Path("home/run/certs")
        self.renewals += 1
        return dataclasses.replace(identity, certificate=issued(self.issuer, "writer", WRITER, 20 * 3600))

    def replace_issuer(self) -> None:
        """Do what a rotation does."""
        before = self.bundles[-1]
        self.issuer, certificates = NEW, [*before.certificates, issued(ROOT, "issuer", NEW, 1e6)]
        self.bundles.append(msgspec.structs.replace(before, certificates=certificates))

    async def rounds(self, count: int) -> None:
        """Let the replica look ``count`` times more."""
        self.until, self.done = self.looked + count, asyncio.Event()
        task = asyncio.create_task(self.gateway._keep_certified())
        task.add_done_callback(lambda _: self.done.set())
        await self.done.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_replica_leaves_a_replaced_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    """With most of its day left it stays with its issuer until another is certified, then asks once and signs with that."""
    certified = Certified(monkeypatch, 20 * 3600)
    await certified.rounds(3)
    assert certified.renewals == 0
    certified.replace_issuer()
    await certified.rounds(4)
    assert certified.renewals == 1
    assert certified.log.identity.certificate.read().issued_by == NEW.public.key_id
    assert certified.log.seconds_left(time.time()) > RENEW_BELOW_S


async def test_a_replica_renews_before_its_day_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below half a day it asks its issuer again, once."""
    certified = Certified(monkeypatch, RENEW_BELOW_S - 60)
    await certified.rounds(4)
    assert certified.renewals == 1


async def test_a_replica_does_not_ask_an_old_issuer_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotation that ended before the new key was in its place costs a bounded number of renewals."""
    certified = Certified(monkeypatch, 20 * 3600)
    certified.replace_issuer()
    certified.issuer = OLD
    await certified.rounds(3 * MAX_ASKS)
    assert certified.renewals == MAX_ASKS
