"""What the gateway's answers look like: the shapes behind its OpenAPI document.

Rules:
- A value that is sent as it is (a snapshot, an envelope, an incident) is its own shape; what is put together for a caller
  has its shape here, and tests hold what is sent against it.
- Nothing is checked against a shape at run time.
- Ours are open: fields may be added to them. What is signed is closed, as whoever verifies it is.
"""

from typing import Annotated, Literal, Union

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from actors.base.signing import Signature
from actors.policy.snapshot import Halt, PolicySnapshot
from actors.spans.feedback import FeedbackOutcome
from actors.spans.record import LayerTried, Method, Result, VoteOutcome
from models.voter import Candidate, FinishReason
from serve_apps.gateway.admission import AdmissionShown
from serve_apps.gateway.guards import BreakerShown
from serve_apps.gateway.layers import LayerStanding
from serve_apps.gateway.problems import STATUS
from serve_apps.gateway.readiness import Readiness

Share = Annotated[float, Meta(ge=0, le=1)]


Independence = Literal["full", "partial", "none"]


class LayerAnswer(Struct):
    """The layer that decided, and every layer that was tried."""

    index: int
    name: str
    failover_used: bool
    independence: Annotated[
        Independence, Meta(description="How many of its lineages no layer before it had asked: all, some, or none.")
    ]
    tried: list[LayerTried]


class Examples(Struct):
    """Executable examples of the prompt."""

    found: int
    run: Annotated[
        int, Meta(description="A candidate that fails one of these cannot win; 0 where nothing could be run.")
    ]
    passed: Annotated[int, Meta(description="How many of them the winning group passed.")]


class Agreement(Struct):
    """How far the voters agreed, and by what."""

    kind: Annotated[str, Meta(description="Kind of answer, e.g. `code:python`, `json`, `value`, `text`.")]
    method: Method
    support: Annotated[Share, Meta(description="The winning group's share of the weight.")]
    quorum: Share
    runner_up: Annotated[Share, Meta(description="The most support of a group beside the winning one.")]
    independent_votes: Annotated[float, Meta(description="Votes in the winning group, discounted for correlation.")]
    lineages: int
    examples: Examples
    calibrated_error: Annotated[
        Share | None, Meta(description="The error that the policy says it is calibrated for; null if it states none.")
    ]


class Vote(Struct):
    """One voter's ballot; `answer` and `reading` come with `explain: true`."""

    voter: str
    layer: Annotated[
        str, Meta(description="The layer that asked; one that was tried before may have been the first to.")
    ]
    family: str
    lineage: str
    outcome: VoteOutcome
    weight: float
    latency_ms: int
    candidate_sha256: Annotated[str, Meta(description="Empty without an answer.")]
    group: Annotated[int | None, Meta(description="Answers of one group mean the same.")]
    screening: Annotated[str | UnsetType, Meta(description="Of code: `pass`, `flag` or `reject`.")] = UNSET
    note: str | UnsetType = UNSET
    answer: Candidate | UnsetType = UNSET
    reading: str | UnsetType | None = UNSET


class Finding(Struct):
    """One thing that screening found."""

    rule: str
    cwe: Annotated[str, Meta(description="Weakness, by MITRE's number.")]
    line: Annotated[int, Meta(description="In the code; 0 where it is about the whole.")]
    verdict: Literal["reject", "flag"]
    message: str


class Screening(Struct):
    """What screening said of the winning group: its worst verdict."""

    verdict: Annotated[str, Meta(description="`none` where there is no code.")]
    version: str
    findings: list[Finding]


class LogState(Struct):
    """Where the decision's record is on its way into the log."""

    status: Literal["none", "promised", "included"]
    merge_by: str | None
    durability: str


class WeaverGenDecision(Struct):
    """How the answer was decided; `GET /v1/decisions/{decision_id}` has the signed record."""

    decision_id: str
    policy: str
    degraded: bool
    cache: str
    saved: Annotated[
        list[str], Meta(description="What was saved because too much came: `hedges`, `voters`. Never below the policy.")
    ]
    result: Result
    layer: LayerAnswer
    agreement: Agreement
    votes: list[Vote]
    screening: Screening
    signature: Signature
    log: LogState


class AssistantMessage(Struct):
    """The answer."""

    role: Literal["assistant"]
    content: str
    refusal: None


class Choice(Struct):
    """The one choice there is."""

    index: int
    message: AssistantMessage
    finish_reason: FinishReason
    logprobs: None


class Usage(Struct):
    """Tokens of every voter that answered: what the decision used."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(Struct):
    """An OpenAI chat completion with the decision behind it."""

    id: str
    object: Literal["chat.completion"]
    created: Annotated[int, Meta(description="Unix seconds.")]
    model: str
    system_fingerprint: str
    choices: list[Choice]
    usage: Usage
    weavergen: WeaverGenDecision


class Delta(Struct):
    """A piece of the answer."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET


class ChunkChoice(Struct):
    """The one choice's next piece; the last one has a finish reason."""

    index: int
    delta: Delta
    finish_reason: FinishReason | None
    logprobs: None


