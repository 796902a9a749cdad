"""What became of an answer after it left, as its client tells it: one span a word. Pure.

Rules:
- A word is a row of its own, in a trace of its own: the decision's trace ended when the answer left. Both carry the
  decision's id.
- A note is content. It is committed to like a prompt, under a salt of its tenant's own, and is not kept.

Left out: who may speak of which decision, and making the row durable (the gateway).
"""

from typing import Literal

import msgspec

from actors.spans import conventions as names
from actors.spans.span import Span, moment

FeedbackOutcome = Literal["accepted", "failed_tests", "reverted", "security_issue"]


class Feedback(msgspec.Struct, frozen=True):
    """One word on one decision."""

    id: str
    decision_id: str
    tenant: str
    """The tenant's pseudonym, as in the decision's record."""
    outcome: FeedbackOutcome
    note_commitment: str
    """Empty if nothing was noted."""


def feedback_span(feedback: Feedback, trace_id: bytes, span_id: bytes, now_ns: int) -> Span:
    """Build the row. ``outcome`` is what became of the answer; ``status`` says that the word was taken."""
    attributes = {names.FEEDBACK_ID: feedback.id}
    if feedback.note_commitment:
        attributes[names.FEEDBACK_NOTE] = feedback.note_commitment
    row = moment(trace_id, span_id, names.FEEDBACK, "server", now_ns, attributes)
    return msgspec.structs.replace(
        row, decision_id=feedback.decision_id, tenant=feedback.tenant, outcome=feedback.outcome
    )
