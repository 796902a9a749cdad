"""``Gateway``: one replica as a plain class. It assembles the coordinator, keeps its certificate fresh, and answers routes."""

import asyncio
import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from actors.base.canonical import micro, to_builtins
from actors.base.endings import endings
from actors.base.errors import ModelNotFound, NotReady, Overloaded, StorageUnavailable
from actors.consensus.actor import ConsensusCoordinator, Identity
from actors.consensus.adapters.clock import SystemClock
from actors.consensus.adapters.decision_log import WalDecisionLog
from actors.consensus.adapters.registry import WeightsRegistry
from actors.consensus.breakers.vocabulary import Force
from actors.policy.adapters.watcher import PolicyView
from actors.policy.snapshot import PolicySnapshot
from actors.spans.adapters.wal import WalWriter
from actors.spans.log.checkpoint import log_id
from actors.store.auth import Principal
from models.http1 import ConnectionPool
from models.voter import Voter
from serve_apps.actors import SpanWatch, ask_span_actor
from serve_apps.gateway.access import Access
from serve_apps.gateway.answers import FeedbackTaken
from serve_apps.gateway.chat import ChatCompletions
from serve_apps.gateway.decisions import Decisions
from serve_apps.gateway.emitting import Emitter
from serve_apps.gateway.external_log import ExternalLog
from serve_apps.gateway.feedback import FeedbackDesk
from serve_apps.gateway.guards import BreakerShown, Guards, force
from serve_apps.gateway.idempotency import IdempotentAnswers
from serve_apps.gateway.layers import LayerStanding, deciding, standings
from serve_apps.gateway.open_incidents import OpenIncidents
from serve_apps.gateway.parts import admission, build_parts, content_keeper, kept_answers, recorded_voters, wallet
from serve_apps.gateway.published_log import PublishedLog
from serve_apps.gateway.quarantine import QuarantineView
from serve_apps.gateway.readiness import Observed, Readiness, judge
from serve_apps.gateway.renewal import IssuerWatch
from serve_apps.gateway.row_counts import CountedLog
from serve_apps.gateway.schemas import TransitionBody
from serve_apps.gateway.scrutiny import Scrutiny
from serve_apps.gateway.servers import server_voters
from serve_apps.gateway.settings import GatewaySettings
from serve_apps.gateway.storms import LOOK_S as STORM_LOOK_S
from serve_apps.gateway.storms import StormFreeze
from serve_apps.gateway.threads import BoundedThreads
from serve_apps.gateway.traces import TraceIntake
from serve_apps.gateway.wire import Receive
from serve_apps.gateway.writer import renew, request_identity
from serve_apps.health import health_now
from serve_apps.metrics import RayMeter, VoterHealth, union

_log = logging.getLogger("weavergen.gateway")
RENEW_BELOW_S = 12 * 3600
RENEW_LOOK_S = 1.0
RENEW_WAIT_S = 10.0
SPANS_LOOK_S = 5.0
INCIDENTS_LOOK_S = 5.0
TRANSITION_THREADS = 4
LOOK_THREADS = 4
MAX_LOOKS = 8
"""Who looks into the database at once: more are refused, or they would wait for each other while it hangs."""


