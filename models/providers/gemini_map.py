"""Google's Gemini API (``generateContent``): request, response, stream, errors. Pure.

Rules: system turns are the ``systemInstruction``, the assistant's role is ``model``. One candidate is asked for, so a
second one is malformed. A prompt that was blocked is refused, whatever was said before that. A stream is whole once its
candidate has a finish reason; nothing of it may come after that, and nothing unsays it. The first models set that reason
in every response of a stream: nobody can tell whether such a stream is whole, so it is malformed. What a later response
says anew of a field is kept beside (``/stream_events``), token counts aside: these are sums.

Left out: images, code execution, grounding (they stay in ``extra``); candidates continued over several calls.
"""

import msgspec

from models.errors import bounded_retry_after_s
from models.providers.answer import Finish, Other, Part, ProviderAnswer, Text, ToolCall, Usage
from models.providers.dialect import Growing, Wire, grown, parsed
from models.providers.failures import MAX_COMPLAINT_BYTES, Complaint
from models.providers.faults import Cut, ErrorEvent, Malformed
from models.voter import Sampling, TokenCount, VoterRequest

_FINISH: dict[str, Finish] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "MALFORMED_FUNCTION_CALL": "tool_calls",
    "UNEXPECTED_TOOL_CALL": "tool_calls",
    "TOO_MANY_TOOL_CALLS": "tool_calls",
    "SAFETY": "refused",
    "RECITATION": "refused",
    "LANGUAGE": "refused",
    "BLOCKLIST": "refused",
    "PROHIBITED_CONTENT": "refused",
    "SPII": "refused",
    "IMAGE_SAFETY": "refused",
    "IMAGE_PROHIBITED_CONTENT": "refused",
    "IMAGE_RECITATION": "refused",
    "MODEL_ARMOR": "refused",
}
_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
_TOO_LONG = ("exceeds the maximum number of tokens", "request payload size exceeds")


class _Function(msgspec.Struct):
    name: str
    id: str | None = None
    args: dict[str, object] | None = None


