"""Whether the gateway gets one more replica, or gives one back. Pure.

Rules:
- One at a time: nothing is added while a replica that was asked for does not run yet.
- At most ``extra_replicas`` more than are configured, and only while memory has ``replica_mib`` for it and ``reserve_mib``
  beside that, and a logical CPU is free for it beside the one that is kept for jobs.
- One is given back once the queue was below ``scale_back_below`` for ``scale_back_after_s`` without a break, and never below
  the number that is configured. Levels, not forecasts, say so: a burst's own noise keeps those up for as long as they remember.

Left out: how a deployment is scaled (``ports.DeploymentScaler``), and what the queue's forecast is (``predictor``). How many
replicas run says nothing of policy: every one of them works from the same signed snapshot.
"""

from dataclasses import dataclass

from actors.health.config import HealthConfig
from actors.health.ports import Replicas

KEPT_CPUS = 1.0
"""Stays free for jobs, which would wait for ever."""


@dataclass(frozen=True, slots=True)
class Scale:
    """What to do about the number of replicas."""

    to: int | None
    """How many there shall be; ``None`` leaves them as they are."""
    why: str


@dataclass(frozen=True, slots=True)
class Size:
    """The gateway as it is configured."""

    replicas: int
    cpus_per_replica: float


def grown(now: Replicas, size: Size, available_mib: int, config: HealthConfig) -> Scale:
    """Decide on one more replica."""
    most = size.replicas + config.extra_replicas
    needed_mib = config.replica_mib + config.reserve_mib
    if now.asked > now.running:
        return Scale(None, f"of {now.asked} gateway replicas {now.running} run: the others are waited for")
    if now.asked >= most:
        return Scale(None, f"{now.asked} gateway replicas run, and {most} are allowed (health.extra_replicas)")
    if available_mib < needed_mib:
        return Scale(
            None, f"{available_mib} MiB of memory are free, one more gateway replica takes {needed_mib} at least"
        )
    if now.free_cpus < (needed_cpus := size.cpus_per_replica + KEPT_CPUS):
        return Scale(
            None, f"{now.free_cpus:g} logical CPUs are free, a gateway replica and jobs beside it take {needed_cpus:g}"
        )
    return Scale(now.asked + 1, f"{now.asked} gateway replicas run, {available_mib} MiB of memory are free")


def shrunk(now: Replicas, size: Size, quiet_s: float, config: HealthConfig) -> Scale:
    """Decide on one replica less, after ``quiet_s`` with little to do."""
    if quiet_s < config.scale_back_after_s:
        return Scale(None, f"quiet for {quiet_s:.0f} s only")
    if now.asked <= size.replicas:
        return Scale(None, f"{now.asked} gateway replicas, as configured")
    return Scale(now.asked - 1, f"quiet for {quiet_s:.0f} s")
