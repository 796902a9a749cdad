"""The hop through a Serve handle."""

import asyncio

from cluster.bench.hop import Asking, AtOnce
from models.voter import Candidate, VoterRequest


class Method:
    """A method behind a handle that answers from this process."""

    def __init__(self, voter: AtOnce, name: str) -> None:
        self._call = getattr(voter, name)

    def remote(self, *arguments: VoterRequest) -> "asyncio.Task[Candidate]":
        """Start a call."""
        return asyncio.get_running_loop().create_task(self._call(*arguments))


class Handle:
    """A handle of a voter that is here."""

    def __init__(self) -> None:
        voter = AtOnce()
        self.ask, self.taken = Method(voter, "ask"), Method(voter, "taken")


def test_the_same_voter_is_asked_with_and_without_a_handle() -> None:
    """One and sixteen at once; only behind the handle somebody else's time is counted."""
    found = asyncio.run(Asking(Handle(), OSError).measure(0.02))
    assert [(hop["where"], hop["width"]) for hop in found] == [
        ("in process", 1), ("in process", 16), ("handle", 1), ("handle", 16),
    ]  # fmt: skip
    assert all(hop["calls_per_s"] > 0 and hop["caller_us"] > 0 and hop["callee_mib"] > 0 for hop in found)
    assert [hop["callee_us"] > 0 for hop in found] == [False, False, True, True]
