"""Every duration of the configuration: what runs out, with what must be different afterwards, and what is no lifetime, and why.

Rules:
- A lifetime is how long something counts once it was made, seen or promised. It is passed by the injected clock: a margin before
  its end production's class still says ``before``, a margin after it says ``after``.
- Whatever else is measured in time stands under the reason why nothing runs out by it. A duration that stands nowhere, and one
  that the configuration no longer has, turns the test red.
- Lifetimes that no key configures are told by the constant that holds them.

Left out: lifetimes inside third-party libraries (sessions, connections, Ray's own).
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import msgspec
from pydantic import BaseModel

from actors.admission.quotas import MINUTE_S
from actors.base.certificates import WRITER_MAX_S
from cluster.config import Config
from cluster.simulation.expiries import control, requests
from models.providers.spend import DAY_S
from serve_apps.gateway.guards import FRESH_S

See = Callable[[Config, float, Path], object]
_UNITS: Mapping[str, float] = {"_ms": 0.001, "_s": 1.0, "_days": DAY_S}


class Lifetime(msgspec.Struct, frozen=True):
    """Something that runs out."""

    where: str
    """Its key in the configuration, or the constant that holds it."""
    see: See
    """Lets it begin, and returns what production's class says so many seconds later, in an empty folder."""
    before: object
    after: object
    lasts_s: Callable[[Config], float] | None = None
    """If that is not what ``where`` says, or there is no such key."""
    margin_s: float = 0.01


LIFETIMES: tuple[Lifetime, ...] = (
    Lifetime("breakers.open_s", requests.cooldown, "open", "probed"),
    Lifetime("breakers.half_open_max_s", requests.silent_probes, "half_open", "open"),
    Lifetime("breakers.window_s", requests.window, 1, 0),
    Lifetime("breakers.outliers.base_s", requests.ejection, "ejected", "counts"),
    Lifetime("breakers.outliers.max_s", requests.longest_ejection, "ejected", "counts"),
    Lifetime("breakers.outliers.interval_s", requests.ejections_in_a_row, 3, 2),
    Lifetime("serve_apps.gateway.guards.FRESH_S", requests.breaker_report, ["a"], [], lambda _: FRESH_S, margin_s=1.0),
    Lifetime("policy.policy_max_stale_s", requests.staleness, False, True),
    Lifetime("screening.canary_max_age_s", requests.canaries, "pass", "reject"),
    Lifetime("sandbox.self_test_expiry_s", requests.sandbox_proof, True, False),
    Lifetime("actors.admission.quotas.MINUTE_S, in hand", requests.minute_in_hand, False, True, lambda _: MINUTE_S),
    Lifetime("actors.admission.quotas.MINUTE_S, leased", requests.minute_of_leases, False, True, lambda _: MINUTE_S),
    Lifetime("idempotency.lease_s", requests.claim, "wait", "claim"),
    Lifetime("idempotency.keep_s", requests.kept_answer, "replay", "claim"),
    Lifetime("actors.base.certificates.WRITER_MAX_S", requests.certificate, True, False, lambda _: WRITER_MAX_S, margin_s=1.0),
    Lifetime("models.providers.spend.DAY_S", requests.day_of_cap, False, True, lambda _: DAY_S),
    Lifetime("content.max_age_days", control.content, True, False),
    Lifetime("log.merge_promise_s", control.promise, False, True),
    Lifetime(
        "spans.wal_max_age_s", control.late_row, True, False,
        lambda config: config.log.merge_promise_s + config.spans.wal_max_age_s, margin_s=1.0,
    ),
    Lifetime("spans.backup_keep_s", control.brought_back, True, False),
    Lifetime("spans.retention_days", control.expired_batch, False, True, lambda _: DAY_S),
    Lifetime("spans.compact_close_age_s", control.small_files, 0, 2),
    Lifetime("spans.removed_files_keep_s", control.merged_file, True, False),
    Lifetime("spans.storm_window_s", control.storm, True, False, margin_s=1.0),
    Lifetime("otlp.max_age_s", control.sent_span, True, False),
    Lifetime("health.start_grace_s", control.start_grace, False, True),
    Lifetime("health.voter_window_s", control.voter_window, True, False),
    Lifetime("health.metrics_max_age_s", control.metrics, True, False, margin_s=1.0),
    Lifetime("health.capture_again_after_s", control.capture, True, False),
    Lifetime("health.free_min_age_s", control.unfinished_file, True, False),
    Lifetime("health.scale_back_after_s", control.more_replicas, 1, 0),
    Lifetime("supervisor.stable_s", control.stable, 3, 0),
    Lifetime("supervisor.unready_restart_s", control.unready, "degraded", "restarting"),
    Lifetime("supervisor.blocked_after_s", control.blocked, False, True),
    Lifetime("supervisor.control_silent_s", control.silent_actor, [], ["SpanActor"]),
)  # fmt: skip

