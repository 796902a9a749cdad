"""Deploys the application and the control actors on a running node, then exits: ``python -m cluster.deploy --home DIR``.

A process of its own, so that the supervisor never holds a connection to the node it may have to end.
"""

import argparse
import json
import logging
import sys
from pathlib import Path

from actors.base.errors import HomeError, OperatorError
from actors.health.scaling import Size
from cluster.config import Config
from cluster.home import Home, open_home
from cluster.local_witnesses import with_local
from cluster.node import Node, serve_host
from serve_apps.actors import NAMESPACE, start_health_actor, start_span_actor
from serve_apps.builder import APPLICATION, AppSettings, build_app

_log = logging.getLogger("weavergen.deploy")


def app_file(home: Home) -> Path:
    """Return where ``up`` leaves what the application is built from."""
    return home.run / "app.json"


def read_application(home: Home, config: Config) -> AppSettings:
    """Return what the application is built from; raise ``HomeError`` unless it was made from this very configuration."""
    path = app_file(home)
    try:
        settings = AppSettings.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise HomeError(f"{path} cannot be read; run `weavergen down`, then `weavergen up`") from error
    if settings.gateway.config_sha256 != config.sha256:
        raise HomeError(
            f"{path} and {home.config_file} are of two configurations; run `weavergen down`, then `weavergen up`"
        )
    return settings


def deploy(home: Home, config: Config) -> None:
    """Connect, deploy, wait until Serve says it runs."""
    import ray
    from ray import serve

    settings = read_application(home, config)
    ray.init(address=Node(home, config).address, namespace=NAMESPACE, log_to_driver=False, configure_logging=False)
    start_span_actor(home.root, config.spans, with_local(home, config.log), config.store)
    size = Size(config.gateway.replicas, config.gateway.cpus_per_replica)
    start_health_actor(home.root, config.health, config.store, config.consensus.max_concurrent, size)
    serve.start(
        proxy_location="HeadOnly",
        http_options={
            "host": serve_host(config),
            "port": config.gateway.port,
            "request_timeout_s": config.gateway.request_timeout_s,
        },
        logging_config={"enable_access_log": False},
    )
    # The health actor may ask for one more gateway replica: Serve takes that of an application that says so.
    serve.run(build_app(settings), name=APPLICATION, route_prefix="/", external_scaler_enabled=True)
    _log.info("deployed %s", APPLICATION)


def main() -> int:
    """Deploy for the home named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m cluster.deploy", description=__doc__)
    parser.add_argument("--home", required=True, type=Path)
    home = open_home(parser.parse_args().home)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        deploy(home, home.read_config())
    except OperatorError as error:
        _log.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
