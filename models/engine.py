"""Arguments and environment of one vLLM engine, from a catalogue entry and the device it runs on.

Rules: code from a model directory is never run; weights are read as safetensors only; nothing is sent anywhere (offline, no
usage statistics, loopback for the engine's own sockets wherever it certainly runs on one machine). On a small machine several
engines share the cores, so none may pin threads, and memory is bounded by small caches and batches. What it leaves out:
deployments and replicas.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from models.catalog import CatalogEntry, CpuEngine, Device, GpuEngine
from models.errors import WeightsError
from models.processor import CpuDtype

EngineArgument = str | int | float | bool


class EngineSettings(BaseModel):
    """Everything needed to start an engine for one model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    served_name: str
    """Name under which requests address the model."""
    model_path: str
    """Directory of verified weights; also the tokenizer's."""
    device: Device
    accelerator_type: str | None
    """Kind of GPU to schedule on, ``None`` on a CPU."""
    engine_kwargs: dict[str, EngineArgument]
    """Keyword arguments of vLLM's ``EngineArgs`` besides ``model``."""
    env: dict[str, str]
    """Environment of the engine's processes; must be set before they start."""
    stop: tuple[str, ...]
    """Stop strings every request to this model needs, besides the caller's."""


_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
_LOOPBACK = {"VLLM_HOST_IP": "127.0.0.1"}


def engine_settings(
    entry: CatalogEntry, model_path: Path, device: Device, *, threads: int = 2, cpu_dtype: CpuDtype = "bfloat16"
) -> EngineSettings:
    """Return the settings of ``entry`` on ``device``; a CPU engine computes with ``threads`` threads, in ``cpu_dtype``.

    Raises ``WeightsError`` where the catalogue has no arguments for that device.
    """
    engine = entry.cpu if device == "cpu" else entry.gpu
    if engine is None:
        other = "gpu" if device == "cpu" else "cpu"
        raise WeightsError(f"{entry.id} has no engine arguments for {device}; use a profile with {other} voters")
    specific = _cpu_kwargs(engine, entry, cpu_dtype) if isinstance(engine, CpuEngine) else _gpu_kwargs(engine)
    return EngineSettings(
        served_name=entry.id,
        model_path=str(model_path),
        device=device,
        accelerator_type=engine.accelerator_type if isinstance(engine, GpuEngine) else None,
        engine_kwargs=_common_kwargs(entry) | specific,
        env=_QUIET | (_cpu_env(threads) if isinstance(engine, CpuEngine) else _gpu_env(engine)),
        stop=entry.stop,
    )


def _common_kwargs(entry: CatalogEntry) -> dict[str, EngineArgument]:
    return {
        "max_model_len": entry.context_tokens,
        "trust_remote_code": False,
        "load_format": "safetensors",
        "enable_prefix_caching": True,
    }


def _cpu_kwargs(engine: CpuEngine, entry: CatalogEntry, dtype: CpuDtype) -> dict[str, EngineArgument]:
    return {
        "dtype": dtype,
        "enforce_eager": True,  # compiling for a CPU costs minutes and gains little at these sizes
        "max_num_seqs": engine.max_num_seqs,
        "max_num_batched_tokens": entry.context_tokens,  # bounds the activations
        # A prompt is read whole: vLLM takes back the draw of a prompt read in parts, which a CPU's generator cannot, so that
        # several requests with a seed at once, longer together than the bound above, ended the engine.
        "enable_chunked_prefill": False,
        "kv_cache_memory_bytes": engine.kv_cache_mib << 20,
    }


def _gpu_kwargs(engine: GpuEngine) -> dict[str, EngineArgument]:
    return {
        "dtype": "bfloat16",
        "tensor_parallel_size": engine.tensor_parallel_size,
        "gpu_memory_utilization": engine.gpu_memory_utilization,
        "max_num_seqs": engine.max_num_seqs,
    }


def _gpu_env(engine: GpuEngine) -> dict[str, str]:
    # Ray may spread an engine of several GPUs over machines, which must then reach one another.
    return _LOOPBACK if engine.tensor_parallel_size == 1 else {}


def _cpu_env(threads: int) -> dict[str, str]:
    # VLLM_CPU_KVCACHE_SPACE is absent on purpose: it would override kv_cache_memory_bytes, in whole GiB, all of them touched.
    return {
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # the default binds every engine to the same core
        "OMP_NUM_THREADS": str(threads),
        **_LOOPBACK,
        # Threads that wait for work must not spin on the cores that the other engines compute on.
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": "0",
        "MALLOC_ARENA_MAX": "2",  # give memory back after loading
        "MALLOC_TRIM_THRESHOLD_": "131072",
        "MALLOC_MMAP_THRESHOLD_": "131072",
    }
