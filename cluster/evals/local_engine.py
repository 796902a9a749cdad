"""A real voter in this process: vLLM with the engine settings that the voter is served with.

Rules: weights are verified against their manifest before they are loaded; the settings are ``models.engine``'s, but for the
number of answers computed at once and the memory those need.
"""

import os
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from actors.base.errors import ConfigurationError
from cluster.evals.recorder import Made, Wanted
from cluster.evals.recording import Header, Sample, Sampling
from cluster.evals.runs import Run
from cluster.evals.tasks import DATASET_SHA256, PROMPT_VERSION, SUITE
from models.catalog import CatalogEntry
from models.engine import EngineSettings, engine_settings
from models.manifest import damage, read_manifest, tree_sha256
from models.processor import this_processors_dtype
from models.voter import FinishReason

KV_CACHE_BYTES = 1 << 30
_PACKAGES = ("torch", "transformers", "vllm")


def prepare(run: Run, entry: CatalogEntry, models_dir: Path, threads: int) -> tuple[Header, EngineSettings]:
    """Verify a run's weights; return the header of its recording and how its engine starts.

    Raises ``ConfigurationError`` where the weights are not whole.
    """
    directory = models_dir / entry.id
    manifest = read_manifest(directory)
    complaint = "there is no readable manifest" if manifest is None else damage(directory, manifest)
    if manifest is None or complaint is not None:
        raise ConfigurationError(f"{directory}: {complaint}; `make up` prepares the weights")
    dtype = run.dtype or this_processors_dtype()
    header = Header(
        suite=SUITE, dataset_sha256=DATASET_SHA256, prompt_version=PROMPT_VERSION, voter=run.voter, family=entry.family,
        lineage=entry.lineage, weights=entry.id, weights_sha256=manifest.source_sha256,
        prepared_sha256=tree_sha256(manifest.files), dtype=dtype, engine=_versions(), sampling=run.sampling(entry.stop),
    )  # fmt: skip
    return header, engine_settings(entry, directory, "cpu", threads=threads, cpu_dtype=dtype)


class LocalEngine:
    """Computes answers with one loaded model."""

    def __init__(self, settings: EngineSettings, sampling: Sampling) -> None:
        # Read by the libraries as they are imported, so before vLLM is.
        os.environ.update({**settings.env, "VLLM_ENABLE_V1_MULTIPROCESSING": "0"})
        from vllm import LLM

        room = {"max_num_seqs": sampling.concurrency, "kv_cache_memory_bytes": KV_CACHE_BYTES}
        self._llm = LLM(model=settings.model_path, **{**settings.engine_kwargs, **room})
        self._tokenizer = self._llm.get_tokenizer()
        self._sampling = sampling

    def answers(self, wanted: Iterable[Wanted]) -> Iterator[Made]:
        """Yield each answer when it is finished, ``concurrency`` of them under way."""
        engine, source = self._llm.llm_engine, iter(wanted)
        under_way: dict[str, Wanted] = {}
        while True:
            while len(under_way) < self._sampling.concurrency and (one := next(source, None)) is not None:
                name = f"{one.task_id}#{one.number}"
                under_way[name] = one
                engine.add_request(name, {"prompt_token_ids": self._prompt(one.question)}, self._parameters(one))
            if not under_way:
                return
            for output in engine.step():
                if output.finished:
                    yield self._made(under_way.pop(output.request_id), output)

    def _prompt(self, question: str) -> list[int]:
        ids: list[int] = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=True, return_dict=False
        )
        return ids

    def _parameters(self, wanted: Wanted) -> Any:  # noqa: ANN401 - vLLM ships no types
        from vllm import SamplingParams

        given = self._sampling
        return SamplingParams(
            temperature=given.temperature, top_p=given.top_p, max_tokens=given.max_tokens, stop=list(given.stop),
            seed=wanted.seed,
        )  # fmt: skip

    def _made(self, wanted: Wanted, output: Any) -> Made:  # noqa: ANN401 - vLLM ships no types
        answer = output.outputs[0]
        reason: FinishReason = "length" if answer.finish_reason == "length" else "stop"
        kept = tuple(answer.token_ids) if self._sampling.concurrency == 1 else ()
        return Made(wanted, Sample(answer.text, reason, len(answer.token_ids), kept), len(output.prompt_token_ids))


def _versions() -> dict[str, str]:
    builds = packages_distributions()  # the CPU build of vLLM goes by another name
    return {build: version(build) for name in _PACKAGES for build in builds[name]}
