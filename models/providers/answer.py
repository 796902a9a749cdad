"""What a provider answered, in nobody's protocol: a value that loses nothing. Pure.

Rules:
- Parts stand in their order; a part of a kind that no voter asks for (reasoning, searches) keeps its place as ``Other``.
- Token counts mean the same whatever the provider counts: ``input_tokens`` are all of the prompt, cached ones among them;
  ``output_tokens`` are all that was made, reasoning among them. ``None`` is what the provider did not say.
- What a protocol's mapping has no name for is in ``extra``, by JSON Pointer into the response: read, render and merge
  give the response back.
- Only a whole text that nothing else came with is a candidate. A tool call is none: nobody offers a voter tools. Nor is
  what another model said in the voter's place: it would count for a lineage that it is not of.

Left out: what tools and reasoning say. A panel decides on texts.
"""

from dataclasses import dataclass
from typing import Literal

from models.errors import VoterEmpty, VoterInvalid, VoterRefused
from models.providers.pointers import Extra
from models.voter import Candidate

Finish = Literal["stop", "length", "tool_calls", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer itself."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool: ``arguments`` as JSON text, exactly as it came where the protocol sends text."""

    id: str | None
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Other:
    """A part of another kind (``thinking``, ``server_tool_use`` …); what is in it is in ``extra``."""

    kind: str


Part = Text | ToolCall | Other
STOOD_IN = Other("fallback")
"""Where another model took over (Anthropic's block; no other protocol has a word for it)."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them; ``None`` where it did not."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    """Of the input: read from the provider's cache."""
    written_tokens: int | None = None
    """Of the input: written into the provider's cache."""
    reasoning_tokens: int | None = None
    """Of the output: made before the answer."""


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """One response of a provider."""

    id: str | None
    model: str | None
    parts: tuple[Part, ...]
    refusal: str | None
    """What the provider said instead of an answer, or why it blocked one."""
    native_finish: str | None
    finish: Finish | None
    usage: Usage | None
    extra: Extra = ()

    @property
    def text(self) -> str:
        """Return the pieces of the answer as one text."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Return the calls of tools."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


def candidate_of(answer: ProviderAnswer, voter: str, first_token_ms: int | None = None) -> Candidate:
    """Return the candidate that an answer is, or raise the ``VoterError`` that it is."""
    if STOOD_IN in answer.parts:
        raise VoterInvalid(voter, "another model answered in its place")
    if answer.refusal or answer.finish == "refused":
        raise VoterRefused(voter, "declined (content filter)" if answer.finish == "refused" else "declined")
    if answer.finish == "tool_calls" or answer.tool_calls:
        raise VoterInvalid(voter, "called a tool that nobody offered")
    if answer.finish not in {"stop", "length"}:
        raise VoterInvalid(voter, "answered without a known finish reason")
    text = answer.text
    if not text.strip():
        raise VoterEmpty(voter, "answered nothing")
    usage = answer.usage or Usage()
    return Candidate(
        content=text,
        finish_reason="stop" if answer.finish == "stop" else "length",
        prompt_tokens=usage.input_tokens or 0,
        completion_tokens=usage.output_tokens or 0,
        first_token_ms=first_token_ms,
    )
