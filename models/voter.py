"""The voter port: a prompt goes in, one candidate comes out. Cancelling the task that awaits ``ask`` cancels the work."""

from dataclasses import dataclass, field
from typing import Annotated, Literal, Protocol

from msgspec import Meta, Struct

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length"]
TokenCount = Annotated[int, Meta(ge=0, le=2**31 - 1)]
"""A plausible number of tokens as a server reports it: summed over a panel it still fits every client's integer."""


class Message(Struct, frozen=True):
    """One turn of the conversation."""

    role: Role
    content: str


class Sampling(Struct, frozen=True):
    """How to sample; ``None`` leaves a value to the voter. Names and ranges as in OpenAI's chat completions API."""

    max_tokens: int
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


class VoterRequest(Struct, frozen=True):
    """What every voter of a panel is asked."""

    request_id: str
    messages: tuple[Message, ...]
    sampling: Sampling
    sample: int = 0
    """Number of the sample when one voter is asked several times; shifts the seed."""

    @property
    def last_user_message(self) -> str:
        """Return the content of the last user turn (empty if there is none)."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")


class Candidate(Struct, frozen=True):
    """One complete answer. A broken-off answer is never a candidate but a ``VoterError``."""

    content: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    first_token_ms: int | None = None


@dataclass(frozen=True, slots=True)
class VoterInfo:
    """Who a voter is: voters of one lineage (same weights or base model) are one independent opinion."""

    id: str
    family: str
    lineage: str
    context_tokens: int = 8192
    tags: tuple[str, ...] = field(default=())


class Voter(Protocol):
    """A language model behind one door."""

    @property
    def info(self) -> VoterInfo:
        """Who this is."""

    async def ask(self, request: VoterRequest) -> Candidate:
        """Return one complete candidate or raise ``VoterError``."""
