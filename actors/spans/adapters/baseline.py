"""The baseline's file, ``home/quarantine/baseline.json``: read at the start, replaced whole every so often.

Rules:
- It is there from the first start on, before the table has a row, though nothing was learned yet: a home that is young warms up,
  and nothing is wrong with it.
- A file that is damaged or unreadable, or not there though the table holds rows, is no baseline: the detector begins anew. That
  is a failed check, which the guard makes an incident of, and it is shown (``health``) until something can be judged by again.
- So is a file that cannot be written.
- What was learned since the last time it was written is lost with the process: at most ``rows`` rows of it.

Left out: what is in it (``checkers.baseline``).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from actors.base.errors import IntegrityError, StorageUnavailable
from actors.base.files import write_atomic
from actors.spans.checkers.baseline import Baseline, from_bytes, to_bytes
from actors.spans.checkers.finding import Arrivals, Finding
from actors.spans.checkers.statistical import NAME, StatisticalAnomalyDetector

MAX_BYTES = 64 * 1024 * 1024


class BaselineFile:
    """Keeps one baseline on disk."""

    def __init__(self, path: Path, rows: int) -> None:
        """``rows`` is how many learned rows it may be behind."""
        self.problem = ""
        """Why what was kept cannot be read, or why the baseline is not kept; empty while nothing is wrong."""
        self.is_missing = False
        """Whether there was no file to read."""
        self._path, self._rows = path, rows
        self._behind = 0

    def read(self) -> Baseline:
        """Return what was kept, or an empty baseline."""
        try:
            if self._path.stat().st_size > MAX_BYTES:
                raise IntegrityError("the baseline is larger than any", "baseline")
            return from_bytes(self._path.read_bytes())
        except FileNotFoundError:
            self.is_missing = True
        except (OSError, IntegrityError) as error:
            self.problem = f"{error}: it is learned anew"
        return Baseline()

    def is_due(self, rows: int) -> bool:
        """Count rows that were learned; tell whether the baseline is to be written."""
        self._behind += rows
        return self._behind >= self._rows

    def write(self, baseline: Baseline) -> None:
        """Replace the file; what keeps it from being kept is told in ``problem``, and rows go on."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, to_bytes(baseline))
        except OSError as error:
            self.problem = f"the baseline cannot be kept: {error.strerror}"
        else:
            self._behind, self.problem, self.is_missing = 0, "", False


class KeptStatistics:
    """The detector of a home, with its baseline on disk."""

    name = NAME

    def __init__(self, home: Path, rows: int) -> None:
        self._file = BaselineFile(home / "quarantine" / "baseline.json", rows)
        self._detector = StatisticalAnomalyDetector(self._file.read())
        self._lost = self._file.problem
        """Why nothing is known of rows that the table holds; empty if that is not so."""

    def begin(self, *, holds_rows: bool) -> None:
        """Begin beside a table; raise ``IntegrityError`` if what was learned of its rows is gone, else like ``learn``."""
        if self._file.is_missing and holds_rows:
            self._lost = "no baseline is kept, though the table holds rows: it is learned anew"
        if self._lost:
            raise IntegrityError(f"statistics see nothing of rows: {self._lost}", "baseline")
        if self._file.is_missing:
            self._write()

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
        """Take in accepted rows, and keep what was learned every so often; raise ``StorageUnavailable`` where that fails."""
        self._detector.learn(accepted)
        if self._detector.baseline.warm:
            self._lost = ""
        if self._file.is_due(sum(len(part.spans) for part in accepted.rows)):
            self._write()

    def health(self) -> dict[str, float | str]:
        """Return how much there is to judge by, which rows came without, and why nothing is known of older ones."""
        detector, why = self._detector, self._lost or self._file.problem
        return {
            "statistics_cells_warm": detector.baseline.warm,
            "statistics_cells_warming": detector.warming,
            "statistics_rows_unjudged": detector.unjudged_rows,
            "statistics_rows_refused": detector.baseline.refused,
            "statistics_failing": float(bool(why)),
            "statistics_why": why,
        }

    def _write(self) -> None:
        self._file.write(self._detector.baseline)
        if self._file.problem:
            raise StorageUnavailable(self._file.problem)
