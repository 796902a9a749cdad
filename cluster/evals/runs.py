"""Which recordings there are: each voter of the ``cpu`` profile, and how its answers are drawn. Pure.

The strongest voter is sampled, and answers greedily one task at a time so that its greedy answers can be made again; of the
others one greedy answer a task says what they are worth. One at a time bfloat16 is the faster format on every processor, and
every processor computes in it, so these are made in it everywhere.
"""

import msgspec

from cluster.evals.recording import Sampling
from models.processor import CpuDtype

MAX_TOKENS = 448
"""Longer than any answer that holds a function of the suite and no endless loop."""
SEED = 20_210_707
BATCH = 64
"""Answers computed at once: on two cores the pace stops rising at about this many."""


class Run(msgspec.Struct, frozen=True):
    """One recording to be made."""

    name: str
    """Also the file's name."""
    voter: str
    weights: str
    """Id in the catalogue of models."""
    samples: int
    temperature: float
    concurrency: int
    dtype: CpuDtype | None = None
    """Number format; ``None`` for the one in which this processor serves."""

    def sampling(self, stop: tuple[str, ...]) -> Sampling:
        """Return how answers are drawn from a model that needs these stop strings."""
        return Sampling(
            samples=self.samples, temperature=self.temperature, top_p=1.0, max_tokens=MAX_TOKENS, stop=stop, seed=SEED,
            concurrency=self.concurrency,
        )  # fmt: skip


_CODER = ("qwen2.5-coder-0.5b", "qwen2.5-coder-0.5b-instruct")
RUNS = {
    run.name: run
    for run in (
        Run("coder-samples", *_CODER, samples=5, temperature=0.8, concurrency=BATCH),
        Run("smollm2-greedy", "smollm2-135m", "smollm2-135m-instruct", samples=1, temperature=0.0, concurrency=BATCH),
        Run("gemma-greedy", "gemma-3-270m", "gemma-3-270m", samples=1, temperature=0.0, concurrency=BATCH),
        Run("coder-greedy", *_CODER, samples=1, temperature=0.0, concurrency=1, dtype="bfloat16"),
    )
}
"""In the order in which they are worth making."""
