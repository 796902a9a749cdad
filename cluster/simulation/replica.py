"""One simulated replica: the production coordinator, breakers, hedges, log, policy view and spending around simulated voters.

Rules:
- What decides is production's: ``Admission``, ``ConsensusCoordinator``, ``GuardedVoter``, ``Circuits``, ``RetryBudget``,
  ``CappedVoter``, ``Wallet``, ``WalDecisionLog``, ``screen``, ``accept``. What is simulated is what they reach: voters, disk,
  sandbox, clocks.
- What carries an ``Idempotency-Key`` goes through ``replays``, where a site keeps answers.
- What each voter may hold is learnt as in a gateway's replica, where there is admission.

Left out: HTTP and authentication.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from actors.admission.adapters.kept_answers import KeptAnswers
from actors.admission.idempotency_config import IdempotencyConfig
from actors.base.digests import sha256_hex
from actors.base.ids import ulid
from actors.base.memo import remembered
from actors.consensus.actor import ConsensusCoordinator, Decision, Identity
from actors.consensus.adapters.decision_log import WalDecisionLog
from actors.consensus.behaviour.compare import Asked as AskedFor
from actors.consensus.behaviour.compare import Comparison, NotCompared
from actors.consensus.request import Caller, GenerationRequest
from actors.consensus.screening.findings import Screening, refusal
from actors.consensus.screening.screen import screen
from actors.consensus.screening.version import SCREENING_VERSION
from actors.consensus.vocabulary import State
from actors.consensus.weights import Weights
from actors.store.auth import Principal
from actors.store.tenants import derived_tenants
from cluster.simulation import authority
from cluster.simulation.admission import LEASES, SimulatedAdmission
from cluster.simulation.guarding import Guarding, Watch
from cluster.simulation.invariants import Judge
from cluster.simulation.questions import BEHAVIOURS
from cluster.simulation.replays import Repeated, SimulatedAnswers, asked_under
from cluster.simulation.settings import SiteSettings
from cluster.simulation.surroundings import Government, PolledPolicy, Renewed, SimulatedClock, SimulatedWal
from cluster.simulation.voters import ASKED, SimulatedVoter
from cluster.simulation.weather import Weather
from models.providers.capped import CappedVoter
from models.voter import Voter
from serve_apps.gateway.idempotency import Replayed
from serve_apps.gateway.spending import Wallet

RENEW_BELOW_S = 12 * 3600
SCREENED_BYTES = 4 * 2**20
TENANTS = derived_tenants(b"salt" * 8)


class Silent:
    """Counts nothing."""

    def decided(self, result: str, kind: str, seconds: float) -> None:
        """Hear how a deliberation ended."""

    def voted(self, voter: str, outcome: str, seconds: float) -> None:
        """Hear of a ballot."""

    def supported(self, support: float) -> None:
        """Hear of a tally."""


@remembered(SCREENED_BYTES)
def _screened(code: str, language: str) -> Screening:
    return screen(code, language)


@dataclass(slots=True)
class Scrutiny:
    """The production's rules of screening, and a sandbox that knows beforehand what code does."""

    weather: Weather
    runs: Callable[[], None]
    """Hears that candidates are to be run."""
    version: str = SCREENING_VERSION

    async def screen(self, code: str, language: str) -> Screening:
        """Look at code; blind, it rejects."""
        if self.weather.worst("screener_blind") is not None:
            return refusal("scanner-blind", "a canary was missed", self.version)
        return _screened(code, language)

    def why_not(self) -> str:
        """Return why nothing may run now."""
        return "the sandbox is away" if self.weather.worst("sandbox_away") is not None else ""

    async def compare(
        self, asked: AskedFor, candidates: Mapping[int, str], seed: int, deadline_s: float  # noqa: ARG002 - the port's signature
    ) -> Comparison | NotCompared:  # fmt: skip
        """Tell what the candidates do."""
        self.runs()
        if self.why_not():
            return NotCompared("sandbox")
        total = len(asked.examples)
        known = {ask_id: BEHAVIOURS.get(code.strip()) for ask_id, code in candidates.items()}
        vectors = {ask_id: sha256_hex(found[0].encode()) for ask_id, found in known.items() if found is not None}
        names = sorted(set(vectors.values()))
        passed = {ask_id: total if found and found[1] else 0 for ask_id, found in known.items()}
        return Comparison(
            {ask_id: names.index(vector) for ask_id, vector in vectors.items()}, vectors, {}, total, passed,
            frozenset(ask_id for ask_id, count in passed.items() if count < total), frozenset(), 10, 1, True,
        )  # fmt: skip


