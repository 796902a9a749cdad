"""Anthropic's messages: request, response, stream, errors. Pure.

Rules: system turns go where the protocol has them, in their order; ``max_tokens`` is required. Of the stream's events the
order is checked one by one: one start, blocks opened, filled and closed one after the other, the end's reason, the end.
Content comes in blocks only, and a reason that was given stays: another one after it is malformed, nothing unsays it.
Events of a kind that is not known are kept beside the response (``/stream_events``), as the protocol asks of its clients;
so are fields of known events that are not, and what the end says anew of a field, token counts aside: these are sums.

Version 2026-10-21 of the API, which the SDK speaks, refuses ``temperature`` and ``top_p``; 2023-06-01 takes them. Neither
has a word for ``seed``, penalties, temperatures above 1 and stop strings of white space: these are never sent.
"""

from collections.abc import Set as AbstractSet

import msgspec

from models.providers.answer import Finish, Other, Part, ProviderAnswer, Text, ToolCall, Usage
from models.providers.dialect import Growing, Wire, decoded, grown, parsed
from models.providers.failures import MAX_COMPLAINT_BYTES, Complaint
from models.providers.faults import Cut, ErrorEvent, Malformed
from models.voter import Sampling, TokenCount, VoterRequest

VERSIONS = ("2026-10-21", "2023-06-01")
"""The API's versions that this speaks, the newest first."""
_FINISH: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refused",
}
_TOO_LONG = ("prompt is too long", "exceed context limit")
_MAX_TEMPERATURE = 1.0


class _Block(msgspec.Struct):
    type: str
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, object] | None = None


class _Details(msgspec.Struct):
    thinking_tokens: TokenCount | None = None


class _Usage(msgspec.Struct):
    input_tokens: TokenCount | None = None
    output_tokens: TokenCount | None = None
    cache_read_input_tokens: TokenCount | None = None
    cache_creation_input_tokens: TokenCount | None = None
    output_tokens_details: _Details | None = None


class _Reply(msgspec.Struct):
    type: str
    content: list[_Block]
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None


class Anthropic:
    """Anthropic's protocol, in one of its versions."""

    name = "anthropic"
    max_tokens_required = True
    end_marker = ""
    named_events = True

    def __init__(self, version: str = VERSIONS[0]) -> None:
        if version not in VERSIONS:
            raise ValueError(f"{version!r} is no version that this speaks; there are: {', '.join(VERSIONS)}")
        self._version = version
        self._samples = version == "2023-06-01"
        self.unsupported: tuple[str, ...] = ("presence_penalty", "frequency_penalty", "seed")
        if not self._samples:
            self.unsupported += ("temperature", "top_p")

    def path(self, model: str, *, stream: bool) -> str:
        """Return where to ask."""
        del model, stream
        return "/v1/messages"

    def headers(self, key: str | None) -> dict[str, str]:
        """Return the bearer's header and the protocol's version."""
        return {"anthropic-version": self._version} | ({} if key is None else {"Authorization": f"Bearer {key}"})

    def body(self, model: str, request: VoterRequest, max_tokens: int | None, *, stream: bool) -> Wire:
        """Return what to ask."""
        if max_tokens is None:
            raise ValueError("this protocol wants max_tokens")
        sampling = request.sampling
        body: Wire = {
            "model": model,
            "max_tokens": max_tokens,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages if m.role != "system"],
        }
        system = "\n\n".join(m.content for m in request.messages if m.role == "system")
        stops = [stop for stop in sampling.stop if stop.strip()]
        temperature = sampling.temperature
        optional = {
            "system": system or None,
            "temperature": temperature if self._samples and (temperature or 0) <= _MAX_TEMPERATURE else None,
            "top_p": sampling.top_p if self._samples else None,
            "stop_sequences": stops or None,
            "stream": True if stream else None,
        }
        return body | {name: value for name, value in optional.items() if value is not None}

    def left_out(self, sampling: Sampling) -> tuple[str, ...]:
        """Return what of this the protocol cannot say."""
        fields = [name for name in self.unsupported if getattr(sampling, name) is not None]
        if self._samples and (sampling.temperature or 0) > _MAX_TEMPERATURE:
            fields.append("temperature above 1")
        if any(not stop.strip() for stop in sampling.stop):
            fields.append("stop of white space")
        return tuple(fields)

    def read(self, wire: object) -> ProviderAnswer:
        """Return what a message says."""
        if isinstance(wire, dict) and wire.get("type") == "error":
            raise Malformed("answered an error as if it were an answer")
        reply = parsed(wire, _Reply, "message")
        if reply.type != "message":
            raise Malformed("answered something that is no message")
        finish = reply.stop_reason
        return ProviderAnswer(
            id=reply.id,
            model=reply.model,
            parts=tuple(_part(block) for block in reply.content),
            refusal=None,
            native_finish=finish,
            finish=None if finish is None else _FINISH.get(finish, "unknown"),
            usage=_usage(reply.usage),
        )

    def render(self, answer: ProviderAnswer) -> Wire:
        """Return the message that says this."""
        optional = {
            "id": answer.id,
            "model": answer.model,
            "stop_reason": answer.native_finish,
            "usage": _rendered(answer.usage),
        }
        whole: Wire = {"type": "message", "content": [_block(part) for part in answer.parts]}
        return whole | {name: value for name, value in optional.items() if value is not None}

    def accumulator(self) -> "Events":
        """Return one for a new stream."""
        return Events()

    def complaint(self, status: int, body: bytes) -> Complaint:
        """Return what an error's body says."""
        text = body[:MAX_COMPLAINT_BYTES].decode("utf-8", "replace").lower()
        too_long = status == 400 and any(words in text for words in _TOO_LONG)
        return Complaint("too_long" if too_long else "")


