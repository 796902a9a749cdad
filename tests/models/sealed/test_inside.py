"""What runs inside: vLLM's own parser, and what it does before it serves."""

import argparse
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.catalog import CatalogEntry, load_catalog
from models.engine import engine_settings
from models.sealed.confinement import serve_arguments


@pytest.fixture(scope="module")
def inside() -> Any:
    """Return the module, which needs vLLM."""
    pytest.importorskip("vllm")
    import models.sealed.inside as found

    return found


@pytest.mark.parametrize(
    "entry", [entry for entry in load_catalog().entries.values() if entry.cpu or entry.gpu], ids=lambda entry: entry.id
)
def test_vllm_reads_the_arguments_as_the_settings_mean_them(inside: Any, entry: CatalogEntry) -> None:
    """Its parser gives every value back, on a CPU and on a GPU, and listens on the socket alone."""
    settings = engine_settings(entry, Path("/m"), "cpu" if entry.cpu else "gpu")
    parsed: argparse.Namespace = inside._parsed(serve_arguments(settings))
    assert {name: getattr(parsed, name) for name in settings.engine_kwargs} == settings.engine_kwargs
    assert parsed.enable_per_request_metrics is True
    assert (parsed.model, parsed.served_model_name) == ("/m", [settings.served_name])
    assert (parsed.uds, parsed.host, parsed.api_server_count) == ("/engine/api.sock", None, None)


@pytest.mark.parametrize(("world_size", "backend"), [(1, "uni"), (2, "mp")])
def test_a_cpu_engine_computes_in_its_core(inside: Any, world_size: int, backend: str) -> None:
    """One process less where one is all it takes."""
    parallel = SimpleNamespace(world_size=world_size, distributed_executor_backend="mp")
    inside._compute_in_the_core(SimpleNamespace(parallel_config=parallel))
    assert parallel.distributed_executor_backend == backend
