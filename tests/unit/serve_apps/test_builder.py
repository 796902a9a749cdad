"""Options of the gateway's deployment."""

from serve_apps.builder import GATEWAY, GatewayLimits, gateway_options

LIMITS = GatewayLimits(
    replicas=2,
    cpus_per_replica=1.5,
    max_ongoing_requests=10,
    max_queued_requests=20,
    health_check_period_s=1,
    health_check_timeout_s=2,
    graceful_shutdown_s=3,
)


def test_every_bound_of_the_gateway_is_explicit() -> None:
    """Serve's defaults (5 ongoing, unbounded queue, access log) are never relied on."""
    options = gateway_options(LIMITS)
    assert options["name"] == GATEWAY
    assert (options["num_replicas"], options["ray_actor_options"]["num_cpus"]) == (2, 1.5)
    assert (options["max_ongoing_requests"], options["max_queued_requests"]) == (10, 20)
    assert (options["health_check_period_s"], options["health_check_timeout_s"]) == (1, 2)
    assert options["graceful_shutdown_timeout_s"] == 3
    assert options["backpressure_config"] == {"status_code": 429, "retry_after_s": 1}
    assert options["logging_config"] == {"enable_access_log": False, "log_level": "WARNING"}


def test_only_the_gateway_shares_serve_s_event_loop() -> None:
    """Its code never blocks; the setting goes to its replicas alone, not to the node."""
    variables = gateway_options(LIMITS)["ray_actor_options"]["runtime_env"]["env_vars"]
    assert variables["RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD"] == "0"
