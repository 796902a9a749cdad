"""Every engine's arguments build a whole vLLM configuration, GPU entries too. Needs vLLM, no weights and no GPU."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import pytest

from models.catalog import CatalogEntry, Device, load_catalog
from models.engine import EngineSettings, engine_settings
from serve_apps.llm import deployment_options, llm_arguments
from tests.unit.serve_apps.test_llm import LIMITS

ENTRIES = load_catalog().entries


@pytest.fixture(scope="module")
def engine_args() -> Any:
    """Return vLLM's argument class; the CPU lock installs vLLM."""
    return pytest.importorskip("vllm.engine.arg_utils").AsyncEngineArgs


def settings_of(entry: CatalogEntry, directory: Path) -> EngineSettings:
    """Write a small model configuration of the entry's class and return the settings for it."""
    import transformers

    config = {
        "LlamaForCausalLM": transformers.LlamaConfig,
        "MistralForCausalLM": transformers.MistralConfig,
        "Qwen2ForCausalLM": transformers.Qwen2Config,
        "Gemma3ForCausalLM": transformers.Gemma3TextConfig,
    }[entry.architecture](
        hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        head_dim=64, max_position_embeddings=131072, vocab_size=512, architectures=[entry.architecture],
    )  # fmt: skip
    config.save_pretrained(directory)
    return engine_settings(entry, directory, "cpu" if entry.cpu else "gpu")


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_arguments_build_a_configuration(engine_args: Any, name: str, tmp_path: Path) -> None:
    """VLLM takes every argument, and what it makes of them is what the catalogue says."""
    entry = ENTRIES[name]
    settings = settings_of(entry, tmp_path)
    built = engine_args(model=settings.model_path, **settings.engine_kwargs).create_engine_config()
    assert built.model_config.architectures == [entry.architecture]
    assert built.model_config.max_model_len == entry.context_tokens
    assert built.model_config.trust_remote_code is False
    assert str(built.model_config.dtype) == "torch.bfloat16"
    assert built.load_config.load_format == "safetensors"
    if entry.gpu is not None:
        assert built.parallel_config.tensor_parallel_size == entry.gpu.tensor_parallel_size
        assert built.cache_config.gpu_memory_utilization == entry.gpu.gpu_memory_utilization
        assert built.scheduler_config.max_num_seqs == entry.gpu.max_num_seqs
    if entry.cpu is not None:
        assert built.cache_config.kv_cache_memory_bytes == entry.cpu.kv_cache_mib << 20
        assert built.scheduler_config.max_num_seqs == entry.cpu.max_num_seqs
        assert built.model_config.enforce_eager is True


def test_unknown_argument_would_be_noticed(engine_args: Any, tmp_path: Path) -> None:
    """The check above is worth something: vLLM refuses an argument it does not know."""
    settings = settings_of(ENTRIES["llama-3.1-8b-instruct"], tmp_path)
    with pytest.raises(TypeError, match="no_such_argument"):
        engine_args(model=settings.model_path, **settings.engine_kwargs, no_such_argument=1)


@pytest.mark.parametrize("name", sorted(n for n, e in ENTRIES.items() if e.gpu))
def test_gpu_settings_are_a_valid_serve_llm_configuration(name: str) -> None:
    """Ray Serve's own configuration class accepts the accelerator and the arguments."""
    llm = pytest.importorskip("ray.serve.llm")
    settings = engine_settings(ENTRIES[name], Path("/models") / name, "gpu")
    config = llm.LLMConfig(
        model_loading_config={"model_id": settings.served_name, "model_source": settings.model_path},
        accelerator_type=settings.accelerator_type,
        engine_kwargs=settings.engine_kwargs,
        runtime_env={"env_vars": settings.env},
    )
    assert config.get_engine_config().engine_kwargs == settings.engine_kwargs


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_engines_are_told_to_tell_when_a_first_token_came(device: Device) -> None:
    """Ray hands it to vLLM's server, and leaves on the statistics that it takes."""
    llm = pytest.importorskip("ray.serve.llm")
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.entrypoints.launchers.cli_args import FrontendArgs

    name = min(name for name, entry in ENTRIES.items() if (entry.cpu if device == "cpu" else entry.gpu))
    settings = engine_settings(ENTRIES[name], Path("/models") / name, device)
    config = llm.LLMConfig(**llm_arguments(settings, LIMITS)).get_engine_config()
    assert FrontendArgs(**config.frontend_kwargs).enable_per_request_metrics is True
    assert AsyncEngineArgs(model="m", **config.engine_kwargs).disable_log_stats is False


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_deployments_have_the_options_that_ray_would_give_them(name: str) -> None:
    """What the deployment is built with, without vLLM, is what Ray's own builder makes of the same arguments."""
    llm = pytest.importorskip("ray.serve.llm")
    from ray.llm._internal.serve.core.server.llm_server import LLMServer

    entry = ENTRIES[name]
    settings = engine_settings(entry, Path("/models") / name, "cpu" if entry.cpu else "gpu")
    degrees = (1,) if entry.cpu else (1, 2)
    for degree in degrees:
        spread = settings.model_copy(update={"engine_kwargs": settings.engine_kwargs | _tensor_parallel(entry, degree)})
        with patch("ray.get_runtime_context", return_value=Mock(runtime_env={})):
            theirs = LLMServer.get_deployment_options(llm.LLMConfig(**llm_arguments(spread, LIMITS)))
        theirs["ray_actor_options"]["runtime_env"].pop("worker_process_setup_hook")  # does nothing; see its docstring
        ours = deployment_options("v", spread, LIMITS)
        assert ours.pop("name") == "voter-v"
        assert ours == theirs


def _tensor_parallel(entry: CatalogEntry, degree: int) -> dict[str, int]:
    return {} if entry.cpu else {"tensor_parallel_size": degree}
