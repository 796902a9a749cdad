"""Responses built from the SDKs' own types go through the mappings without loss."""

import copy
from typing import Any, get_args

import pydantic
import pytest
from anthropic import types as anthropic_types
from google.genai import types as gemini_types
from openai.types import chat as openai_chat
from openai.types import completion_usage

from models.errors import VoterError
from models.providers.answer import Usage, candidate_of
from models.providers.dialect import answer_of, wire_of
from tests.providers import DIALECTS, STREAMS, WHOLE, Fixture, fixture_named, meaning

KINDS: dict[str, Any] = {
    "openai": openai_chat.ChatCompletion,
    "anthropic": anthropic_types.Message,
    "gemini": gemini_types.GenerateContentResponse,
}

OPENAI = openai_chat.ChatCompletion(
    id="chatcmpl-1",
    object="chat.completion",
    created=1,
    model="m",
    service_tier="default",
    system_fingerprint="fp",
    choices=[
        openai_chat.chat_completion.Choice(
            index=0,
            finish_reason="stop",
            logprobs=openai_chat.chat_completion.ChoiceLogprobs(
                content=[
                    openai_chat.ChatCompletionTokenLogprob(token="Hi", bytes=[72, 105], logprob=-0.5, top_logprobs=[])
                ]
            ),
            message=openai_chat.ChatCompletionMessage(
                role="assistant",
                content="Hi",
                annotations=[
                    openai_chat.chat_completion_message.Annotation(
                        type="url_citation",
                        url_citation=openai_chat.chat_completion_message.AnnotationURLCitation(
                            start_index=0, end_index=2, title="t", url="https://example.org/"
                        ),
                    )
                ],
            ),
        )
    ],
    usage=completion_usage.CompletionUsage(
        prompt_tokens=20,
        completion_tokens=10,
        total_tokens=30,
        prompt_tokens_details=completion_usage.PromptTokensDetails(cached_tokens=8, audio_tokens=0),
        completion_tokens_details=completion_usage.CompletionTokensDetails(reasoning_tokens=7),
    ),
)
ANTHROPIC = anthropic_types.Message.model_construct(
    id="msg_1",
    type="message",
    role="assistant",
    model="m",
    content=[
        anthropic_types.ThinkingBlock(type="thinking", thinking="Hm.", signature="c2ln"),
        anthropic_types.RedactedThinkingBlock(type="redacted_thinking", data="x"),
        anthropic_types.TextBlock(type="text", text="Hi"),
    ],
    stop_reason="stop_sequence",
    stop_sequence="END",
    usage=anthropic_types.Usage(
        input_tokens=3,
        output_tokens=10,
        cache_read_input_tokens=8,
        cache_creation_input_tokens=9,
        service_tier="standard",
    ),
)
GEMINI = gemini_types.GenerateContentResponse(
    candidates=[
        gemini_types.Candidate(
            content=gemini_types.Content(
                role="model", parts=[gemini_types.Part(text="Hm.", thought=True), gemini_types.Part(text="Hi")]
            ),
            finish_reason=gemini_types.FinishReason.STOP,
            avg_logprobs=-0.25,
            index=0,
        )
    ],
    usage_metadata=gemini_types.GenerateContentResponseUsageMetadata(
        prompt_token_count=20,
        candidates_token_count=3,
        thoughts_token_count=7,
        cached_content_token_count=8,
        total_token_count=30,
    ),
    model_version="m",
    response_id="r",
)


@pytest.mark.parametrize(
    ("provider", "response", "usage"),
    [
        ("openai", OPENAI, Usage(20, 10, 8, None, 7)),
        ("anthropic", ANTHROPIC, Usage(20, 10, 8, 9)),
        ("gemini", GEMINI, Usage(20, 10, 8, None, 7)),
    ],
)
@pytest.mark.parametrize("unset", [True, False], ids=["bare", "with every null"])
def test_a_response_of_an_sdks_type_round_trips(provider: str, response: Any, usage: Usage, unset: bool) -> None:
    """Whether a server leaves out what is unset or sends it as null, nothing of it is lost, and the answer is the same."""
    dialect = DIALECTS[provider]
    wire = response.model_dump(mode="json", by_alias=True, exclude_none=unset)
    answer = answer_of(dialect, wire)
    assert wire_of(dialect, answer) == wire
    assert (answer.text, answer.finish, answer.usage) == ("Hi", "stop", usage)