class Gateway:
    """Everything one replica is, around its ``ConsensusCoordinator``."""

    def __init__(self, settings: GatewaySettings, engines: Mapping[str, Voter]) -> None:
        self._settings = settings
        self._pool = ConnectionPool(settings.max_connections)
        self._parts = build_parts(settings)
        self._clock = SystemClock()
        self._wallet = wallet(settings, self._clock)
        servers = server_voters(settings, self._pool, self._wallet, self._clock)
        self._voters = {**engines, **servers, **recorded_voters(settings)}
        identity = request_identity(settings.home / "run" / "certs", settings.certificate_wait_s)
        self._wal = WalWriter(settings.home / "wal", identity, settings.spans)
        self._rows = CountedLog(self._wal, self._clock.time_ns, settings.spans.stall_after_ms / 1000)
        self._log = WalDecisionLog(self._rows, identity, self._parts.trust)
        self._meter = RayMeter(identity.id)
        self._health = VoterHealth(self._meter, self._clock.monotonic, settings.consensus.deadline_ms / 1000)
        self._own = frozenset(engines)
        self._emitter = Emitter(self._rows)
        self._admission = admission(settings, identity.id, self._clock)
        self._guards = Guards(
            self._voters, settings.layers, settings.breakers, self._clock, self._parts.sink, self._emitter.put,
            settings.home / "run" / "breakers", identity.id, self._admission.voter_limit,
        )  # fmt: skip
        self._scrutiny = Scrutiny(settings, self._clock)
        self._content = content_keeper(settings, self._meter.content)
        self._coordinator = ConsensusCoordinator(
            voters=self._guards.voters,
            hedges=self._guards,
            policy=self._parts.policy,
            weights=WeightsRegistry(settings.home / "registry"),
            log=self._log,
            meter=self._health,
            screener=self._scrutiny.screener,
            comparer=self._scrutiny.comparer,
            clock=self._clock,
            config=settings.consensus,
            identity=self._identity(),
            tenants=self._parts.tenants,
            content=self._content,
            saving=self._admission,
        )
        self._wal.coming = lambda: self._coordinator.under_way
        self.access = Access(self._authenticate)
        self._kept_database, kept = kept_answers(settings)
        self._idempotent = IdempotentAnswers(
            kept, settings.idempotency, settings.places, tenants=self._parts.tenants,
            policy=self._parts.policy, trust=self._parts.trust, screening_version=lambda: self._scrutiny.screener.version,
            pseudonym=self._coordinator.tenant_pseudonym, sink=self._parts.sink, clock=self._clock,
        )  # fmt: skip
        self.chat = ChatCompletions(
            self._coordinator, self.access, self._admission, self._idempotent, settings.consensus, settings.max_body_bytes,
            settings.body_timeout_s,
        )  # fmt: skip
        # Threads of their own: whatever clients look up, an operator's halt and the certificate's renewal wait for no one.
        # Nor for the database: who looks there, and the history's notes, may wait until it gives up.
        self._transitions = ThreadPoolExecutor(TRANSITION_THREADS, "transition")
        self._notes = ThreadPoolExecutor(TRANSITION_THREADS, "note")
        self._looks = BoundedThreads(LOOK_THREADS, MAX_LOOKS, "database")
        self._renewal = ThreadPoolExecutor(1, "renewal")
        self._decisions = Decisions(
            self._coordinator.recent, self._parts.lookup, self._parts.archive.prove,
            self._coordinator.tenant_pseudonym, settings.max_lookups,
        )  # fmt: skip
        self._feedback = self._feedback_desk()
        self._external = ExternalLog(settings.home, self._external_writer, settings.spans, settings.otlp)
        self.traces = self._trace_intake()
        self._spans = SpanWatch(ask_span_actor)
        self._quarantine = QuarantineView(settings.home, settings.spans, self._parts.trust)
        self._open_incidents = OpenIncidents(self._parts.incidents.count_open)
        self._issuers = IssuerWatch(self._parts.trust)
        self._tasks: list[asyncio.Task[None]] = []

    def _identity(self) -> Identity:
        return Identity(
            config_sha256=self._settings.config_sha256,
            durability=self._settings.durability,
            log_id=log_id(self._parts.trust()),
            merge_promise_s=self._settings.log.merge_promise_s,
        )

    def _feedback_desk(self) -> FeedbackDesk:
        return FeedbackDesk(
            self._decisions.find, self._rows, self._parts.tenants, self._settings, self._clock.time_ns
        )  # fmt: skip

    def _trace_intake(self) -> TraceIntake:
        settings = self._settings
        return TraceIntake(
            self.access, self._external, self._parts.tenants, settings.content.keeps, settings.otlp,
            settings.max_replicas, settings.body_timeout_s, self._clock.monotonic, self._clock.time_ns,
        )  # fmt: skip

    def _external_writer(self) -> WalWriter:
        """Open the log of other services' rows (blocks)."""
        settings = self._settings
        identity = request_identity(settings.home / "run" / "certs", settings.certificate_wait_s)
        bounds = settings.spans.model_copy(update={"queue_max_bytes": settings.otlp.queue_max_bytes})
        return WalWriter(settings.home / "wal", identity, bounds)

    @property
    def settings(self) -> GatewaySettings:
        """What this replica was built from."""
        return self._settings

    async def start(self) -> None:
        """Begin following policy and keys, publishing metrics and renewing the certificate."""
        self._parts.policy.start()
        self._parts.auth.start()
        if self._content is not None:
            self._content.start()
        self._tasks = [asyncio.create_task(self._publish_metrics()), asyncio.create_task(self._keep_certified())]
        self._tasks.append(self._scrutiny.start())
        self._tasks.append(asyncio.create_task(self._renewed(self._external, IssuerWatch(self._parts.trust))))
        self._tasks.append(asyncio.create_task(self._spans.follow(SPANS_LOOK_S)))
        heard = self._spans
        storms = StormFreeze(lambda: (heard.storm, heard.storm_at_s), self._parts.desk, self._parts.history)
        self._tasks.append(asyncio.create_task(storms.follow(STORM_LOOK_S)))
        self._tasks.append(asyncio.create_task(self._rows.follow(self._settings.spans.counters_every_s)))
        self._tasks.append(asyncio.create_task(self._open_incidents.follow(INCIDENTS_LOOK_S)))
        self._tasks.append(asyncio.create_task(self._guards.follow(self._settings.breakers_exchange_s)))
        self._tasks.append(asyncio.create_task(self._idempotent.follow()))
        await self._admission.start()
        self._tasks.append(asyncio.create_task(self._admission.follow()))
        if self._wallet is not None:
            self._tasks.append(asyncio.create_task(self._wallet.follow()))

    async def close(self) -> None:
        """Make everything durable and let go."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._admission.close()
        self._meter.tell()
        await self._idempotent.close()
        await self._emitter.close()
        await self._rows.tell()
        self.traces.close()
        await self._external.close()
        await self._scrutiny.close()
        if self._content is not None:
            await asyncio.to_thread(self._content.close)
        if self._wallet is not None:
            await asyncio.to_thread(self._wallet.close)
        await asyncio.to_thread(self._stop)
        self._pool.close()

    def check_health(self) -> None:
        """Raise if this process can no longer do its work and should be replaced."""
        for task in self._tasks:
            if task.done():
                raise NotReady("a background task of the gateway ended")
        if not self._wal.alive:
            raise NotReady(f"this process can write no more decisions: {self._wal.unavailable_because}")
        if not self._external.alive:
            raise NotReady(f"this process can take no more spans: {self._external.unavailable_because}")

    def crowded(self, why: str) -> Overloaded:
        """Return the refusal of a request for which there is no room, and count it."""
        return self._admission.crowded(why)

    def readiness(self) -> Readiness:
        """Judge this replica now."""
        view, now = self._parts.policy.current, self._clock.monotonic()
        snapshot = view.snapshot if view else None
        return judge(
            Observed(
                policy=view is not None,
                policy_stale=view is not None and view.stale,
                halted=view is not None and view.halted(now),
                keys=self._parts.auth.current is not None,
                weights=self._coordinator.weights_problem(),
                wal=self._wal.unavailable_because,
                spans=self._spans.problem,
                database=self._open_incidents.problem,
                certificate_left_s=self._log.seconds_left(time.time()),
                layers=deciding(self.layers()) if view else (),
                failing=self._failing(),
                isolated=sorted(v for v, state in snapshot.voter_state.items() if state != "active")
                if snapshot
                else [],
                standing=self._settings.degraded
                + self._scrutiny.degraded()
                + self._unkept()
                + self._endings()
                + self._admission.degraded(),
            )
        )

    def _endings(self) -> tuple[str, ...]:
        """Return which of root's certificates somebody has to renew before long."""
        return tuple(endings(self._parts.trust(), int(time.time())))

    def layers(self) -> tuple[LayerStanding, ...]:
        """Return how every layer stands now."""
        lineages = {name: voter.info.lineage for name, voter in self._voters.items()}
        return standings(self.policy(), lineages, self._failing(), self._own, self._settings.closed)

    def _failing(self) -> list[str]:
        """Return the voters whose last ballots all failed, and those that are not asked because of that."""
        return sorted({*self._health.failing(), *self._guards.denying()})

    def breakers(self) -> list[BreakerShown]:
        """Return every voter's breaker."""
        return self._guards.shown()

    async def force_breaker(self, voter: str, wanted: Force) -> list[BreakerShown]:
        """Force a voter's breaker, or let it go, in every replica; return the breakers as they then are here."""
        if voter not in self._voters:
            raise ModelNotFound(f"there is no voter {voter!r}; GET /ops/voters lists them", "voter")
        try:
            await asyncio.get_running_loop().run_in_executor(
                self._transitions, force, self._settings.home / "run" / "breakers", voter, wanted
            )
        except OSError as error:
            raise StorageUnavailable(f"the order could not be kept: {error.strerror}; free the disk") from error
        await self._guards.exchange()
        return self.breakers()

    def _unkept(self) -> tuple[str, ...]:
        return self._content.problems if self._content is not None else ()

    @property
    def system(self) -> str:
        """Say whose gateway this is, to whoever knows what to expect."""
        return self._settings.system

    def models(self) -> list[dict[str, Any]]:
        """Return ``consensus`` and every voter as OpenAI's model objects."""
        snapshot = self.policy()
        head = {"object": "model", "created": snapshot.issued_at // 1000, "owned_by": "weavergen"}
        layers = {v: [layer.name for layer in snapshot.layers if v in layer.members] for v in self._voters}
        consensus = {
            "family": None,
            "lineage": None,
            "layers": [layer.name for layer in snapshot.layers],
            "state": "active",
        }
        found: list[dict[str, Any]] = [{"id": "consensus", **head, "weavergen": consensus}]
        for name, voter in self._voters.items():
            state = "isolated" if snapshot.isolated(name) else "active"
            told = {"family": voter.info.family, "lineage": voter.info.lineage, "layers": layers[name], "state": state}
            found.append({"id": name, **head, "weavergen": told})
        return found

    async def decision(self, decision_id: str, principal: Principal) -> bytes:
        """Return a decision's envelope to its own tenant or an auditor."""
        return await self._decisions.proven(decision_id, principal, time.time_ns() // 1_000_000)

    @property
    def published_log(self) -> PublishedLog:
        """The transparency log, as it is given out."""
        return self._parts.published_log

    async def feedback(self, receive: Receive, principal: Principal) -> FeedbackTaken:
        """Read what a client says became of an answer; return once it is durable."""
        return await self._feedback.take(receive, principal)

    async def metrics(self) -> bytes:
        """Return the union of all processes' metrics."""
        return await union()

    def answered(self, surface: str, status: str) -> None:
        """Count a request."""
        self._meter.answered(surface, status)

    async def incidents(self) -> list[dict[str, Any]]:
        """Return the newest incidents."""
        return [asdict(incident) for incident in await self._looks.run(self._parts.incidents.list)]

    async def quarantine(self) -> dict[str, Any]:
        """Return what was set aside or quarantined in the table, newest first."""
        return await self._quarantine.listed()

    async def predictions(self) -> dict[str, Any]:
        """Return the health actor's newest tick, as it is in the database."""
        return health_now(await self._looks.run(self._parts.health.newest), time.time())

    def status(self) -> dict[str, Any]:
        """Return versions, layers, voters, the log's state and readiness."""
        view, judged, counters = self._parts.policy.current, self.readiness(), self._wal.counters
        snapshot, log = view.snapshot if view else None, self._spans.log
        layers = [to_builtins(layer) for layer in self.layers()] if snapshot else []
        return {
            "profile": self._settings.profile,
            "config_sha256": self._settings.config_sha256,
            "replica": self._log.identity.id,
            "readiness": asdict(judged),
            "policy": {"version": snapshot.version, "sha256": snapshot.sha256, "halt": to_builtins(snapshot.halt),
                       "learning_frozen": snapshot.learning_frozen}
            if snapshot
            else None,  # this is asked when something is missing, most of all
            "layers": layers,
            "voters": [item["weavergen"] | {"id": item["id"]} for item in self.models() if item["id"] != "consensus"]
            if snapshot
            else [],
            "breakers": [to_builtins(breaker) for breaker in self.breakers()],
            "wal": {
                "emitted_spans": counters.emitted_spans, "frames": counters.frames, "refused": counters.refused,
                "queued_bytes": self._wal.queued_bytes, "durable_seq": self._wal.durable_seq,
                "reserve_depth": self._wal.reserve_depth, "unavailable_because": self._wal.unavailable_because,
            },
            "log": {"batches": log[0], "merge_delay_s": log[1]} if log else None,
            "storm": self._spans.storm,
            "spans": self._spans.rows,
            "under_way": self._coordinator.under_way,
            "admission": to_builtins(self._admission.shown(self._coordinator.usual_plan())),
            "traces": to_builtins(self.traces.shown()),
        }  # fmt: skip

    def policy(self) -> PolicySnapshot:
        """Return the policy in force."""
        return self._view().snapshot

    async def transition(self, verb: str, body: TransitionBody, principal: Principal) -> PolicySnapshot:
        """Apply halt, resume, isolate or readmit, and note it in the policy history."""
        author = f"operator key {principal.key_id}"
        loop, history = asyncio.get_running_loop(), self._parts.history
        new = await loop.run_in_executor(self._transitions, self._apply, verb, body, author)
        try:
            await loop.run_in_executor(self._notes, history.record, new, verb, body.target or "", body.reason, author)
        except StorageUnavailable as error:  # the transition is in force; its note can wait for the database
            _log.warning("policy version %d is in force and not in the history: %s", new.version, error)
        return new

    def _apply(self, verb: str, body: TransitionBody, author: str) -> PolicySnapshot:
        desk, target = self._parts.desk, body.target or ""
        if verb == "halt":
            return desk.halt(body.reason, author, body.if_version)
        if verb == "isolate":
            return desk.isolate(target, body.if_version)
        if verb == "resume":
            return desk.resume(body.transition, body.if_version)
        return desk.readmit(target, body.transition, body.if_version)

    def _authenticate(self, presented: str) -> Principal:
        view = self._parts.auth.current
        if view is None:
            raise NotReady("no verified AuthSnapshot yet; see /readyz")
        return view.authenticate(presented)

    def _view(self) -> PolicyView:
        view = self._parts.policy.current
        if view is None:
            raise NotReady("no verified policy snapshot yet; see /readyz")
        return view

    async def _publish_metrics(self) -> None:
        while True:
            self._meter.show(self._gauges())
            self._meter.show_voters(self._guards.states(), self._guards.asks())
            await asyncio.sleep(self._settings.metrics_refresh_s)

    def _gauges(self) -> dict[str, float]:
        view, counters, judged = self._parts.policy.current, self._wal.counters, self.readiness()
        return (
            {
                "ready": float(judged.ready),
                "degraded": float(len(judged.degraded)),
                "halted": float(view is not None and view.halted(self._clock.monotonic())),
                "policy_version": float(view.snapshot.version if view else 0),
                "under_way": float(self._coordinator.under_way),
                "event_loop_tasks": float(len(asyncio.all_tasks())),
                "wal_emitted_spans": float(counters.emitted_spans),
                "wal_available": float(not self._wal.unavailable_because),
                "wal_reserve_depth": float(self._wal.reserve_depth),
                "wal_queued_bytes": float(self._wal.queued_bytes),
                "wal_refused": float(counters.refused),
                "wal_fsyncs": float(counters.fsyncs),
                "wal_fsync_seconds": counters.fsync_seconds,
                "voters_failing": float(len(self._failing())),
                "quorum": micro(view.snapshot.layers[0].quorum) / 1e6 if view else 0.0,
            }
            | self._open_incidents.gauges()
            | self._guards.gauges()
            | self._idempotent.gauges()
            | self._admission.gauges()
            | self.traces.gauges()
        )

    async def _keep_certified(self) -> None:
        await self._renewed(self._log, self._issuers)

    async def _renewed(self, held: WalDecisionLog | ExternalLog, issuers: IssuerWatch) -> None:
        while True:
            await asyncio.sleep(RENEW_LOOK_S)
            if (identity := held.identity) is None:
                continue
            replaced = issuers.is_replaced(identity.certificate, int(time.time()))
            if held.seconds_left(time.time()) > RENEW_BELOW_S and not replaced:
                continue
            try:
                certs = self._settings.home / "run" / "certs"
                renewing = asyncio.get_running_loop().run_in_executor(
                    self._renewal, renew, identity, certs, RENEW_WAIT_S
                )
                held.identity = renewed = await renewing
                issuers.renewed(renewed.certificate)
            except (NotReady, OSError) as error:  # tried again; readiness tells when it has run out
                _log.warning("the writer's certificate could not be renewed: %s", error)
                await asyncio.sleep(RENEW_WAIT_S)

    def _stop(self) -> None:
        self._decisions.close()
        self._quarantine.close()
        self._parts.published_log.close()
        self._looks.close()
        self._kept_database.close()
        self._transitions.shutdown()
        self._notes.shutdown()
        self._renewal.shutdown(wait=False)
        self._parts.policy.stop()
        self._parts.auth.stop()
        self._wal.close()
        self._parts.sink.close()
