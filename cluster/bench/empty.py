"""Deploys an application that does nothing beside ours: what Serve and its ingress cost by themselves.

A process of its own (``python -m cluster.bench.empty --home DIR``), because it connects to the node. Prints its path.
"""

import argparse
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from cluster.home import Home, open_home
from cluster.node import Node
from serve_apps.actors import NAMESPACE
from serve_apps.builder import GatewayLimits, gateway_options

APPLICATION = "bench-empty"
PATH = "/bench-empty"
_BODY = b"{}"
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"2")]

Message = MutableMapping[str, Any]


async def empty(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Read the request and answer at once."""
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": _BODY})


class EmptyReplica:
    """Serve's shell around the bare function, as our gateway's replica is around its application."""

    def __serve_build_asgi_app__(self) -> Any:  # noqa: ANN401 - an ASGI callable
        return empty


def deploy(home: Home) -> None:
    """Deploy with the options of our gateway's replica, on no logical CPU."""
    import ray
    from ray import serve

    config = home.read_config()
    ray.init(address=Node(home, config).address, namespace=NAMESPACE, log_to_driver=False, configure_logging=False)
    limits = GatewayLimits(**config.gateway.model_dump(include=set(GatewayLimits.model_fields)))
    options = gateway_options(limits) | {"name": APPLICATION}
    options["ray_actor_options"] = options["ray_actor_options"] | {"num_cpus": 0}
    deployment = serve.deployment(serve.ingress()(EmptyReplica), **options)
    serve.run(deployment.bind(), name=APPLICATION, route_prefix=PATH)


def main() -> None:
    """Deploy for the home named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m cluster.bench.empty", description=__doc__)
    parser.add_argument("--home", required=True, type=Path)
    deploy(open_home(parser.parse_args().home))
    print(PATH)


if __name__ == "__main__":
    main()