@pytest.mark.parametrize("fixture", [f for f in WHOLE if f.name != "unknown_fields" and not f.unlike_sdk], ids=str)
def test_a_fixture_is_of_its_sdks_type(fixture: Fixture) -> None:
    """What the documents show is what the SDK's own type takes, and means the same after it."""
    response = KINDS[fixture.provider].model_validate(fixture.content)
    wire = response.model_dump(mode="json", by_alias=True, exclude_unset=True)
    try:
        means = meaning(candidate_of(answer_of(fixture.dialect, wire), "v"))
    except VoterError as error:
        means = meaning(error)
    assert means == fixture.means


def event_kind(fixture: Fixture, event: dict[str, Any]) -> Any:
    """Return the SDK's own type of one event of a stream."""
    if fixture.provider == "openai":
        return openai_chat.ChatCompletionChunk
    if fixture.provider == "gemini":
        return gemini_types.GenerateContentResponse
    name = "".join(word.capitalize() for word in event["type"].split("_"))
    return getattr(anthropic_types, f"Raw{name}Event")


def require_type(fixture: Fixture) -> None:
    """Raise unless the SDK's own type takes the response, or every event but pings, errors and those that it cannot know."""
    if fixture.kind == "whole":
        KINDS[fixture.provider].model_validate(fixture.content)
        return
    for event in fixture.events:
        if "error" not in event and event.get("type") not in {"ping", "weather_report", "future_event"}:
            event_kind(fixture, event).model_validate(event)


@pytest.mark.parametrize("fixture", [f for f in STREAMS if not f.unlike_sdk], ids=str)
def test_events_are_of_their_sdks_types(fixture: Fixture) -> None:
    """Every event of a fixture is what the SDK's own type takes."""
    require_type(fixture)


@pytest.mark.parametrize("fixture", [f for f in WHOLE + STREAMS if f.unlike_sdk], ids=str)
def test_what_an_sdks_type_does_not_take_is_published(fixture: Fixture) -> None:
    """Only where a provider's example and its SDK's types disagree may a fixture be of another shape."""
    assert fixture.origin == "published"
    with pytest.raises(pydantic.ValidationError):
        require_type(fixture)


def test_every_finish_reason_an_sdk_knows_is_thought_of() -> None:
    """A new one costs the ballot until somebody looks; this is where they see it."""
    known = {
        "openai": get_args(openai_chat.chat_completion.Choice.model_fields["finish_reason"].annotation),
        "anthropic": get_args(anthropic_types.StopReason),
        "gemini": [reason.value for reason in gemini_types.FinishReason],
    }
    unread = {
        (provider, reason)
        for provider, reasons in known.items()
        for reason in reasons
        if answer_of(DIALECTS[provider], finished(provider, reason)).finish == "unknown"
    }
    assert {reason for provider, reason in unread if provider == "gemini"} == {
        "FINISH_REASON_UNSPECIFIED", "OTHER", "IMAGE_OTHER", "NO_IMAGE", "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE", "ESCALATION", "PUP_LIMITED_DISABLED", "CONTINUATION",
    }  # fmt: skip
    assert {(provider, reason) for provider, reason in unread if provider != "gemini"} == {("anthropic", "pause_turn")}


def finished(provider: str, reason: str) -> dict[str, Any]:
    """Return the plain fixture's response, finished for this reason."""
    wire: dict[str, Any] = copy.deepcopy(fixture_named(provider, "plain").content)
    if provider == "anthropic":
        return wire | {"stop_reason": reason}
    field = "choices" if provider == "openai" else "candidates"
    wire[field][0]["finish_reason" if provider == "openai" else "finishReason"] = reason
    return wire
