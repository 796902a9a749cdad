"""The engine's protocol, from request to candidate."""

from typing import Any

import pytest

from models.errors import VoterEmpty, VoterError, VoterFailed, VoterRefused, VoterTooLong
from models.voter import Message, Sampling, VoterRequest
from serve_apps.engine_chat import candidate_of, chat_payload, engine_error, without_bound


def answer(content: str | None = "yes", reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    """Return a chat completion."""
    return {"choices": [{"message": {"content": content}, "finish_reason": reason}], **more}


def test_every_sampling_value_reaches_the_engine() -> None:
    """What the caller set is passed on by its own name; the seed is shifted by the sample's number."""
    sampling = Sampling(
        max_tokens=7, temperature=0.5, top_p=0.9, presence_penalty=0.1, frequency_penalty=0.2, seed=40, stop=("a",)
    )
    request = VoterRequest("r", (Message("system", "s"), Message("user", "u")), sampling, sample=2)
    assert chat_payload("m", request, ("\nQ:",)) == {
        "model": "m",
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
        "stream": False,
        "max_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "seed": 42,
        "stop": ["a", "\nQ:"],
    }


def test_what_was_not_set_is_left_to_the_engine() -> None:
    """Unset values are absent rather than null; temperature 0 is a value."""
    request = VoterRequest("r", (Message("user", "u"),), Sampling(max_tokens=1, temperature=0.0))
    assert set(chat_payload("m", request, ())) == {"model", "messages", "stream", "max_tokens", "temperature"}


@pytest.mark.parametrize("reason", ["stop", "length"])
def test_a_complete_answer_is_a_candidate(reason: str) -> None:
    """Content, reason and token counts are kept as the engine gave them."""
    got = candidate_of("v", answer("text", reason, usage={"prompt_tokens": 3, "completion_tokens": 5}))
    assert (got.content, got.finish_reason, got.prompt_tokens, got.completion_tokens) == ("text", reason, 3, 5)


def test_a_candidate_tells_when_the_engine_began_with_it() -> None:
    """As the engine says; one that says nothing tells none."""
    metrics = {"queue_time_ms": 5.0, "time_to_first_token_ms": 20.0}
    assert candidate_of("v", answer(metrics=metrics)).first_token_ms == 25
    assert candidate_of("v", answer(metrics=None)).first_token_ms is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (answer(""), VoterEmpty),
        (answer(" \n"), VoterEmpty),
        (answer(None), VoterEmpty),
        (answer("half", None), VoterFailed),
        (answer("half", "abort"), VoterFailed),
        (answer("no", "content_filter"), VoterRefused),
    ],
)
def test_anything_else_costs_the_ballot(body: dict[str, Any], kind: type[VoterError]) -> None:
    """An empty, broken-off or filtered answer is never a candidate."""
    with pytest.raises(kind):
        candidate_of("v", body)


def test_the_engine_s_error_text_is_not_repeated() -> None:
    """Error messages may quote the prompt; only their code is told."""
    error = engine_error("v", {"error": {"code": 400, "message": "the prompt 'secret' is too long"}})
    assert isinstance(error, VoterFailed)
    assert "400" in str(error)
    assert "secret" not in str(error)


def test_a_prompt_without_room_is_told_from_a_failing_engine() -> None:
    """The engine's own complaint about its context is a refusal of this prompt, whose text is not repeated either."""
    message = "This model's maximum context length is 2048 tokens. However, you requested 2048 output tokens"
    error = engine_error("v", {"error": {"code": 400, "message": message}})
    assert isinstance(error, VoterTooLong)
    assert str(error) == "v: the prompt is too long for it"


def test_the_bound_on_tokens_can_be_left_to_the_engine() -> None:
    """Everything else of the request stays as it was."""
    payload = chat_payload("m", VoterRequest("r", (Message("user", "u"),), Sampling(max_tokens=1, seed=1)), ())
    assert without_bound(payload) == {k: v for k, v in payload.items() if k != "max_tokens"}
    assert "max_tokens" in payload
