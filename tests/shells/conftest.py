"""Shells and adapters against real files, processes, databases and loopback sockets; no network and no Ray here either."""

from tests.shells.s3_server import location, s3, s3_process
from tests.shells.small_disk import small_disk
from tests.unit.conftest import no_network, no_ray

__all__ = ["location", "no_network", "no_ray", "s3", "s3_process", "small_disk"]