def _part(block: _Block) -> Part:
    if block.type == "text" and block.text is not None:
        return Text(block.text)
    if block.type == "tool_use" and block.name is not None and block.input is not None:
        return ToolCall(block.id, block.name, msgspec.json.encode(block.input).decode())
    return Other(block.type)


def _block(part: Part) -> Wire:
    match part:
        case Text(text=text):
            return {"type": "text", "text": text}
        case ToolCall(id=call, name=name, arguments=arguments):
            block: Wire = {"type": "tool_use", "name": name, "input": msgspec.json.decode(arguments)}
            return block if call is None else block | {"id": call}
        case Other(kind=kind):
            return {"type": kind}


def _usage(usage: _Usage | None) -> Usage | None:
    if usage is None:
        return None
    cached, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    fresh = usage.input_tokens
    return Usage(
        input_tokens=None if fresh is None else fresh + (cached or 0) + (written or 0),
        output_tokens=usage.output_tokens,
        cached_tokens=cached,
        written_tokens=written,
        reasoning_tokens=None if usage.output_tokens_details is None else usage.output_tokens_details.thinking_tokens,
    )


def _rendered(usage: Usage | None) -> Wire | None:
    if usage is None:
        return None
    cached, written, reasoning = usage.cached_tokens, usage.written_tokens, usage.reasoning_tokens
    total = usage.input_tokens
    optional = {
        "input_tokens": None if total is None else total - (cached or 0) - (written or 0),
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": written,
        "output_tokens_details": None if reasoning is None else {"thinking_tokens": reasoning},
    }
    return {name: value for name, value in optional.items() if value is not None}


_TEXTS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}


_KNOWN: dict[str, set[str]] = {
    "message_start": {"message"},
    "content_block_start": {"index", "content_block"},
    "content_block_delta": {"index", "delta"},
    "content_block_stop": {"index"},
    "message_stop": set(),
}
"""The fields of each kind of event but ``message_delta``, whose fields are the message's own."""


