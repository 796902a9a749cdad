"""What a client asks of the panel, after the gateway has checked its form."""

from dataclasses import dataclass
from typing import Literal

from actors.policy.snapshot import PolicyName
from models.voter import Message, Sampling

AskedKind = Literal["auto", "code", "json", "value", "text"]


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf: the tenant, the key and the policies the key holds."""

    tenant: str
    key_id: str
    policies: frozenset[str]


@dataclass(frozen=True, slots=True)
class GenerationRequest:
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

    @property
    def question(self) -> str:
        """Return the last user turn, which the answer is read against."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")
