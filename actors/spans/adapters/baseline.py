"""The baseline's file, ``home/quarantine/baseline.json``: read at the start, replaced whole every so often.

Rules:
- A file that is not there, damaged or unreadable is no baseline: the detector begins anew, is blind until it has learned, and
  says why.
- What was learned since the last time it was written is lost with the process: at most ``rows`` rows of it.

Left out: what is in it (``checkers.baseline``).
"""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from actors.base.errors import IntegrityError
from actors.base.files import write_atomic
from actors.spans.checkers.baseline import Baseline, from_bytes, to_bytes
from actors.spans.checkers.finding import Arrivals, Finding
from actors.spans.checkers.statistical import NAME, StatisticalAnomalyDetector

_log = logging.getLogger("weavergen.spans")
MAX_BYTES = 64 * 1024 * 1024


class BaselineFile:
    """Keeps one baseline on disk."""

    def __init__(self, path: Path, rows: int) -> None:
        """``rows`` is how many learned rows it may be behind."""
        self.problem = ""
        """Why there is no baseline from before, or why it is not kept; empty while nothing is wrong."""
        self._path, self._rows = path, rows
        self._behind = 0

    def read(self) -> Baseline:
        """Return what was kept, or an empty baseline."""
        try:
            if self._path.stat().st_size > MAX_BYTES:
                raise IntegrityError("the baseline is larger than any", "baseline")
            return from_bytes(self._path.read_bytes())
        except FileNotFoundError:
            self.problem = "no baseline is kept yet: it is learned anew"
        except (OSError, IntegrityError) as error:
            self.problem = f"{error}: it is learned anew"
        return Baseline()

    def learned(self, baseline: Baseline, rows: int) -> None:
        """Count rows that were learned; write the baseline if it is due."""
        self._behind += rows
        if self._behind >= self._rows:
            self.write(baseline)

    def write(self, baseline: Baseline) -> None:
        """Replace the file; what keeps it from being kept is told in ``problem``, and rows go on."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, to_bytes(baseline))
        except OSError as error:
            self.problem = f"the baseline cannot be kept: {error.strerror}"
        else:
            self._behind, self.problem = 0, ""


class KeptStatistics:
    """The detector of a home, with its baseline on disk."""

    name = NAME

    def __init__(self, home: Path, rows: int) -> None:
        self._file = BaselineFile(home / "quarantine" / "baseline.json", rows)
        self._detector = StatisticalAnomalyDetector(self._file.read())
        if self._file.problem:
            _log.warning("statistics see nothing of rows yet: %s", self._file.problem)

    def check(self, arrivals: Arrivals) -> list[Finding]:
        """Return rows that are unlike those before."""
        return self._detector.check(arrivals)

    def set_aside(self, findings: Iterable[Finding]) -> None:
        """Give way to what was set aside for long."""
        self._detector.set_aside(findings)

    def recall(self, earlier: Arrivals, reached: Mapping[str, int]) -> None:
        """Know the newest rows again, which the baseline that was kept does not hold."""
        self._detector.recall(earlier, reached)

    def learn(self, accepted: Arrivals) -> None:
        """Take in accepted rows, and keep what was learned every so often."""
        before = self._file.problem
        self._detector.learn(accepted)
        self._file.learned(self._detector.baseline, sum(len(part.spans) for part in accepted.rows))
        if self._file.problem and self._file.problem != before:
            _log.warning("%s", self._file.problem)