class Events:
    """The events of one message."""

    def __init__(self) -> None:
        self.started = False
        self._message: Wire | None = None
        self._blocks: list[Wire] = []
        self._open: Wire | None = None
        self._input = ""
        self._ending = False
        self._ended = False
        self._unknown: list[Wire] = []

    def add(self, event: Wire) -> None:
        """Take one event."""
        kind = str(event.get("type"))
        if kind == "error":
            raise ErrorEvent
        if kind == "ping":
            return
        if kind in _KNOWN or kind == "message_delta":
            self._take(kind, event)
        else:
            self._unknown.append(event)

    def _take(self, kind: str, event: Wire) -> None:
        if self._ended or (self._message is None) != (kind == "message_start"):
            raise Malformed("answered events out of order")
        self._keep(event, _KNOWN.get(kind, event.keys()))
        match kind:
            case "message_start":
                self._message = _object(event, "message")
                self._require(not self._message.get("content"))
            case "content_block_start":
                self._begin_block(event)
            case "content_block_delta":
                self._fill_block(event)
            case "content_block_stop":
                self._end_block(event)
            case "message_delta":
                self._take_end(event)
            case "message_stop":
                self._require(self._ending)
                self._ended = True

    def finish(self) -> Wire:
        """Return the message."""
        if self._message is None or not self._ended:
            raise Cut
        return self._message | {"content": self._blocks} | ({"stream_events": self._unknown} if self._unknown else {})

    @staticmethod
    def _require(right: object) -> None:
        if not right:
            raise Malformed("answered events out of order")

    def _keep(self, event: Wire, known: AbstractSet[str]) -> None:
        if rest := {name: value for name, value in event.items() if name not in known and name != "type"}:
            place = {name: event[name] for name in ("type", "index") if name in event}
            self._unknown.append(place | rest)

    def _begin_block(self, event: Wire) -> None:
        self._require(self._open is None and not self._ending and event.get("index") == len(self._blocks))
        self._open, self._input = dict(_object(event, "content_block")), ""
        # A tool's call counts as a beginning; an empty text that is still to be filled does not.
        self.started = self.started or self._open.get("type") != "text" or bool(self._open.get("text"))

    def _fill_block(self, event: Wire) -> None:
        block = self._open
        self._require(block is not None and event.get("index") == len(self._blocks))
        delta = _object(event, "delta")
        name = _TEXTS.get(str(delta.get("type")))
        if block is None or name is None:
            # A piece of a kind that is not known may say anything but some of the answer.
            self._require("text" not in delta)
            self._unknown.append(event)
            return
        value = delta.get(name)
        if not isinstance(value, str) or (name in {"text", "thinking"} and block.get("type") != name):
            raise Malformed("answered a piece that does not belong to its block")
        if rest := {key: said for key, said in delta.items() if key not in {"type", name}}:
            self._unknown.append({"type": "content_block_delta", "index": event["index"], "delta": rest})
        if name == "partial_json":
            self._input += value
        elif isinstance(before := block.get(name, ""), Growing):
            before.append(value)
        elif isinstance(before, str):
            block[name] = Growing([before, value])
        else:
            raise Malformed("answered a piece that does not belong to its block")
        self.started = True

    def _end_block(self, event: Wire) -> None:
        block = self._open
        self._require(block is not None and event.get("index") == len(self._blocks))
        if block is not None:
            whole = grown(block)
            if self._input and (begun := whole.get("input")):
                place = {"type": "content_block_start", "index": len(self._blocks)}
                self._unknown.append(place | {"content_block": {"input": begun}})
            self._blocks.append(whole | {"input": decoded(self._input)} if self._input else whole)
        self._open = None

    def _take_end(self, event: Wire) -> None:
        self._require(self._open is None and self._message is not None)
        delta, usage = _object(event, "delta"), event.get("usage")
        if self._message is None:
            return
        if isinstance(usage, dict):
            before = self._message.get("usage")
            told = {name: value for name, value in usage.items() if value is not None}
            self._message = self._message | {"usage": (before if isinstance(before, dict) else {}) | told}
        said = delta | {name: value for name, value in event.items() if name not in {"type", "delta", "usage"}}
        self._require("content" not in said)
        said = {name: value for name, value in said.items() if value is not None or name not in self._message}
        reason = self._message.get("stop_reason")
        if reason is not None and said.get("stop_reason", reason) != reason:
            raise Malformed("ended in two ways")
        before = {name: self._message[name] for name in said if self._message.get(name) is not None}
        if lost := {name: value for name, value in before.items() if said[name] != value}:
            self._unknown.append({"type": "message_start", "message": lost})
        self._message = self._message | said
        self._ending = self._ending or delta.get("stop_reason") is not None


def _object(event: Wire, name: str) -> Wire:
    value = event.get(name)
    if not isinstance(value, dict):
        raise Malformed("answered an event that is none")
    return value
