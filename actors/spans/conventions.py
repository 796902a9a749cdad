"""Names of span attributes: OpenTelemetry's for generative AI where they exist, ours under ``weavergen.*``.

Source: OpenTelemetry semantic conventions for generative AI, schema 1.42.0, status Development. The published Python
constants are deprecated, so the names that are used here are pinned here, together with their schema URL.
"""

from typing import Final

SPAN_SCHEMA_VERSION: Final = 2
"""Version of ``Span`` that this code writes; rises when a field is added or the names' schema is another."""
MAX_SCHEMA_VERSION: Final = 2**32 - 1
"""Highest version that a row's digest can say."""
SCHEMA_URLS: Final = dict.fromkeys((1, 2), "https://opentelemetry.io/schemas/gen-ai/1.42.0")
"""Version of ``Span`` → schema of its attributes' names: what is digested with a row says both."""
SCHEMA_URL: Final = SCHEMA_URLS[SPAN_SCHEMA_VERSION]

# Span names.
INVOKE_WORKFLOW: Final = "invoke_workflow"
LAYER: Final = "weavergen.layer"
POLICY: Final = "weavergen.policy"
BREAKER: Final = "weavergen.breaker"
FEEDBACK: Final = "weavergen.feedback"
WAL_ADOPTED: Final = "weavergen.wal.adopted"
WAL_DAMAGED: Final = "weavergen.wal.damaged"
ROW_QUARANTINED: Final = "weavergen.row.quarantined"
GATEWAY_COUNTERS: Final = "weavergen.gateway.counters"
ROW_RELEASED: Final = "weavergen.row.released"
BATCH_ANSWERED: Final = "weavergen.batch.answered"
TABLE_COMPACTED: Final = "weavergen.table.compacted"
TABLE_EXPIRED: Final = "weavergen.table.expired"
TABLE_UNCHANGED: Final = "weavergen.table.unchanged"
CANARY: Final = "weavergen.canary"
_OF_FILES: Final = frozenset({TABLE_COMPACTED, TABLE_EXPIRED, TABLE_UNCHANGED})
ACTOR_S: Final = _OF_FILES | {WAL_ADOPTED, WAL_DAMAGED, ROW_QUARANTINED, ROW_RELEASED, BATCH_ANSWERED, CANARY}
"""Names of rows that only the actor enters, never through a log: whoever else writes one forges it."""

# OpenTelemetry attributes.
GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
GEN_AI_USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
GEN_AI_USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
ERROR_TYPE: Final = "error.type"

# Ours.
POLICY_NAME: Final = "weavergen.policy.name"
END_USER: Final = "weavergen.end_user"
LINEAGE: Final = "weavergen.voter.lineage"
CANDIDATE_SHA256: Final = "weavergen.candidate.sha256"
BALLOT_NOTE: Final = "weavergen.ballot.note"
BREAKER_BEFORE: Final = "weavergen.breaker.before"
BREAKER_CAUSE: Final = "weavergen.breaker.cause"
FEEDBACK_ID: Final = "weavergen.feedback.id"
FEEDBACK_NOTE: Final = "weavergen.feedback.note_commitment"
WAL_WRITER: Final = "weavergen.wal.writer_id"
WAL_SEGMENT: Final = "weavergen.wal.segment"
WAL_NEXT_SEQ: Final = "weavergen.wal.next_seq"
WAL_TORN_BYTES: Final = "weavergen.wal.torn_bytes"
WAL_LOST_ROWS: Final = "weavergen.wal.lost_rows"
WAL_REASON: Final = "weavergen.wal.reason"
TABLE_INPUTS: Final = "weavergen.table.inputs"
TABLE_OUTPUTS: Final = "weavergen.table.outputs"
TABLE_FIRST_BATCH: Final = "weavergen.table.first_batch"
TABLE_LAST_BATCH: Final = "weavergen.table.last_batch"
TABLE_BATCHES: Final = "weavergen.table.batches"
TABLE_EXPIRED_BATCHES: Final = "weavergen.table.expired_batches"
TABLE_BEFORE_MS: Final = "weavergen.table.before_unix_ms"
TABLE_ROWS: Final = "weavergen.table.rows"
TABLE_ROWS_ROOT: Final = "weavergen.table.rows_root"
COUNTED_ROWS: Final = "weavergen.counted.rows"
COUNTED_DECISIONS: Final = "weavergen.counted.decisions"
COUNTED_VOTER_SPANS: Final = "weavergen.counted.voter_spans"
COUNTED_WITHHELD: Final = "weavergen.counted.withheld"
ROW_WRITER: Final = "weavergen.row.writer_id"
ROW_FIRST: Final = "weavergen.row.first_seq"
ROW_LAST: Final = "weavergen.row.last_seq"
ROW_PLACE: Final = "weavergen.row.place"
ROW_SCORE: Final = "weavergen.row.score"
ROW_REASON: Final = "weavergen.row.reason"
ROW_INVESTIGATED: Final = "weavergen.row.investigated"
ROW_BY: Final = "weavergen.row.by"
ROW_SHA256: Final = "weavergen.row.sha256"
ROW_REQUEST: Final = "weavergen.row.request"
BATCH_NUMBER: Final = "weavergen.batch.number"
BATCH_SAID: Final = "weavergen.batch.said"
BATCH_FOUND: Final = "weavergen.batch.found"


def chat_span_name(model: str) -> str:
    """Name the span of one voter's call."""
    return f"chat {model}"
