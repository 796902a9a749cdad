"""What can go wrong between a voter and its provider, before anybody says what that means for a ballot."""

from collections.abc import Mapping


class Fault(Exception):
    """Root of what an upstream may raise; it cannot have cost anything if ``free``."""

    free = False


class Unreachable(Fault):
    """No connection could be opened, so nothing was asked."""

    free = True


class Unverified(Unreachable):
    """Who answered has no certificate that verifies, so nothing was asked."""


class Unaskable(Fault):
    """An SDK refused what it was told to ask, so nothing was asked."""

    free = True


class Broken(Fault):
    """The connection ended, or said something that is no response, before the response was whole."""


class Oversized(Fault):
    """The response has more bytes than are taken."""


class Malformed(Fault):
    """The response is not what the protocol says; the message says in which way and repeats nothing of it."""


class Cut(Fault):
    """A stream ended without the mark that it is whole."""


class ErrorEvent(Fault):
    """A response that began well turned out to be an error."""


class Rejected(Fault):
    """The provider answered with a status that is no success; providers charge nothing for these.

    What it said is no argument: a traceback must not repeat it.
    """

    free = True

    def __init__(self, status: int, headers: Mapping[bytes, bytes], body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.body = body
