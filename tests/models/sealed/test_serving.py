"""The deployments of engines: which are closed off, and what Serve is told of them. Needs Ray's classes, no cluster."""

from pathlib import Path

from models.catalog import load_catalog
from models.engine import engine_settings
from serve_apps.builder import LocalVoter, build_voter
from serve_apps.llm import EngineLimits, VoterReplica
from serve_apps.sealed import SealedReplica

LIMITS = EngineLimits(
    max_ongoing_requests=3,
    max_queued_requests=4,
    health_check_period_s=5,
    health_check_timeout_s=6,
    graceful_shutdown_s=7,
)


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
    assert closed.init_args == ("v", voter(sealed=True).engine)
    assert closed.ray_actor_options["runtime_env"] == {"env_vars": {}}
    assert (closed.name, closed.max_ongoing_requests) == (opened.name, opened.max_ongoing_requests)
    bundles = [bound._replica_config.placement_group_bundles for bound in (closed, opened)]
    assert bundles[0] == bundles[1]
