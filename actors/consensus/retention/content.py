"""The content of one decision: what was asked and what every voter said, with what opens the record's commitments to it.

Rules:
- Texts are as they were received. One that is no valid Unicode has no place in JSON: its bytes are kept instead.
- Content is believed as far as the record commits to it: the question by its salted commitment, every answer by its digest. What
  else is in it (the kind that was asked for, notes, versions) is the word of who kept it.
- The salt is of this decision alone: whoever gets one content can open no other decision's commitment.

Left out: where content is kept (``adapters``), and what follows from it (``regrouping``).
"""

from collections.abc import Iterable
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from actors.base.canonical import b64, canonical_json, decode, unb64
from actors.base.digests import commitment, equal, sha256_hex
from actors.base.errors import IntegrityError
from actors.consensus.reading.schema import schema_sha256
from actors.consensus.request import AskedKind
from actors.consensus.retention.versions import BEHAVIOUR_VERSION, READING_VERSION
from actors.consensus.vocabulary import Ballot, State
from actors.spans.record import BallotEntry, DecisionRecord
from models.voter import Message


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One turn of the conversation."""

    role: str
    content: str


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What came of one ballot, in the record's order."""

    voter: str
    finish_reason: str = ""
    """Why the answer ended; empty if none came."""
    content: str = ""
    octets: str = ""
    """Base64 of an answer that is no valid Unicode, lone surrogates as UTF-8 would write them; ``content`` is empty then."""
    note: str = ""
    """Why it does not count."""

    @property
    def came(self) -> bool:
        """Whether there was an answer."""
        return bool(self.finish_reason)

    @property
    def text(self) -> str:
        """Return the answer as it was received; raise ``IntegrityError`` if it cannot be read."""
        if not self.octets:
            return self.content
        try:
            return unb64(self.octets, "content").decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise IntegrityError(f"content: the answer of {self.voter} cannot be read", "content") from error


class Compared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How behaviour was compared."""

    ballots: list[int]
    """Places of the ballots whose code was run."""
    rounds: int
    complete: bool
    config: dict[str, int]
    """The bounds it was held to."""


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything of one decision that its record only commits to."""

    schema: Literal["weavergen.content/1"]
    decision_id: str
    prompt_salt: str
    """Hex."""
    messages: list[Turn]
    asked_kind: AskedKind
    """The kind of answer that the request asked for."""
    reading_version: str
    behaviour_version: str
    said: list[Said]
    compared: Compared | None
    """``None`` where nothing was run."""
    json_schema: str = ""
    """Text of the JSON Schema that answers were held to; empty without one."""
    earlier: list[list[Said]] | UnsetType = UNSET
    """What came of the ballots of each layer that was tried before; unset where none was."""

    @property
    def question(self) -> str:
        """Return the last user turn, which answers are read against."""
        return next((turn.content for turn in reversed(self.messages) if turn.role == "user"), "")


def prompt_bytes(messages: Iterable[Message | Turn]) -> bytes:
    """Return what the record's ``prompt_commitment`` commits to: JSON pairs of role and text."""
    return msgspec.json.encode([(message.role, message.content) for message in messages])


def content_of(
    state: State, decision_id: str, messages: Iterable[Message], asked_kind: AskedKind, prompt_salt: bytes
) -> Content:
    """Return the content of a concluded deliberation."""
    comparison = state.comparison
    ran = (
        None
        if comparison is None
        else Compared(sorted(state.compared), comparison.rounds, complete=comparison.complete, config={})
    )
    return Content(
        schema="weavergen.content/1",
        decision_id=decision_id,
        prompt_salt=prompt_salt.hex(),
        messages=[Turn(message.role, message.content) for message in messages],
        asked_kind=asked_kind,
        reading_version=READING_VERSION,
        behaviour_version=BEHAVIOUR_VERSION,
        said=[_said(ballot) for ballot in state.ballots],
        compared=ran,
        json_schema=state.plan.schema,
        earlier=[[_said(ballot) for ballot in layer.ballots] for layer in state.earlier] or UNSET,
    )


def held_to(content: Content, config: dict[str, int]) -> Content:
    """Return the content with the bounds that its comparison was held to."""
    if content.compared is None:
        return content
    return msgspec.structs.replace(content, compared=msgspec.structs.replace(content.compared, config=config))


def _said(ballot: Ballot) -> Said:
    if ballot.candidate is None:
        return Said(ballot.seat.voter, note=ballot.note)
    text, octets = ballot.candidate.content, ""
    try:
        text.encode()
    except UnicodeEncodeError:
        text, octets = "", b64(text.encode("utf-8", "surrogatepass"))
    return Said(ballot.seat.voter, ballot.candidate.finish_reason, text, octets, ballot.note)


def size_of(content: Content) -> int:
    """Return about how much memory a content takes, in characters."""
    asked = sum(len(turn.content) for turn in content.messages)
    said = [*content.said, *(said for layer in content.earlier or () for said in layer)]
    return asked + sum(len(one.content) + len(one.octets) for one in said)


def encode_content(content: Content) -> bytes:
    """Return the canonical bytes."""
    return canonical_json(content)


def read_content(data: bytes) -> Content:
    """Read exactly the canonical bytes; anything else raises ``IntegrityError``."""
    return decode(data, Content, "content")


def check_opens(content: Content, record: DecisionRecord) -> None:
    """Check that a content is what the record commits to; the ``IntegrityError`` names every commitment that it does not open."""
    if content.decision_id != record.id:
        raise IntegrityError(f"content: it is that of decision {content.decision_id}", "content")
    layers = [*zip(content.earlier or (), (entry.ballots for entry in record.earlier), strict=False)]
    layers.append((content.said, record.ballots))
    voters = [([said.voter for said in answers], [ballot.voter for ballot in ballots]) for answers, ballots in layers]
    if len(layers) != len(record.earlier) + 1 or any(said != asked for said, asked in voters):
        raise IntegrityError("content: its answers are not those of the record's ballots", "content")
    faults = [] if _question_opens(content, record) else ["the question (prompt_commitment)"]
    if not _schema_opens(content, record):
        faults.append("the schema (schema_sha256)")
    for answers, ballots in layers:
        for said, ballot in zip(answers, ballots, strict=True):
            faults += [] if _answer_opens(said, ballot) else [f"the answer of {said.voter} ({_named(ballot)})"]
    if faults:
        raise IntegrityError(f"content: not what the record commits to: {', '.join(faults)}", "content")


def _question_opens(content: Content, record: DecisionRecord) -> bool:
    try:
        salt = bytes.fromhex(content.prompt_salt)
    except ValueError:
        return False
    return equal(commitment(salt, prompt_bytes(content.messages)), record.prompt_commitment)


def _schema_opens(content: Content, record: DecisionRecord) -> bool:
    try:
        return equal(schema_sha256(content.json_schema), record.schema_sha256)
    except (ValueError, RecursionError):
        return False


def _answer_opens(said: Said, ballot: BallotEntry) -> bool:
    committed = ballot.candidate_sha256 or ballot.received_sha256
    if not said.came:
        return not committed and not said.content and not said.octets
    return bool(committed) and equal(sha256_hex(said.text.encode("utf-8", "surrogatepass")), committed)


def _named(ballot: BallotEntry) -> str:
    if ballot.candidate_sha256:
        return "candidate_sha256"
    return "received_sha256" if ballot.received_sha256 else "none came"
