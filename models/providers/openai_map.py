"""OpenAI's chat completions, and what other servers speak of it: request, response, stream, errors. Pure.

Rules: the first choice is the answer (one is asked for; more of them stay in ``extra``, and a stream that mixes several is
malformed); the whole response and the stream of the same answer read the same; a stream is whole once its choice has a
finish reason and ``[DONE]`` came. Pieces of a text are texts: one that is a number or a list of parts is malformed, as it
is in a whole response. What a later chunk says anew is kept beside the response (``/stream_events``).

Left out: images, audio, log probabilities (they stay in ``extra``), the Responses API.
"""

import copy

import msgspec

from models.context import says_too_long
from models.providers.answer import Finish, Part, ProviderAnswer, Text, ToolCall, Usage
from models.providers.dialect import Wire, grown, join, parsed
from models.providers.failures import MAX_COMPLAINT_BYTES, Complaint
from models.providers.faults import Cut, ErrorEvent, Malformed
from models.voter import Sampling, TokenCount, VoterRequest

_FINISH: dict[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "refused",
}
_REFUSED = {"content_filter", "content_policy_violation"}


class Turn(msgspec.Struct):
    """One message of the request."""

    role: str
    content: str


class Body(msgspec.Struct, omit_defaults=True):
    """The request; what is unset is not sent."""

    model: str
    messages: list[Turn]
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


def body_of(model: str, request: VoterRequest, max_tokens: int | None, stop: tuple[str, ...]) -> Body:
    """Return the request for a whole answer; ``stop`` adds to what the request stops at."""
    sampling = request.sampling
    return Body(
        model=model,
        messages=[Turn(m.role, m.content) for m in request.messages],
        max_tokens=max_tokens,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        presence_penalty=sampling.presence_penalty,
        frequency_penalty=sampling.frequency_penalty,
        seed=None if sampling.seed is None else sampling.seed + request.sample,
        stop=sampling.stop + stop,
    )


class _Function(msgspec.Struct):
    name: str
    arguments: str


class _Call(msgspec.Struct):
    function: _Function
    id: str | None = None


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: TokenCount | None = None
    cache_write_tokens: TokenCount | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: TokenCount | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: TokenCount | None = None
    completion_tokens: TokenCount | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    id: str | None = None
    model: str | None = None
    usage: _Usage | None = None
    error: object = None


class OpenAI:
    """OpenAI's protocol; newer models of OpenAI itself want ``max_tokens_name`` to be ``max_completion_tokens``."""

    name = "openai"
    unsupported: tuple[str, ...] = ()
    max_tokens_required = False
    end_marker = "[DONE]"
    named_events = False

    def __init__(self, max_tokens_name: str = "max_tokens") -> None:
        if max_tokens_name not in {"max_tokens", "max_completion_tokens"}:
            raise ValueError(f"{max_tokens_name!r} is neither 'max_tokens' nor 'max_completion_tokens'")
        self._max_tokens_name = max_tokens_name

    def path(self, model: str, *, stream: bool) -> str:
        """Return where to ask."""
        del model, stream
        return "/chat/completions"

    def headers(self, key: str | None) -> dict[str, str]:
        """Return the bearer's header."""
        return {} if key is None else {"Authorization": f"Bearer {key}"}

    def body(self, model: str, request: VoterRequest, max_tokens: int | None, *, stream: bool) -> Wire:
        """Return what to ask; a stream tells its usage at the end."""
        body: Wire = msgspec.to_builtins(body_of(model, request, max_tokens, ()))
        if max_tokens is not None:
            body[self._max_tokens_name] = body.pop("max_tokens")
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body

    def left_out(self, sampling: Sampling) -> tuple[str, ...]:
        """Return nothing: the fields are this protocol's."""
        del sampling
        return ()

    def read(self, wire: object) -> ProviderAnswer:
        """Return what a completion says."""
        completion = parsed(wire, _Completion, "chat completion")
        if completion.error is not None:
            raise Malformed("answered an error as if it were an answer")
        if not completion.choices:
            raise Malformed("answered without a choice")
        choice = completion.choices[0]
        message, finish = choice.message, choice.finish_reason
        parts: list[Part] = [] if message.content is None else [Text(message.content)]
        parts += [ToolCall(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or []]
        return ProviderAnswer(
            id=completion.id,
            model=completion.model,
            parts=tuple(parts),
            refusal=message.refusal,
            native_finish=finish,
            finish=None if finish is None else _FINISH.get(finish, "unknown"),
            usage=_usage(completion.usage),
        )

    def render(self, answer: ProviderAnswer) -> Wire:
        """Return the completion that says this."""
        texts = [part.text for part in answer.parts if isinstance(part, Text)]
        calls = [{"function": {"name": c.name, "arguments": c.arguments}} | _set(id=c.id) for c in answer.tool_calls]
        message = _set(content="".join(texts) if texts else None, refusal=answer.refusal, tool_calls=calls or None)
        choice = {"message": message} | _set(finish_reason=answer.native_finish)
        return {"choices": [choice]} | _set(id=answer.id, model=answer.model, usage=_rendered(answer.usage))

    def accumulator(self) -> "Chunks":
        """Return one for a new stream."""
        return Chunks()

    def complaint(self, status: int, body: bytes) -> Complaint:
        """Return what an error's body says; only that of a 400 says more than the status."""
        if status != 400:
            return Complaint()
        if says_too_long(body[:MAX_COMPLAINT_BYTES].decode("utf-8", "replace")):
            return Complaint("too_long")
        return Complaint("refused" if error_fields(body) & _REFUSED else "")


def error_fields(body: bytes) -> set[str]:
    """Return the codes, types and states that an error's body names: the parts of it that no prompt can write."""
    try:
        whole = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return set()
    if isinstance(whole, list) and len(whole) == 1:
        whole = whole[0]
    error = whole.get("error") if isinstance(whole, dict) else None
    if not isinstance(error, dict):
        return set()
    return {value for key in ("code", "type", "status") if isinstance(value := error.get(key), str)}


def _set(**fields: object) -> Wire:
    return {name: value for name, value in fields.items() if value is not None}


def _usage(usage: _Usage | None) -> Usage | None:
    if usage is None:
        return None
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cached_tokens=None if prompt is None else prompt.cached_tokens,
        written_tokens=None if prompt is None else prompt.cache_write_tokens,
        reasoning_tokens=None if completion is None else completion.reasoning_tokens,
    )


