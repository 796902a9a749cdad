"""What a client asks of the panel, after the gateway has checked its form."""

from typing import Literal

import msgspec

from actors.policy.snapshot import PolicyName
from models.voter import Message, Sampling

AskedKind = Literal["auto", "code", "json", "value", "text"]
HELD_TO = "Answer with JSON that satisfies this JSON Schema, and with nothing besides: no fence, no words around it."
"""What voters are told before the schema of a request that gives one."""


class Caller(msgspec.Struct, frozen=True):
    """On whose behalf: the tenant, the key and the policies the key holds."""

    tenant: str
    key_id: str
    policies: frozenset[str]


class GenerationRequest(msgspec.Struct, frozen=True):
    """One request for an answer."""

    model: str
    """``consensus``, or a voter's id (policy ``direct``)."""
    messages: tuple[Message, ...]
    sampling: Sampling
    deadline_ms: int
    answer_kind: AskedKind = "auto"
    policy: PolicyName | None = None
    """``None`` takes the strictest policy the key holds."""
    trace_id: bytes = b""
    """W3C trace id of the caller, empty if it sent none."""
    parent_span_id: bytes = b""
    explain: bool = False
    """Hear every voter out and show what each said."""
    end_user: str = ""
    """The caller's own name for its user; recorded only as a salted commitment."""
    schema: str = ""
    """Text of the JSON Schema that the answer must satisfy, as ``reading.schema`` takes it; empty without one."""

    @property
    def question(self) -> str:
        """Return the last user turn, which the answer is read against."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def asked(self) -> tuple[Message, ...]:
        """Return what voters are asked: the conversation, with the schema in its system turn if the request gives one."""
        if not self.schema:
            return self.messages
        told = f"{HELD_TO}\n{self.schema}"
        if self.messages and self.messages[0].role == "system":
            return (Message("system", f"{self.messages[0].content}\n\n{told}"), *self.messages[1:])
        return (Message("system", told), *self.messages)
