"""Server-sent events from bytes as they come (WHATWG HTML, section 9.2). Pure.

Rules: lines end with LF, CR LF or CR; several ``data`` lines make one event; comments and ``id`` and ``retry`` are passed
over. Stricter than the standard in two ways, because a client that forgives these would take a broken stream for a short
one: a line that is no field of the standard's is malformed, and so are bytes that are no UTF-8. What was begun and not
ended by an empty line is no event; ``pending`` says that there was such a thing.

Left out: a bound. Whoever reads the connection has one.
"""

from dataclasses import dataclass

from models.providers.faults import Malformed


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its name (empty if it has none) and its data."""

    name: str
    data: str


class EventDecoder:
    """Takes bytes, gives whole events."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._after_return = False
        self._name = ""
        self._data: list[str] = []
        self._first = True

    @property
    def pending(self) -> bool:
        """Tell whether something was begun that has not ended."""
        return bool(self._line or self._data or self._name)

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that these bytes complete; raises ``Malformed``."""
        events: list[Event] = []
        if self._after_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        if chunk:
            self._after_return = chunk.endswith(b"\r")
        *lines, rest = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._line += line
            whole, self._line = bytes(self._line), bytearray()
            event = self._take(whole)
            if event is not None:
                events.append(event)
        self._line += rest
        return events

    def _take(self, line: bytes) -> Event | None:
        if not line:
            event = Event(self._name, "\n".join(self._data)) if self._data else None
            self._name, self._data = "", []
            return event
        if self._first:
            line = line.removeprefix(b"\xef\xbb\xbf")
            self._first = False
        try:
            field, _, value = line.decode().partition(":")
        except UnicodeDecodeError as error:
            raise Malformed("answered a stream that is no text") from error
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        elif field not in {"", "id", "retry"}:
            raise Malformed("answered a stream that is none of events")
        return None
