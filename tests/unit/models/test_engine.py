"""Engine settings: safe, quiet, and only for devices the catalogue has arguments for."""

from pathlib import Path

import pytest

from models.catalog import load_catalog
from models.engine import engine_settings
from models.errors import WeightsError

ENTRIES = load_catalog().entries


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_no_engine_runs_code_from_its_model_or_phones_home(name: str) -> None:
    """Whatever the device: no remote code, safetensors only, offline, no statistics."""
    entry = ENTRIES[name]
    settings = engine_settings(entry, Path("/m"), "cpu" if entry.cpu else "gpu")
    assert settings.engine_kwargs["trust_remote_code"] is False
    assert settings.engine_kwargs["load_format"] == "safetensors"
    assert settings.engine_kwargs["max_model_len"] == entry.context_tokens
    assert {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}.items() <= settings.env.items()
    assert (settings.served_name, settings.model_path) == (name, "/m")


def test_cpu_engines_share_the_cores() -> None:
    """No engine pins threads, each computes with what it is given, and caches are bounded by bytes."""
    settings = engine_settings(ENTRIES["gemma-3-270m"], Path("/m"), "cpu", threads=3)
    assert settings.env["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"
    assert settings.env["OMP_NUM_THREADS"] == "3"
    assert "VLLM_CPU_KVCACHE_SPACE" not in settings.env
    assert settings.engine_kwargs["kv_cache_memory_bytes"] == 192 << 20
    assert settings.engine_kwargs["enforce_eager"] is True
    assert settings.accelerator_type is None
    assert settings.stop == ("\nQ:",)


def test_a_cpu_engine_reads_prompts_whole() -> None:
    """No prompt is read in parts, which would end the engine for requests with a seed; one step takes the longest prompt."""
    for entry in ENTRIES.values():
        if entry.cpu is not None:
            kwargs = engine_settings(entry, Path("/m"), "cpu").engine_kwargs
            assert kwargs["enable_chunked_prefill"] is False
            assert kwargs["max_num_batched_tokens"] == kwargs["max_model_len"]


def test_a_cpu_engine_computes_in_what_it_is_given() -> None:
    """The processor decides for a CPU engine; a GPU has bfloat16."""
    small, large = ENTRIES["gemma-3-270m"], ENTRIES["llama-3.1-8b-instruct"]
    settings = [engine_settings(small, Path("/m"), "cpu", cpu_dtype=dtype) for dtype in ("float32", "bfloat16")]
    assert [each.engine_kwargs["dtype"] for each in settings] == ["float32", "bfloat16"]
    assert engine_settings(large, Path("/m"), "gpu", cpu_dtype="float32").engine_kwargs["dtype"] == "bfloat16"


def test_gpu_engine_asks_for_its_accelerator() -> None:
    """A GPU engine names the kind of GPU and how much of it, and binds nothing of a CPU's."""
    settings = engine_settings(ENTRIES["llama-3.1-8b-instruct"], Path("/m"), "gpu")
    assert settings.accelerator_type == "L4"
    assert settings.engine_kwargs["tensor_parallel_size"] == 1
    assert settings.engine_kwargs["gpu_memory_utilization"] == 0.9
    assert "OMP_NUM_THREADS" not in settings.env


def test_device_without_arguments_is_refused_with_the_other_named() -> None:
    """A large model on the cpu profile is a configuration error that says what to do."""
    with pytest.raises(WeightsError, match="use a profile with gpu voters"):
        engine_settings(ENTRIES["llama-3.1-8b-instruct"], Path("/m"), "cpu")


def test_an_engine_of_one_gpu_listens_on_loopback_only() -> None:
    """Only an engine that may be spread over machines lets others reach it."""
    entry = ENTRIES["llama-3.1-8b-instruct"]
    assert entry.gpu is not None
    spread = entry.model_copy(update={"gpu": entry.gpu.model_copy(update={"tensor_parallel_size": 2})})
    hosts = [engine_settings(e, Path("/m"), "gpu").env.get("VLLM_HOST_IP") for e in (entry, spread)]
    assert hosts == ["127.0.0.1", None]
