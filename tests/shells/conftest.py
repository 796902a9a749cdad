"""Shells and adapters against real files, processes, databases and loopback sockets; no network and no Ray here either."""

from tests.shells.small_disk import small_disk
from tests.unit.conftest import no_network, no_ray

__all__ = ["no_network", "no_ray", "small_disk"]