class Replica:
    """One incarnation of a replica."""

    def __init__(
        self, number: int, incarnation: int, settings: SiteSettings, voters: Mapping[str, SimulatedVoter], weights: Weights,
        government: Government, weather: Weather, clock: SimulatedClock, spend: Path | None, judge: Judge,
    ) -> None:  # fmt: skip
        self.number, self.name = number, f"replica {number}"
        self.is_dead = False
        self.clock = clock
        self._settings = settings
        self._renewed = Renewed(number, incarnation, clock)
        self.wallet = Wallet(spend, settings.spend_per_day_usd, clock.time) if spend is not None else None
        if self.wallet is not None:
            self.wallet.start()
        self.wal = SimulatedWal(weather, self.name, judge.durable)
        self.log = WalDecisionLog(self.wal, self._renewed.now(), authority.trust)
        self.policy = PolledPolicy(government, clock.loop, weather, settings.policy, 0.1 * number % 0.25)
        self.admission = self._admission(incarnation, weather, spend, judge)
        priced = {name: self._priced(voter) for name, voter in voters.items()}
        self.answers: SimulatedAnswers | None = None
        self.guards = Guarding(priced, settings, clock, _draw, self._watch(voters, weather, judge))
        scrutiny = Scrutiny(weather, judge.content.runs)
        self.coordinator = ConsensusCoordinator(
            voters=self.guards.voters, policy=self.policy, weights=Fixed(weights), log=self.log, meter=Silent(),
            screener=scrutiny, comparer=scrutiny, clock=clock, config=settings.consensus,
            identity=Identity("c" * 64), tenants=TENANTS, randomness=_randomness, hedges=self.guards,
            saving=self.admission, new_id=self._new_id,
        )  # fmt: skip

    def keep_answers(
        self, table: KeptAnswers, config: IdempotencyConfig, weather: Weather, breach: Callable[[str, str], None]
    ) -> None:  # fmt: skip
        """Keep answers under clients' keys in a table that all replicas share."""
        self.answers = SimulatedAnswers(
            table, config, self._settings.consensus.max_concurrent, TENANTS, self.policy, self.coordinator, self.clock, weather,
            lambda: self.is_dead, breach,
        )  # fmt: skip

    async def serve(self, request: GenerationRequest, who: Principal, key: str = "") -> Decision | Replayed:
        """Answer one request as the gateway's replica does; ``key`` is the client's ``Idempotency-Key``."""
        if key and self.answers is not None:
            work = Repeated(self.coordinator, request, lambda admitted: self._deliberate(admitted, who))
            return await self.answers.once(asked_under(key, request, who), work)
        if self.admission is None:
            return await self._deliberate(request, who)
        self.admission.require_room(who)
        return await self.admission.through(
            request, who, "interactive", lambda admitted, ended: self._deliberate(admitted, who, ended)
        )

    async def _deliberate(
        self, request: GenerationRequest, who: Principal, ended: Callable[[State], None] | None = None
    ) -> Decision:
        if self.log.seconds_left(self.clock.time()) < RENEW_BELOW_S:
            self.log.identity = self._renewed.now()
        if self.wallet is not None:
            await self.wallet.look()
        return await self.coordinator.generate(request, Caller(who.tenant, who.key_id, who.policies), ended)

    def kill(self) -> None:
        """Let the process end as by ``kill -9``: what is not durable is gone, and so is its lease."""
        self.is_dead = self.wal.is_dead = True
        if self.admission is not None:
            self.admission.end()

    def _admission(
        self, incarnation: int, weather: Weather, spend: Path | None, judge: Judge
    ) -> SimulatedAdmission | None:  # fmt: skip
        settings = self._settings
        if settings.admission is None or judge.admission is None or spend is None:
            return None
        asked = len({voter for layer in settings.layers for voter in layer.members})
        return SimulatedAdmission(
            settings.admission, settings.consensus.max_concurrent, settings.slots, asked, spend.with_name(LEASES), self.name,
            incarnation, self.clock, weather, judge.admission,
        )  # fmt: skip

    def _watch(self, voters: Mapping[str, SimulatedVoter], weather: Weather, judge: Judge) -> Watch | None:
        """Return who gives voters their limits; without admission they have their bulkheads alone."""
        if self.admission is None or judge.limits is None:
            return None
        return Watch(self.name, self.admission.voter_limit, voters, weather, judge.limits)

    def _priced(self, voter: SimulatedVoter) -> Voter:
        price = voter.character.price
        if price is None or self.wallet is None:
            return voter
        return CappedVoter(voter, price, self.wallet, self.clock.time)

    def _new_id(self) -> str:
        return ulid(self.clock.time_ns() // 1_000_000, _randomness(10))


@dataclass(frozen=True, slots=True)
class Fixed:
    """Weights that do not change."""

    value: Weights

    def weights(self, sha256: str) -> Weights:  # noqa: ARG002 - the port's signature
        """Return them."""
        return self.value


def _randomness(size: int) -> bytes:
    return ASKED.get().random_bytes(size)


def _draw() -> float:
    return int.from_bytes(_randomness(7), "big") / 2**56
