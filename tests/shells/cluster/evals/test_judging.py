"""Judging against real files; the sandbox is a function."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import pytest

from actors.base.errors import ConfigurationError, NotReady
from actors.consensus.sandbox.protocol import Job, Observed, Ran
from cluster.evals import judging
from cluster.evals.judging import VerdictFile, judge, read_verdicts, verdict_lines
from cluster.evals.scoring import Verdict, source_sha256

JOBS = [Job(f"code {number}", ("check(f)",)) for number in range(5)]


class FakeSandbox:
    """Passes code with an even number; stops working after so many batches."""

    def __init__(self, batches: int = 100) -> None:
        self.ran: list[Job] = []
        self._left = batches

    async def run(self, jobs: Sequence[Job]) -> list[Ran]:
        """Say what came of each job."""
        self._left -= 1
        if self._left < 0:
            return [Ran("unavailable") for _ in jobs]
        self.ran += jobs
        return [Ran("ran", (Observed("value" if int(job.code.split()[1]) % 2 == 0 else "exception"),)) for job in jobs]

    def state(self) -> str:
        """Say why nothing runs."""
        return "" if self._left >= 0 else "its proof is stale"


def silent(done: int, total: int) -> None:
    """Tell nobody."""


async def test_each_different_source_is_run_once(tmp_path: Path) -> None:
    """Equal sources share a run and a verdict, and known ones are not run again."""
    sandbox, file = FakeSandbox(), VerdictFile(tmp_path / "v.jsonl")
    await judge([*JOBS, *JOBS], file.known, sandbox, file.append, silent)
    await judge(JOBS, file.known, sandbox, file.append, silent)
    file.close()
    assert sandbox.ran == JOBS
    assert [file.known[source_sha256(job)].passed for job in JOBS] == [True, False, True, False, True]


async def test_judging_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox that loses its proof ends the matter; what was judged before is kept on disk."""
    monkeypatch.setattr(judging, "BATCH", 2)
    path = tmp_path / "deep" / "v.jsonl"
    file = VerdictFile(path)
    with pytest.raises(NotReady, match="proof is stale"):
        await judge(JOBS, file.known, FakeSandbox(batches=1), file.append, silent)
    file.close()
    path.write_bytes(path.read_bytes() + b'{"source_')  # torn by a crash
    again, sandbox, told = VerdictFile(path), FakeSandbox(), list[tuple[int, int]]()
    await judge(JOBS, again.known, sandbox, again.append, lambda *step: told.append(step))
    again.close()
    assert sandbox.ran == JOBS[2:]
    assert told == [(2, 3), (3, 3)]
    assert len(VerdictFile(path).known) == 5


def test_verdicts_are_read_gzipped_or_not() -> None:
    """Both forms hold the same."""
    lines = verdict_lines([Verdict("a", True, "value"), Verdict("b", False, "timeout")])
    assert read_verdicts(lines, "v") == read_verdicts(gzip.compress(lines), "v")
    assert read_verdicts(lines, "v")["b"].end == "timeout"


@pytest.mark.parametrize("data", [b"nonsense\n", b"\x1f\x8bnonsense", gzip.compress(b"{}\n" * 9)[:-4]])
def test_a_damaged_file_of_verdicts_is_refused(data: bytes) -> None:
    """What cannot be read is named and not guessed at."""
    with pytest.raises(ConfigurationError, match="v: holds no verdicts"):
        read_verdicts(data, "v")
