"""``python -m cluster.evals.generate RUN``: record what a real voter answers to HumanEval. Stopped, it goes on where it was.

Not part of any test: it takes the verified weights and hours. ``weavergen eval humaneval`` scores what it leaves.
"""

import argparse
import sys
import time
from pathlib import Path

from cluster.evals.dataset import humaneval
from cluster.evals.local_engine import LocalEngine, prepare
from cluster.evals.recorder import RecordingFile, record
from cluster.evals.runs import RUNS
from models.catalog import load_catalog


def main(argv: list[str] | None = None) -> None:
    """Make or continue one recording, then pack it."""
    parser = argparse.ArgumentParser(prog="python -m cluster.evals.generate", description=__doc__)
    parser.add_argument("run", choices=RUNS)
    parser.add_argument("--cache", type=Path, required=True, help="folder where HumanEval is kept once it is fetched")
    parser.add_argument("--models", type=Path, required=True, help="folder of verified weights")
    parser.add_argument("--out", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--limit-s", type=float, default=4 * 3600.0, help="take up no task after so long; 0 packs what is there"
    )
    args = parser.parse_args(argv)

    run = RUNS[args.run]
    tasks = humaneval(args.cache, lambda *_: None)
    header, settings = prepare(run, load_catalog().entry(run.weights), args.models, args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    file = RecordingFile(args.out / f"{run.name}.jsonl", header)
    until = time.monotonic() + args.limit_s
    try:
        if len(file.done) < len(tasks) and args.limit_s > 0:
            engine = LocalEngine(settings, header.sampling)
            record(file, header, tasks, engine, lambda: time.monotonic() > until, _tell)
        file.pack()
    finally:
        file.close()


def _tell(done: int, total: int) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {done}/{total}\n")


if __name__ == "__main__":
    main()
