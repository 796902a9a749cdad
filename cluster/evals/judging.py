"""Verdicts over recorded answers: run each different source once, in the sandbox, and keep what was learned.

Rules: verdicts are appended and forced to disk before the next batch is run, so that a run that is stopped goes on where it was;
an unproven sandbox ends the matter with an error and leaves no verdict.
"""

import gzip
import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from actors.base.errors import ConfigurationError, NotReady
from actors.consensus.sandbox.ports import Sandbox
from actors.consensus.sandbox.protocol import Job
from cluster.evals.scoring import Verdict, source_sha256, verdict_of

BATCH = 16
"""Sources given to the sandbox at once."""


class VerdictFile:
    """Verdicts on disk, one JSON line each; grows.

    Who opens it holds its folder (``locking``): two processes would write over each other's lines.
    """

    def __init__(self, path: Path) -> None:
        """Open ``path`` or begin it; a torn last line is cut off. Raises ``ConfigurationError`` where it is damaged otherwise."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        self.known = read_verdicts(whole, str(path))
        self._file = path.open("r+b")
        self._file.truncate(len(whole))
        self._file.seek(len(whole))

    def append(self, verdicts: Sequence[Verdict]) -> None:
        """Keep verdicts durably."""
        self._file.write(verdict_lines(verdicts))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.known |= {verdict.source_sha256: verdict for verdict in verdicts}

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def read_verdicts(data: bytes, where: str) -> dict[str, Verdict]:
    """Read lines of verdicts, gzipped or not, by digest of their source; raises ``ConfigurationError``."""
    try:
        lines = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).splitlines()
        found = [msgspec.json.decode(line, type=Verdict) for line in lines]
    except (msgspec.MsgspecError, OSError, EOFError, zlib.error) as error:
        raise ConfigurationError(f"{where}: holds no verdicts: {error}; delete it") from error
    return {verdict.source_sha256: verdict for verdict in found}


def verdict_lines(verdicts: Iterable[Verdict]) -> bytes:
    """Return the lines that stand for verdicts."""
    return b"".join(msgspec.json.encode(verdict) + b"\n" for verdict in verdicts)


async def judge(
    jobs: Iterable[Job], known: Mapping[str, Verdict], sandbox: Sandbox,
    keep: Callable[[Sequence[Verdict]], None], told: Callable[[int, int], None],
) -> None:  # fmt: skip
    """Run every job without a verdict; ``keep`` takes the verdicts of a batch, ``told`` hears how many of how many are done.

    Raises ``NotReady`` where the sandbox runs nothing.
    """
    missing = list({source_sha256(job): job for job in jobs if source_sha256(job) not in known}.values())
    for first in range(0, len(missing), BATCH):
        batch = missing[first : first + BATCH]
        ran = await sandbox.run(batch)
        verdicts = [verdict_of(job, outcome) for job, outcome in zip(batch, ran, strict=True)]
        if None in verdicts:
            raise NotReady(f"the sandbox runs nothing, so nothing is scored: {sandbox.state() or 'it is overloaded'}")
        keep([verdict for verdict in verdicts if verdict is not None])
        told(first + len(batch), len(missing))
