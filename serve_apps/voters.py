"""Local voters as a gateway replica sees them: an engine behind a Serve handle.

Rules:
- Whatever goes wrong on the way becomes a ``VoterError``; cancelling ``ask`` cancels the call, which aborts the work in
  the engine (dropping a handle's response would not).
- A full queue is no failure of the engine: it says when to come back. A prompt that cannot fit is not sent.
- An ask has a bound of its own besides the request's deadline, so that a lost replica never holds a slot for ever.
"""

import asyncio
from collections.abc import Generator
from typing import Any, Protocol

from models.context import require_room
from models.errors import VoterError, VoterFailed, VoterFull, VoterTimeout
from models.voter import Candidate, VoterInfo, VoterRequest

BUSY_RETRY_AFTER_S = 1.0


class EngineResponse(Protocol):
    """A call under way."""

    def __await__(self) -> Generator[Any, None, Candidate]:
        """Wait for the candidate."""

    def cancel(self) -> None:
        """Abort the call where it runs."""


class EngineMethod(Protocol):
    """The engine's door."""

    def remote(self, request: VoterRequest) -> EngineResponse:
        """Start a call."""


class EngineHandle(Protocol):
    """The part of a Serve deployment handle that is used."""

    @property
    def ask(self) -> EngineMethod:
        """``VoterServer.ask``."""


class HandleVoter:
    """A voter whose engine is a Serve deployment; ``full`` is what its handle raises when it cannot even queue a call."""

    def __init__(self, info: VoterInfo, handle: EngineHandle, timeout_s: float, full: type[Exception]) -> None:
        self._info = info
        self._handle = handle
        self._timeout_s = timeout_s
        self._full = full

    @property
    def info(self) -> VoterInfo:
        """Who this is."""
        return self._info

    async def ask(self, request: VoterRequest) -> Candidate:
        """Ask the engine; raise ``VoterError`` for anything but a complete candidate."""
        require_room(self._info, request.messages)
        response = self._handle.ask.remote(request)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await response
        except asyncio.CancelledError:
            response.cancel()
            raise
        except TimeoutError as error:
            response.cancel()
            raise VoterTimeout(self._info.id, f"the engine did not answer in {self._timeout_s:g} s") from error
        except VoterError as error:
            # A fresh one: what crossed the process boundary carries Ray's wrapping and the remote traceback.
            raise _plain(error)(self._info.id, error.message, error.retry_after_s) from None
        except self._full:
            raise VoterFull(self._info.id, "its queue is full", BUSY_RETRY_AFTER_S) from None
        except Exception as error:  # a Serve handle raises whatever the replica, the router or Ray did
            raise VoterFailed(self._info.id, f"the engine could not be asked ({type(error).__name__})") from error


def _plain(error: VoterError) -> type[VoterError]:
    """Return our own class of an error that Ray may have wrapped into a subclass of its own."""
    return next(kind for kind in type(error).__mro__ if kind.__module__ == VoterError.__module__)