OTHERS: Mapping[str, tuple[str, ...]] = {
    "bounds how long something may take, or is waited for": (
        "voters.first_token_s", "voters.stall_s", "consensus.deadline_ms", "consensus.max_deadline_ms",
        "consensus.record_grace_ms", "consensus.compare_ms", "breakers.slow_call_s", "breakers.patience_s",
        "breakers.retries.within_s", "admission.quotas.lock_wait_s", "admission.line.min_wait_ms",
        "admission.line.max_wait_ms", "admission.line.batch_max_wait_ms", "admission.line.max_retry_after_s",
        "admission.shedding.min_delay_ms", "admission.shedding.max_delay_ms", "admission.concurrency.slack_ms",
        "sandbox.call_ms", "sandbox.job_ms", "sandbox.cpu_s", "sandbox.start_ms", "sandbox.spare_ms",
        "behaviour.max_time_ms", "idempotency.timeout_s", "spans.stall_after_ms", "spans.reserve_wait_s",
        "spans.close_timeout_s", "spans.backup_after_s", "log.merge_target_s", "store.timeout_s", "store.webhook.timeout_s",
        "health.voter_latency_s", "gateway.request_head_timeout_s", "gateway.request_timeout_s",
        "gateway.graceful_shutdown_s", "gateway.health_check_timeout_s", "log.witness_timeout_s",
        "admission.quotas.redis.timeout_ms", "engine.health_check_timeout_s",
        "engine.graceful_shutdown_s", "engine.request_timeout_s", "supervisor.start_timeout_s",
        "supervisor.deploy_timeout_s", "supervisor.stop_grace_s", "spans.compact_step_ms",
        "spans.unchecked_wait_s", "spans.storage_timeout_s",
    ),
    "says how often something is done, or how long before it is due": (
        "policy.poll_ms", "admission.quotas.look_s", "admission.quotas.ahead_s", "admission.shedding.look_ms",
        "admission.shedding.step_ms", "sandbox.self_test_period_s", "idempotency.poll_ms", "idempotency.max_poll_ms",
        "idempotency.sweep_s", "spans.table_roll_age_s", "spans.ingest_poll_ms", "store.auth_poll_ms", "health.tick_s",
        "health.stock_every_s", "health.flow_every_s",
        "spans.counters_every_s", "spans.backup_return_s", "spans.backup_check_s",
        "log.witness_interval_s", "gateway.health_check_period_s", "engine.health_check_period_s",
        "supervisor.poll_s", "supervisor.issuer_poll_ms",
    ),
    "is a wait before something is tried again": (
        "breakers.retries.base_s", "breakers.retries.throttled_base_s", "breakers.retries.cap_s",
        "spans.storage_retry_ms", "otlp.retry_after_s", "store.webhook.first_wait_s", "store.webhook.max_wait_s",
        "supervisor.backoff_initial_s", "supervisor.backoff_max_s", "admission.quotas.max_backoff_s",
    ),
    "says what times can have been so, whenever they are looked at": (
        "spans.clock_skew_s", "spans.max_span_s", "log.witness_skew_s",
    ),
    "weighs what was seen by its age, and ends nowhere": ("admission.brownout.window_s", "supervisor.alert_window_s"),
    "says how far back a job reads": ("learning.window_days",),
    "says how far others' clocks may be ahead": ("otlp.max_ahead_s",),
}  # fmt: skip


class Passed(msgspec.Struct, frozen=True):
    """One lifetime that was passed."""

    where: str
    lasts_s: float
    before: object
    """What was seen a margin before its end."""
    after: object
    as_it_must: bool


def passed(config: Config) -> list[Passed]:
    """Pass every lifetime of a configuration."""
    return [_passed(lifetime, config) for lifetime in LIFETIMES]


def _passed(lifetime: Lifetime, config: Config) -> Passed:
    lasts_s = lifetime.lasts_s(config) if lifetime.lasts_s is not None else seconds(config, lifetime.where)
    before, after = (_seen(lifetime, config, lasts_s + off_s) for off_s in (-lifetime.margin_s, lifetime.margin_s))
    return Passed(lifetime.where, lasts_s, before, after, (before, after) == (lifetime.before, lifetime.after))


def _seen(lifetime: Lifetime, config: Config, age_s: float) -> object:
    with TemporaryDirectory(prefix="expiry-") as folder:
        return lifetime.see(config, age_s, Path(folder))


def seconds(config: Config, where: str) -> float:
    """Return a duration of a configuration in seconds."""
    value: object = config
    for name in where.split("."):
        value = getattr(value, name)
    if not isinstance(value, int | float):
        raise TypeError(f"{where} is no duration")
    return value * next(factor for suffix, factor in _UNITS.items() if where.endswith(suffix))


def durations(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield every key of a configuration, and of the sections below it, whose name says that it is a duration."""
    for name, field in model.model_fields.items():
        sections = [section for section in _types(field.annotation) if issubclass(section, BaseModel)]
        for section in sections:
            yield from durations(section, (*above, name))
        if not sections and name.endswith(tuple(_UNITS)):
            yield ".".join((*above, name))


def _types(annotation: object) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for argument in get_args(annotation):
        yield from _types(argument)
