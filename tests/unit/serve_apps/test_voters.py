"""A voter behind a Serve handle, with the handle replaced by a function."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest

from models.errors import VoterBusy, VoterError, VoterFailed, VoterRefused, VoterTimeout, VoterTooLong
from models.voter import Candidate, Message, Sampling, VoterInfo, VoterRequest
from serve_apps.voters import HandleVoter

INFO = VoterInfo("v", "f", "l")
REQUEST = VoterRequest("r", (Message("user", "hello"),), Sampling(max_tokens=8))
CANDIDATE = Candidate("yes", "stop", 1, 1)

Work = Callable[[VoterRequest], Awaitable[Candidate]]


class QueueFull(Exception):
    """What a handle raises when it cannot even queue a call."""


class FakeHandle:
    """What a Serve handle does: start a call, and abort it on ``cancel`` only."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.cancelled = 0
        self.asked: list[VoterRequest] = []

    @property
    def ask(self) -> "FakeHandle":
        """Return the method."""
        return self

    def remote(self, request: VoterRequest) -> "FakeHandle":
        """Start the call."""
        self.asked.append(request)
        return self

    def __await__(self) -> Generator[Any, None, Candidate]:
        return self._work(self.asked[-1]).__await__()

    def cancel(self) -> None:
        """Count aborts."""
        self.cancelled += 1


async def hang(_request: VoterRequest) -> Candidate:
    """Never answer."""
    await asyncio.Event().wait()
    return CANDIDATE


def raising(error: Exception) -> Work:
    """Return a call that fails."""

    async def work(_request: VoterRequest) -> Candidate:
        raise error

    return work


async def test_the_engine_s_candidate_is_returned() -> None:
    """The request reaches the engine unchanged and its candidate comes back; nothing is aborted."""

    async def work(_request: VoterRequest) -> Candidate:
        return CANDIDATE

    handle = FakeHandle(work)
    assert await HandleVoter(INFO, handle, 5, QueueFull).ask(REQUEST) is CANDIDATE
    assert (handle.asked, handle.cancelled) == ([REQUEST], 0)


async def test_cancelling_the_ask_aborts_the_engine() -> None:
    """A cancelled ask must not leave the engine generating."""
    handle = FakeHandle(hang)
    task = asyncio.create_task(HandleVoter(INFO, handle, 5, QueueFull).ask(REQUEST))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert handle.cancelled == 1


async def test_a_hanging_engine_times_out_and_is_aborted() -> None:
    """The ask has a bound of its own, and the engine is told to stop."""
    handle = FakeHandle(hang)
    with pytest.raises(VoterTimeout, match="v: the engine did not answer"):
        await HandleVoter(INFO, handle, 0.01, QueueFull).ask(REQUEST)
    assert handle.cancelled == 1


async def test_a_voter_s_error_keeps_its_kind_under_our_name() -> None:
    """What Ray wraps around an error on its way is taken off; kind, message and retry-after stay."""
    wrapped = type("RayTaskError(VoterRefused)", (RuntimeError, VoterRefused), {"__module__": "ray.exceptions"})
    error = wrapped.__new__(wrapped)
    VoterError.__init__(error, "engine", "declined", 3.0)
    with pytest.raises(VoterRefused) as caught:
        await HandleVoter(INFO, FakeHandle(raising(error)), 5, QueueFull).ask(REQUEST)
    assert type(caught.value) is VoterRefused
    assert (caught.value.voter, caught.value.message, caught.value.retry_after_s) == ("v", "declined", 3.0)


async def test_whatever_the_handle_raises_costs_the_ballot_only() -> None:
    """A dead replica or a lost router is a failed voter, and its text is not repeated."""
    with pytest.raises(VoterFailed) as caught:
        await HandleVoter(INFO, FakeHandle(raising(RuntimeError("secret prompt"))), 5, QueueFull).ask(REQUEST)
    assert "RuntimeError" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_a_full_queue_says_when_to_come_back() -> None:
    """The engine is well and takes no more: neither its failure nor the caller's last word."""
    with pytest.raises(VoterBusy, match="v: its queue is full") as caught:
        await HandleVoter(INFO, FakeHandle(raising(QueueFull())), 5, QueueFull).ask(REQUEST)
    assert (caught.value.outcome, caught.value.cause, caught.value.retry_after_s) == ("failed", "busy", 1.0)


async def test_a_prompt_that_cannot_fit_does_not_reach_the_engine() -> None:
    """What certainly leaves no room for an answer is refused here."""
    handle = FakeHandle(hang)
    request = VoterRequest("r", (Message("user", "a " * INFO.context_tokens),), Sampling(max_tokens=8))
    with pytest.raises(VoterTooLong):
        await HandleVoter(INFO, handle, 5, QueueFull).ask(request)
    assert handle.asked == []
