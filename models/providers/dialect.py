"""The port of a provider's protocol, and what every protocol's mapping has in common. Pure."""

import copy
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import msgspec

from models.providers.answer import ProviderAnswer
from models.providers.failures import Complaint
from models.providers.faults import Malformed
from models.providers.pointers import difference, merge
from models.voter import Sampling, VoterRequest

T = TypeVar("T")
Wire = dict[str, Any]
"""A JSON object as it travels."""


class Accumulator(Protocol):
    """Puts a stream's events together to the response that would have come whole; refuses what is out of order."""

    @property
    def started(self) -> bool:
        """Tell whether any of the answer has come."""

    def add(self, event: Wire) -> None:
        """Take one event; raises ``Malformed`` or ``ErrorEvent``."""

    def finish(self) -> Wire:
        """Return the whole response; raises ``Cut`` if the stream never said that it is whole."""


class Dialect(Protocol):
    """One provider's words for what is asked and answered."""

    name: str
    unsupported: tuple[str, ...]
    """Fields of ``Sampling`` that the protocol has no word for: they are never sent."""
    max_tokens_required: bool
    """Whether the protocol wants a bound, so that none can be left to it."""
    end_marker: str
    """The data that ends a stream, empty if the last event itself says so."""
    named_events: bool
    """Whether an event without a name is none of the protocol's."""

    def path(self, model: str, *, stream: bool) -> str:
        """Return where to ask, below the base URL."""

    def headers(self, key: str | None) -> dict[str, str]:
        """Return what identifies the one who asks, and the protocol's version."""

    def body(self, model: str, request: VoterRequest, max_tokens: int | None, *, stream: bool) -> Wire:
        """Return what to ask."""

    def left_out(self, sampling: Sampling) -> tuple[str, ...]:
        """Return the fields set in ``sampling`` that will not be sent, each with the reason if it is not the field itself."""

    def read(self, wire: object) -> ProviderAnswer:
        """Return what a response says, ``extra`` left out; raises ``Malformed`` or ``ErrorEvent``."""

    def render(self, answer: ProviderAnswer) -> Wire:
        """Return the response that says this, ``extra`` left out."""

    def accumulator(self) -> Accumulator:
        """Return one for a new stream."""

    def complaint(self, status: int, body: bytes) -> Complaint:
        """Return what an error's body says."""


def answer_of(dialect: Dialect, wire: object) -> ProviderAnswer:
    """Return everything a response says; raises ``Malformed`` or ``ErrorEvent``."""
    answer = dialect.read(wire)
    return replace(answer, extra=difference(wire, dialect.render(answer)))


def wire_of(dialect: Dialect, answer: ProviderAnswer) -> object:
    """Return the response that an answer came from."""
    return merge(dialect.render(answer), answer.extra)


class Growing(list[str]):
    """A text whose pieces still come: joined once, because joining it anew with every piece takes longer and longer."""


def grown(fields: Wire) -> Wire:
    """Return the fields with every text whole."""
    return {name: _grown(value) for name, value in fields.items()}


def _grown(value: object) -> object:
    if isinstance(value, Growing):
        return "".join(value)
    return grown(value) if isinstance(value, dict) else value


def join(fields: Wire, key: str, said: object, *, texts: bool) -> Wire:
    """Add to a field what a later event says of it, and return what that took the place of.

    Objects are joined field by field, lists one after the other, texts if ``texts`` says that they come in pieces; of
    anything else the later one stands, unless it says nothing.
    """
    before = fields.get(key)
    if isinstance(before, dict) and isinstance(said, dict):
        lost: Wire = {}
        for name, value in said.items():
            lost |= join(before, name, value, texts=texts)
        return {key: lost} if lost else {}
    if texts and isinstance(said, str) and isinstance(before, Growing | str | None):
        if not isinstance(before, Growing):
            fields[key] = before = Growing([] if before is None else [before])
        before.append(said)
        return {}
    # A text that still grows is a list to Python and none to the protocol.
    if isinstance(before, list) and isinstance(said, list) and not isinstance(before, Growing):
        before += said
        return {}
    if said is None and key in fields:
        return {}
    fields[key] = copy.deepcopy(said)
    lost = grown({key: before})
    return lost if before is not None and lost[key] != said else {}


def parsed(wire: object, kind: type[T], what: str) -> T:
    """Return the fields that a mapping knows; raises ``Malformed`` where one is missing or of the wrong type."""
    try:
        return msgspec.convert(wire, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Malformed(f"answered something that is no {what}") from error


def decoded(text: str | bytes) -> object:
    """Return JSON as a value; raises ``Malformed``."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed("answered something that is no JSON") from error