class _Part(msgspec.Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    function_call: _Function | None = None


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None
    block_reason_message: str | None = None

    @property
    def refusal(self) -> str | None:
        """Return why the prompt was blocked; a few responses have only a message."""
        return self.block_reason or self.block_reason_message


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: TokenCount | None = None
    candidates_token_count: TokenCount | None = None
    cached_content_token_count: TokenCount | None = None
    thoughts_token_count: TokenCount | None = None


class _Response(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Usage | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: object = None


class Gemini:
    """Gemini's protocol."""

    name = "gemini"
    unsupported: tuple[str, ...] = ()
    max_tokens_required = False
    end_marker = ""
    named_events = False

    def path(self, model: str, *, stream: bool) -> str:
        """Return where to ask."""
        return f"/v1beta/models/{model}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent")

    def headers(self, key: str | None) -> dict[str, str]:
        """Return the key's header."""
        return {} if key is None else {"x-goog-api-key": key}

    def body(self, model: str, request: VoterRequest, max_tokens: int | None, *, stream: bool) -> Wire:
        """Return what to ask; model and streaming are in the path."""
        del model, stream
        sampling = request.sampling
        settings = {
            "maxOutputTokens": max_tokens,
            "temperature": sampling.temperature,
            "topP": sampling.top_p,
            "presencePenalty": sampling.presence_penalty,
            "frequencyPenalty": sampling.frequency_penalty,
            "seed": None if sampling.seed is None else sampling.seed + request.sample,
            "stopSequences": list(sampling.stop) or None,
        }
        system = [{"text": m.content} for m in request.messages if m.role == "system"]
        turns = [m for m in request.messages if m.role != "system"]
        body: Wire = {
            "contents": [
                {"role": "model" if m.role == "assistant" else "user", "parts": [{"text": m.content}]} for m in turns
            ],
            "generationConfig": {name: value for name, value in settings.items() if value is not None},
        }
        return body | ({"systemInstruction": {"parts": system}} if system else {})

    def left_out(self, sampling: Sampling) -> tuple[str, ...]:
        """Return nothing: the protocol has a word for every field."""
        del sampling
        return ()

    def read(self, wire: object) -> ProviderAnswer:
        """Return what a response says."""
        response = parsed(wire, _Response, "response of the model")
        if response.error is not None:
            raise Malformed("answered an error as if it were an answer")
        candidates = response.candidates or []
        blocked = None if response.prompt_feedback is None else response.prompt_feedback.refusal
        if len(candidates) != 1 and not (blocked and not candidates):
            raise Malformed("answered without a candidate" if not candidates else "answered more than was asked for")
        chosen = candidates[0] if candidates else _Candidate()
        finish = chosen.finish_reason
        parts = [] if chosen.content is None else chosen.content.parts or []
        return ProviderAnswer(
            id=response.response_id,
            model=response.model_version,
            parts=tuple(_part(part) for part in parts),
            refusal=blocked,
            native_finish=finish,
            finish=("refused" if blocked else None) if finish is None else _FINISH.get(finish, "unknown"),
            usage=_usage(response.usage_metadata),
        )

    def render(self, answer: ProviderAnswer) -> Wire:
        """Return the response that says this."""
        whole: Wire = {}
        if answer.parts or answer.native_finish is not None or answer.refusal is None:
            chosen: Wire = {} if answer.native_finish is None else {"finishReason": answer.native_finish}
            if answer.parts:
                chosen["content"] = {"parts": [_rendered_part(part) for part in answer.parts]}
            whole["candidates"] = [chosen]
        optional = {
            "responseId": answer.id,
            "modelVersion": answer.model,
            "promptFeedback": None if answer.refusal is None else {"blockReason": answer.refusal},
            "usageMetadata": _rendered(answer.usage),
        }
        return whole | {name: value for name, value in optional.items() if value is not None}

    def accumulator(self) -> "Responses":
        """Return one for a new stream."""
        return Responses()

    def complaint(self, status: int, body: bytes) -> Complaint:
        """Return what an error's body says."""
        text = body[:MAX_COMPLAINT_BYTES].decode("utf-8", "replace")
        if status == 400 and "API_KEY_INVALID" in text:
            return Complaint("key")
        if status == 400 and any(words in text for words in _TOO_LONG):
            return Complaint("too_long")
        return Complaint(retry_after_s=_retry_delay_s(body))


def _retry_delay_s(body: bytes) -> float | None:
    try:
        whole = msgspec.json.decode(body)
        error = (whole[0] if isinstance(whole, list) else whole)["error"]
        delays = [detail["retryDelay"] for detail in error["details"] if detail["@type"] == _RETRY_INFO]
        return bounded_retry_after_s(float(delays[0].removesuffix("s")))
    except (
        msgspec.MsgspecError,
        UnicodeDecodeError,
        RecursionError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ):
        return None


def _part(part: _Part) -> Part:
    if part.function_call is not None:
        call = part.function_call
        return ToolCall(call.id, call.name, "" if call.args is None else msgspec.json.encode(call.args).decode())
    if part.text is not None and not part.thought:
        return Text(part.text)
    return Other("thought" if part.thought else "part")


def _rendered_part(part: Part) -> Wire:
    match part:
        case Text(text=text):
            return {"text": text}
        case ToolCall(id=call, name=name, arguments=arguments):
            function: Wire = {"name": name} | ({} if call is None else {"id": call})
            return {"functionCall": function | ({"args": msgspec.json.decode(arguments)} if arguments else {})}
        case Other(kind=kind):
            return {"thought": True} if kind == "thought" else {}


def _usage(usage: _Usage | None) -> Usage | None:
    if usage is None:
        return None
    made = [count for count in (usage.candidates_token_count, usage.thoughts_token_count) if count is not None]
    return Usage(
        input_tokens=usage.prompt_token_count,
        output_tokens=sum(made) if made else None,
        cached_tokens=usage.cached_content_token_count,
        reasoning_tokens=usage.thoughts_token_count,
    )


def _rendered(usage: Usage | None) -> Wire | None:
    if usage is None:
        return None
    made, thought = usage.output_tokens, usage.reasoning_tokens
    optional = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": None if made is None else made - (thought or 0),
        "cachedContentTokenCount": usage.cached_tokens,
        "thoughtsTokenCount": thought,
    }
    return {name: value for name, value in optional.items() if value is not None}


