"""What other services' spans say of questions and answers: put away like our own, unless its tenant's content is kept. Pure.

Rules:
- Content is what OpenTelemetry's conventions for generative AI name so, on a span or in one of its events, their earlier names
  among them, and whatever else the configuration names. Names are compared in whatever case.
- In its place stands a commitment to the value, by a salt of the span's own that follows from its tenant's: whoever has the value
  and the salt can show that it was this one, nobody else can guess it, and once the tenant is erased nothing opens it.
- Of such an attribute the name stays. Everything else of a span comes out as it came in.

Left out: content under a name of the sender's own that nobody told of, and in names, links, scopes and resources.

Source: OpenTelemetry semantic conventions, "Generative AI" (spans, events; attributes that are opt-in for their content).
"""

from collections.abc import Callable, Collection, Iterable
from typing import Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message

PREFIX: Final = "hmac-sha256:"
CONTENT: Final = frozenset({
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions",
    "gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "gen_ai.retrieval.query.text", "gen_ai.retrieval.documents",
    "gen_ai.evaluation.explanation", "gen_ai.prompt", "gen_ai.completion", "gen_ai.event.content",
})  # fmt: skip
EARLIER: Final = ("gen_ai.prompt.", "gen_ai.completion.")
"""How numbered messages were called: ``gen_ai.prompt.0.content``."""
EVENTS: Final = "gen_ai."
IN_EVENTS: Final = frozenset({"content", "message", "tool_calls", "arguments", "body"})
"""Of an event of the conventions, such as ``gen_ai.user.message``."""

Commit = Callable[[bytes, bytes, bytes], str]
"""Takes trace id, span id and a value's bytes; returns a commitment in hex."""


def put_away(
    span: Message, commit: Commit, more: Collection[str] = (), step: Callable[[], None] = lambda: None
) -> Message:
    """Return a span with commitments where content stood, or the very same if there is none.

    ``more`` are names in lower case; ``step`` is called at each attribute that is looked at.
    """
    if not any(True for _ in _content(span, more, step)):
        return span
    kept = Message()
    kept.CopyFrom(span)
    for item in _content(kept, more, step):
        value = item.value.SerializeToString(deterministic=True)
        said = PREFIX + commit(span.trace_id, span.span_id, value)
        item.value.CopyFrom(AnyValue(string_value=said))
    return kept


def is_content(key: str, more: Collection[str] = (), event: str = "") -> bool:
    """Tell whether an attribute of that name, of a span or of an event, holds content."""
    folded = key.strip().casefold()
    if folded in CONTENT or folded.startswith(EARLIER) or folded in more:
        return True
    return event.strip().casefold().startswith(EVENTS) and folded in IN_EVENTS


def _content(span: Message, more: Collection[str], step: Callable[[], None]) -> Iterable[KeyValue]:
    for attributes, event in ((span.attributes, ""), *((event.attributes, event.name) for event in span.events)):
        for item in attributes:
            step()
            if is_content(item.key, more, event):
                yield item
