"""Arguments of the engines' deployments."""

from pathlib import Path

from models.catalog import load_catalog
from models.engine import engine_settings
from serve_apps.llm import EngineLimits, deployment_name, llm_arguments

LIMITS = EngineLimits(
    max_ongoing_requests=3,
    max_queued_requests=4,
    health_check_period_s=5,
    health_check_timeout_s=6,
    graceful_shutdown_s=7,
    scratch_mib=64,
)
CATALOG = load_catalog()


def test_a_cpu_engine_holds_one_logical_cpu_and_every_bound_is_explicit() -> None:
    """Serve's defaults (5 ongoing, unbounded queue) are never relied on."""
    settings = engine_settings(CATALOG.entry("smollm2-135m-instruct"), Path("/m"), "cpu")
    arguments = llm_arguments(settings, LIMITS)
    assert arguments["model_loading_config"] == {"model_id": "smollm2-135m-instruct", "model_source": "/m"}
    assert arguments["accelerator_config"] == {"kind": "cpu"}
    assert arguments["placement_group_config"] == {"bundles": [{"CPU": 1}]}
    assert arguments["runtime_env"]["env_vars"] == settings.env
    assert arguments["engine_kwargs"] == {**settings.engine_kwargs, "enable_per_request_metrics": True}
    assert arguments["deployment_config"] == {
        "num_replicas": 1,
        "max_ongoing_requests": 3,
        "max_queued_requests": 4,
        "health_check_period_s": 5,
        "health_check_timeout_s": 6,
        "graceful_shutdown_timeout_s": 7,
        "ray_actor_options": {"num_cpus": 0},
    }


def test_a_gpu_engine_names_its_accelerator() -> None:
    """On a GPU Ray schedules by the accelerator's kind; there is no CPU placement."""
    settings = engine_settings(CATALOG.entry("qwen2.5-coder-7b-instruct"), Path("/m"), "gpu")
    arguments = llm_arguments(settings, LIMITS)
    assert arguments["accelerator_type"] == "L4"
    assert "placement_group_config" not in arguments


def test_deployments_are_named_after_their_voters() -> None:
    """The dashboard shows who is who."""
    assert deployment_name("gemma-3-270m") == "voter-gemma-3-270m"