class ChatCompletionChunk(Struct):
    """The data of one server-sent event; `weavergen` comes with the last piece, `usage` after it if it was asked for."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChunkChoice]
    usage: Usage | UnsetType | None = UNSET
    weavergen: WeaverGenDecision | UnsetType = UNSET


class ErrorObject(Struct):
    """What went wrong and what to do about it."""

    message: str
    type: str
    code: Annotated[str, Meta(extra_json_schema={"enum": sorted(STATUS)})]
    param: Annotated[str | None, Meta(description="The request's field at fault, if it is one.")]


RefusedDecision = msgspec.defstruct(
    "RefusedDecision",
    [
        ("decision_id", str),
        *(
            (field.name, Union[field.type, UnsetType], UNSET)  # noqa: UP007 - put together from a value
            for field in msgspec.structs.fields(WeaverGenDecision)
            if field.name != "decision_id"
        ),
        ("usage", Usage | UnsetType, UNSET),
    ],
    namespace={"__doc__": "The recorded decision to refuse, as far as deliberation came."},
)


class ErrorBody(Struct):
    """Every error's body."""

    error: ErrorObject
    weavergen: RefusedDecision | UnsetType = UNSET  # type: ignore[valid-type]


class Alive(Struct):
    """The process answers."""

    status: Literal["alive"]


class FeedbackTaken(Struct):
    """The feedback is durable."""

    decision_id: str
    outcome: FeedbackOutcome
    feedback_id: Annotated[str, Meta(description="ULID; the span `weavergen.feedback` carries it.")]


class Seat(Struct):
    """A model's place; `consensus` has no family and no lineage of its own."""

    family: str | None
    lineage: str | None
    layers: list[str]
    state: Literal["active", "isolated"]


class Model(Struct):
    """OpenAI's model object."""

    id: str
    object: Literal["model"]
    created: Annotated[int, Meta(description="Unix seconds: since when the policy in force is.")]
    owned_by: str
    weavergen: Seat


class ModelList(Struct):
    """`consensus` and every voter."""

    object: Literal["list"]
    data: list[Model]


class SeatedVoter(Seat):
    """A voter and its place."""

    id: str


PolicyInForce = msgspec.defstruct(
    "PolicyInForce",
    [("sha256", str), *((field.name, field.type) for field in msgspec.structs.fields(PolicySnapshot))],
    namespace={"__doc__": "The policy snapshot in force and its digest."},
)


class PolicyState(Struct):
    """Which policy is in force."""

    version: int
    sha256: str
    halt: Halt


class WalState(Struct):
    """This replica's write-ahead log."""

    emitted_spans: int
    frames: int
    refused: int
    queued_bytes: int
    durable_seq: int
    reserve_depth: int
    unavailable_because: Annotated[str, Meta(description="Empty while the log takes decisions.")]


class SealedLog(Struct):
    """The transparency log, as SpanActor last told this replica."""

    batches: Annotated[int, Meta(description="Leaves of the log: batches of spans that are sealed.")]
    merge_delay_s: Annotated[float, Meta(description="How long the oldest row that is in no batch yet has waited.")]


class CheckedRows(Struct):
    """What became of rows since SpanActor began: those that were read are those that were accepted and those set aside."""

    rows_read: int
    rows_accepted: int
    rows_quarantined: Annotated[int, Meta(description="Set aside before they came into the table.")]


class Status(Struct):
    """One replica's state."""

    profile: str
    config_sha256: str
    replica: str
    readiness: Readiness
    policy: PolicyState | None
    layers: list[LayerStanding]
    voters: list[SeatedVoter]
    breakers: list[BreakerShown]
    wal: WalState
    log: Annotated[SealedLog | None, Meta(description="Null while SpanActor does not answer.")]
    spans: Annotated[CheckedRows | None, Meta(description="Null while SpanActor does not answer.")]
    under_way: Annotated[int, Meta(description="Deliberations that have not ended.")]
    admission: AdmissionShown


class HealthCheck(Struct):
    """One judgement of the health actor."""

    name: str
    score: Share
    detail: str
    blind: Annotated[bool, Meta(description="It failed because nothing could be read.")]


class Forecast(Struct):
    """What is expected of one signal."""

    signal: str
    level: float
    limit: float
    slope_per_h: float
    probabilities: Annotated[
        dict[str, float], Meta(description="Horizon in seconds to the probability of a breach within it.")
    ]


class Predictions(Struct):
    """The health actor's newest tick; no score before the first."""

    at_ms: int | None
    age_s: Annotated[float | None, Meta(description="An old tick says how it was, not how it is: the actor is silent.")]
    score: Share | None
    levels: dict[str, float]
    checks: list[HealthCheck]
    predictions: list[Forecast]
    alarms: Annotated[list[str], Meta(description="Alarms that are open, e.g. `forecast/disk`, `blind/queue`.")]


class QuarantinedRange(Struct):
    """Consecutive rows of one writer, and the word that quarantined them."""

    writer_id: str
    first_seq: int
    last_seq: int
    place: Annotated[str, Meta(description="`aside`, before they came into the table, or in the `table`.")]
    state: Annotated[str, Meta(description="`quarantined`, `released`, or `partly` released.")]
    reason: str
    by: Annotated[str, Meta(description="Which operator asked for it; empty if a checker did.")]
    at_unix_ms: int


class Quarantine(Struct):
    """What is quarantined, by the table's own word."""

    total: Annotated[int, Meta(description="Entries there are; the newest of them are shown.")]
    rows_in_table: Annotated[int, Meta(description="Rows of the table that nothing learns from now.")]
    entries: list[QuarantinedRange]
