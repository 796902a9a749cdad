"""What bodies hold. Every field is honoured, or refused by name; nothing is dropped silently."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from actors.spans.feedback import FeedbackOutcome

MAX_STOPS = 4
MAX_NOTE_CHARS = 1000
_INT64 = 2**63


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class TextPart(_Strict):
    """A text part of a message's content."""

    type: Literal["text"]
    text: str


class ChatMessage(_Strict):
    """One turn. The null fields are what OpenAI's clients echo back from earlier answers."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]
    refusal: None = None
    tool_calls: None = None
    function_call: None = None
    audio: None = None
    annotations: Annotated[list[None], Field(max_length=0)] | None = None


class StreamOptions(_Strict):
    """Options of a streamed answer."""

    include_usage: bool = False


class JsonSchemaFormat(_Strict):
    """The JSON Schema that an answer must satisfy; ``strict`` or not, one that does not is no answer."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: Annotated[str, Field(max_length=1000)] | None = None
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    """Draft 2020-12, bounded; references stay inside, nothing is fetched."""
    strict: bool | None = None


class ResponseFormat(_Strict):
    """``json_object`` and ``json_schema`` make the answer kind ``json``."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaFormat | None = None


class WeaverGenOptions(_Strict):
    """The optional ``weavergen`` object."""

    deadline_ms: Annotated[int, Field(ge=50)] | None = None
    cache: Literal["use", "bypass", "refresh"] = "use"
    """There is no cache in front of deliberation yet; every answer is fresh whichever is named."""
    answer_kind: Literal["auto", "code", "json", "value", "text"] = "auto"
    policy: Literal["strict", "evidence"] | None = None
    explain: bool = False
    priority: Literal["interactive", "batch"] = "interactive"
    """Who goes first where more comes than can be answered; ``batch`` waits longer."""


class ChatCompletionBody(_Strict):
    """Body of a chat completion request: OpenAI's fields as far as every voter can honour them, and ``weavergen``."""

    model: Annotated[str, Field(min_length=1, max_length=200)]
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    seed: Annotated[int, Field(ge=-_INT64, lt=_INT64)] | None = None
    stop: str | Annotated[list[str], Field(max_length=MAX_STOPS)] | None = None
    n: Literal[1] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: ResponseFormat | None = None
    logprobs: Literal[False] | None = None
    store: Literal[False] | None = None
    user: Annotated[str, Field(max_length=512)] | None = None
    weavergen: WeaverGenOptions = WeaverGenOptions()


class FeedbackBody(_Strict):
    """Body of ``POST /v1/feedback``: what became of the answer that a decision let go."""

    decision_id: Annotated[str, Field(min_length=1, max_length=200)]
    """ULID of a decision of one's own tenant."""
    outcome: FeedbackOutcome
    note: Annotated[str, Field(max_length=MAX_NOTE_CHARS)] | None = None
    """Only a salted commitment to it is kept, never the text."""


class HaltBody(_Strict):
    """Body of ``POST /ops/halt``."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]
    if_version: Annotated[int, Field(ge=1)] | None = None


class IsolateBody(HaltBody):
    """Body of ``POST /ops/isolate``; ``target`` is a voter."""

    target: Annotated[str, Field(min_length=1, max_length=200)]


class ResumeBody(HaltBody):
    """Body of ``POST /ops/resume``."""

    transition: Annotated[str, Field(max_length=2_000_000)] | None = None
    """Canonical JSON of the new snapshot's envelope, signed by an operator key."""


class ReadmitBody(ResumeBody):
    """Body of ``POST /ops/readmit``; ``target`` is a voter."""

    target: Annotated[str, Field(min_length=1, max_length=200)]


class BreakerBody(_Strict):
    """Body of ``POST /ops/breakers``."""

    voter: Annotated[str, Field(min_length=1, max_length=200)]
    force: Literal["open", "closed", "none"]
    """``open`` asks the voter nothing, ``closed`` asks it whatever happened, ``none`` lets its breaker decide again."""


class TransitionBody(_Strict):
    """What any of the four transitions was asked with."""

    reason: str
    target: str | None = None
    if_version: int | None = None
    transition: str | None = None


TRANSITIONS: dict[str, type[HaltBody]] = {
    "halt": HaltBody,
    "resume": ResumeBody,
    "isolate": IsolateBody,
    "readmit": ReadmitBody,
}
"""Verb → the fields it takes; any other is refused by name."""