def _rendered(usage: Usage | None) -> Wire | None:
    if usage is None:
        return None
    prompt = _set(cached_tokens=usage.cached_tokens, cache_write_tokens=usage.written_tokens)
    completion = _set(reasoning_tokens=usage.reasoning_tokens)
    return _set(
        prompt_tokens=usage.input_tokens,
        completion_tokens=usage.output_tokens,
        prompt_tokens_details=prompt or None,
        completion_tokens_details=completion or None,
    )


_PIECES: dict[str, type] = {"content": str, "refusal": str, "tool_calls": list}
"""What a piece of a field that ``read`` knows has to be, if it says anything."""


class Chunks:
    """The chunks of one completion."""

    def __init__(self) -> None:
        self.started = False
        self._whole: Wire = {}
        self._choice: Wire = {}
        self._message: Wire = {}
        self._replaced: list[Wire] = []

    def add(self, event: Wire) -> None:
        """Take one chunk."""
        if event.get("error"):
            raise ErrorEvent
        choices = event.get("choices")
        if not isinstance(choices, list) or len(choices) > 1:
            raise Malformed("answered a chunk without one choice")
        self._take_head(event)
        if choices:
            self._take_choice(choices[0])

    def finish(self) -> Wire:
        """Return the completion."""
        if self._choice.get("finish_reason") is None:
            raise Cut
        whole = self._whole | {"choices": [self._choice | {"message": grown(self._message)}]}
        # A message among the chunks is none of the protocol's, and no reason to lose it.
        beside = [{"choices": [{"message": self._choice["message"]}]}] if "message" in self._choice else []
        kept = [*self._replaced, *beside]
        return whole | ({"stream_events": kept} if kept else {})

    def _take_head(self, event: Wire) -> None:
        before, now = self._whole.get("id"), event.get("id")
        if before and now and before != now:
            raise Malformed("mixed two answers in one stream")
        for key, value in event.items():
            if key == "object":
                self._whole[key] = "chat.completion" if value == "chat.completion.chunk" else value
            elif key != "choices" and (value or key not in self._whole):
                said = self._whole.get(key)
                if said and said != value and key != "usage":
                    self._replaced.append({key: said})
                self._whole[key] = value

    def _take_choice(self, choice: object) -> None:
        delta = choice.get("delta") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(delta, dict | None) or choice.get("index", 0) != 0:
            raise Malformed("answered a chunk that is none")
        said = {key: value for key, value in (delta or {}).items() if value not in (None, "", [])}
        if self._choice.get("finish_reason") is not None and (said or choice.get("finish_reason") is not None):
            raise Malformed("went on after it had finished")
        for key, value in (delta or {}).items():
            self._take_delta(key, value)
        for key, value in choice.items():
            if key != "delta" and (lost := join(self._choice, key, value, texts=False)):
                self._replaced.append({"choices": [lost]})
        self.started = self.started or any(key != "role" for key in said)

    def _take_delta(self, key: str, value: object) -> None:
        if value is not None and not isinstance(value, _PIECES.get(key, object)):
            raise Malformed("answered a piece that does not belong to its message")
        if key == "tool_calls" and isinstance(value, list):
            self._message[key] = calls = self._message.get(key) or []
            for call in value:
                if lost := _add_call(calls, call):
                    self._replaced.append({"choices": [{"delta": {"tool_calls": [lost]}}]})
        elif lost := join(self._message, key, value, texts=key != "role"):
            self._replaced.append({"choices": [{"delta": lost}]})


def _add_call(calls: list[Wire], delta: object) -> Wire:
    """Add a piece to the last call or begin another, and return what it took the place of."""
    if not isinstance(delta, dict) or not isinstance(place := delta.get("index"), int):
        raise Malformed("answered a tool call that is none")
    call = {key: value for key, value in delta.items() if key != "index"}
    if place == len(calls):
        calls.append(copy.deepcopy(call))
        return {}
    if not calls or place != len(calls) - 1:
        raise Malformed("answered tool calls out of order")
    said, function = call.get("function"), calls[-1].get("function")
    if not isinstance(said, dict) or not isinstance(function, dict):
        raise Malformed("answered a tool call that is none")
    before, more = function.get("arguments", ""), said.get("arguments", "")
    if not isinstance(before, str) or not isinstance(more, str):
        raise Malformed("answered a tool call that is none")
    anew = {name: value for name, value in said.items() if name != "arguments" and value != ""}
    lost = join({"call": calls[-1]}, "call", call | {"function": anew}, texts=False)
    calls[-1]["function"] |= {"arguments": before + more}
    return {"index": place} | lost["call"] if lost else {}