def _blocks(response: Wire) -> bool:
    feedback = response.get("promptFeedback")
    return isinstance(feedback, dict) and bool(feedback.get("blockReason") or feedback.get("blockReasonMessage"))


def _saying(said: Wire, before: Wire) -> Wire:
    """Return what says something: null takes no other value's place."""
    return {key: value for key, value in said.items() if value is not None or before.get(key) is None}


def _replaced(before: Wire, said: Wire, but: str) -> Wire:
    return {key: value for key, value in before.items() if key != but and key in said and said[key] != value}


class Responses:
    """The partial responses of one answer."""

    def __init__(self) -> None:
        self.started = False
        self._whole: Wire = {}
        self._candidate: Wire | None = None
        self._parts: list[Wire] = []
        self._replaced: list[Wire] = []

    def add(self, event: Wire) -> None:
        """Take one partial response."""
        if event.get("error"):
            raise ErrorEvent
        for key in ("responseId", "modelVersion"):
            if event.get(key) and self._whole.get(key, event[key]) != event[key]:
                raise Malformed("mixed two answers in one stream")
        self._take_head({key: value for key, value in event.items() if key != "candidates"})
        candidates = event.get("candidates", [])
        if not isinstance(candidates, list) or len(candidates) > 1:
            raise Malformed("answered more than was asked for")
        for candidate in candidates:
            self._take(candidate)

    def finish(self) -> Wire:
        """Return the whole response."""
        candidate = self._candidate
        if (candidate is None or candidate.get("finishReason") is None) and not _blocks(self._whole):
            raise Cut
        whole = self._whole | ({"stream_events": self._replaced} if self._replaced else {})
        if candidate is None:
            return whole
        if self._parts:
            candidate = candidate | {
                "content": candidate.get("content", {}) | {"parts": [grown(part) for part in self._parts]}
            }
        return whole | {"candidates": [candidate]}

    def _take_head(self, said: Wire) -> None:
        if "promptFeedback" in said and _blocks(self._whole) and not _blocks(said):
            # A block stays, whatever is said of the prompt later.
            self._replaced.append({"promptFeedback": said.pop("promptFeedback")})
        said = _saying(said, self._whole)
        if lost := _replaced(self._whole, said, "usageMetadata"):
            self._replaced.append(lost)
        self._whole |= said

    def _take(self, candidate: object) -> None:
        content = candidate.get("content", {}) if isinstance(candidate, dict) else None
        if not isinstance(candidate, dict) or not isinstance(content, dict) or candidate.get("index", 0) != 0:
            raise Malformed("answered a candidate that is none")
        parts = content.get("parts", [])
        if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
            raise Malformed("answered a candidate that is none")
        before = self._candidate or {}
        if before.get("finishReason") is not None and (parts or candidate.get("finishReason") is not None):
            raise Malformed("went on after it had finished")
        kept = before.get("content", {}) | {key: value for key, value in content.items() if key != "parts"}
        said = _saying(candidate, before)
        if lost := _replaced(before, said, "content"):
            self._replaced.append({"candidates": [lost]})
        self._candidate = before | said | ({"content": kept} if kept or "content" in candidate else {})
        for part in parts:
            self._add_part(part)

    def _add_part(self, part: Wire) -> None:
        last = self._parts[-1] if self._parts else {}
        # Pieces of one text: nothing but the text in both, and the same mark of being a thought.
        plain = {"text", "thought"}
        same = last.keys() <= plain and part.keys() <= plain and last.get("thought") == part.get("thought")
        text = part.get("text")
        if same and isinstance(last.get("text"), Growing) and isinstance(text, str):
            last["text"].append(text)
        else:
            self._parts.append(part | {"text": Growing([text])} if isinstance(text, str) else part)
        self.started = self.started or bool(part.get("text") or part.keys() - plain)
