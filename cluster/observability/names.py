"""Every metric the system publishes, without the ``weavergen_`` before it; rules and dashboard may ask for nothing else.

Ray exports them as ``ray_weavergen_*``. Counters end in ``_total``, histograms also in ``_bucket``, ``_sum``, ``_count``.
"""

COUNTERS = frozenset({"requests", "decisions", "votes"})
"""Requests by surface and HTTP status, decisions by result and kind, ballots by voter and outcome."""
HISTOGRAMS = frozenset({"decision_seconds", "vote_seconds", "agreement"})
"""``agreement``: the share of the weight behind a tally's strongest group."""
GATEWAY_GAUGES = frozenset({
    "ready", "degraded", "halted", "policy_version", "under_way", "voters_failing", "quorum", "incidents_open",
    "wal_emitted_spans", "wal_available", "wal_reserve_depth", "wal_queued_bytes", "wal_refused", "wal_fsyncs",
    "wal_fsync_seconds", "event_loop_tasks",
    "breakers_closed", "breakers_half_open", "breakers_open", "breakers_forced_open", "breakers_forced_closed",
    "breaker_moves", "hedges", "retry_tokens", "idempotent_replays", "idempotent_withheld",
    "admission_limit", "admission_waiting", "admission_admitted", "admission_waited", "admission_shed",
    "admission_rate_limited", "admission_delay_ms", "admission_pressure", "brownout_level",
    "otlp_spans_received", "otlp_spans_accepted", "otlp_spans_rejected", "otlp_spans_refused",
})  # fmt: skip
"""One of each a replica."""
VOTER_GAUGES = frozenset({"breaker_state", "asks_under_way"})
"""One of each voter in a replica: 0 closed, 1 half open, 2 open; asks that it holds."""
SPAN_GAUGES = frozenset({
    "span_last_tick_s", "span_lag_rows", "span_lag_bytes", "span_lag_s", "span_writers", "span_table_failing",
    "span_log_size", "log_merge_delay_seconds", "log_failing", "span_log_witnesses", "span_log_witnessed",
    "span_log_contradicted", "span_backup_in_use", "span_backup_ready", "span_backup_waiting", "span_table_files",
    "span_files_refused", "span_rows_read", "span_rows_accepted", "span_rows_quarantined", "span_checkers_blind",
    "span_quarantine_used", "span_storm", "span_statistics_cells_warm", "span_statistics_cells_warming",
    "span_statistics_rows_unjudged", "span_statistics_rows_refused", "span_statistics_failing",
})  # fmt: skip
"""SpanActor's; it publishes counts of what it met beside them."""
HEALTH_GAUGES = frozenset({"health_score", "health_blind", "health_alarms_open", "prediction"})
"""HealthActor's: its score, checks that see nothing, alarms; and the probability of a breach by signal and horizon in seconds."""

PREFIX = "ray_weavergen_"


def exported() -> frozenset[str]:
    """Return every name as Ray exports it."""
    counters = {f"{PREFIX}{name}_total" for name in COUNTERS}
    histograms = {f"{PREFIX}{name}_{part}" for name in HISTOGRAMS for part in ("bucket", "sum", "count")}
    gauges = GATEWAY_GAUGES | VOTER_GAUGES | SPAN_GAUGES | HEALTH_GAUGES
    return frozenset(counters | histograms | {f"{PREFIX}{name}" for name in gauges})
