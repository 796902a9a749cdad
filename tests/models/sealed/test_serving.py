"""The deployments of engines: which are closed off, and what Serve is told of them. Needs Ray's classes, no cluster."""

from pathlib import Path

from models.catalog import load_catalog
from models.engine import engine_settings
from serve_apps.builder import LocalVoter, build_voter
from serve_apps.llm import VoterReplica
from serve_apps.sealed import SealedReplica, sealed_options
from tests.unit.serve_apps.test_llm import LIMITS


def test_the_gpus_of_a_closed_off_engine_are_its_replica_s() -> None:
    """All of them on one machine, and given to the process that starts the engine, which takes their names along."""
    settings = engine_settings(load_catalog().entry("qwen2.5-coder-7b-instruct"), Path("/m"), "gpu")
    for degree in (1, 2):
        kwargs = settings.engine_kwargs | {"tensor_parallel_size": degree}
        options = sealed_options("v", settings.model_copy(update={"engine_kwargs": kwargs}), LIMITS)
        assert options["placement_group_bundles"] == [{"GPU": degree, "accelerator_type:L4": 0.001, "CPU": 0}]
        assert options["ray_actor_options"] == {"num_cpus": 0, "num_gpus": degree, "runtime_env": {"env_vars": {}}}


def voter(*, sealed: bool) -> LocalVoter:
    """Return a voter."""
    settings = engine_settings(load_catalog().entry("smollm2-135m-instruct"), Path("/m"), "cpu")
    return LocalVoter(id="v", family="llama", lineage="l", context_tokens=2048, tags=(), engine=settings, sealed=sealed)


def test_a_voter_that_is_to_be_closed_off_gets_the_replica_that_does_it() -> None:
    """And no other does; its engine's variables stay out of the replica, which has the same bounds and place."""
    deployments = {}
    for sealed in (True, False):
        bound = build_voter(voter(sealed=sealed), LIMITS)._bound_deployment
        assert bound.func_or_class.__name__ == (SealedReplica if sealed else VoterReplica).__name__
        deployments[sealed] = bound
    closed, opened = deployments[True], deployments[False]
    assert closed.init_args == ("v", voter(sealed=True).engine, LIMITS.scratch_mib)
    assert closed.ray_actor_options["runtime_env"] == {"env_vars": {}}
    assert (closed.name, closed.max_ongoing_requests) == (opened.name, opened.max_ongoing_requests)
    bundles = [bound._replica_config.placement_group_bundles for bound in (closed, opened)]
    assert bundles[0] == bundles[1]
