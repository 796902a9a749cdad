"""What the supervisor does next: a pure step from what it sees.

| state | means | leaves when |
|---|---|---|
| ``starting`` | the node or its deployments are coming up | ready → ``ready``; dead or too slow → ``restarting`` |
| ``ready`` | ``/readyz`` says yes | not ready → ``degraded``; node dead → ``restarting`` |
| ``degraded`` | it was ready and is not; Serve is healing it | ready → ``ready``; node dead or too slow → ``restarting`` |
| ``restarting`` | everything was ended; waiting out the back-off | back-off over → ``starting`` |
| ``failed`` | too many restarts in a row; a person must look | never |

Rules:
- The n-th restart in a row waits ``initial × 2^(n-1)`` seconds, at most ``max``; being ready for ``stable_s`` resets n.
- Whatever is left of the old node is ended before the next one starts.
- An alert goes out once when ready turns into anything else for longer than a node restart explains (``degraded`` that
  ends in a restart, a dead node, giving up), and once when it is over.

Left out: processes, HTTP and time.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from cluster.config import SupervisorConfig

Phase = Literal["starting", "ready", "degraded", "restarting", "failed"]


class Action(StrEnum):
    """What to do, in order."""

    END_ALL = "end_all"
    START_NODE = "start_node"
    DEPLOY = "deploy"
    ALERT = "alert"
    ALL_CLEAR = "all_clear"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the supervisor sees now."""

    node_alive: bool
    node_up: bool
    """The node takes connections."""
    deploy: Literal["none", "running", "done", "failed"]
    ready: bool


@dataclass(frozen=True, slots=True)
class State:
    """Where supervision stands."""

    phase: Phase
    since_s: float
    """When this phase began."""
    restarts: int = 0
    """Restarts in a row."""
    alerted: bool = False
    cause: str = ""
    """Why it is not ready, in words."""


@dataclass(frozen=True, slots=True)
class Step:
    """The next state and what to do on the way."""

    state: State
    actions: tuple[Action, ...] = ()


def begin(now_s: float) -> Step:
    """Start the node."""
    return Step(State("starting", now_s), (Action.START_NODE,))


def decide(state: State, seen: Seen, config: SupervisorConfig, now_s: float) -> Step:
    """Return the next state and actions."""
    match state.phase:
        case "starting":
            return _starting(state, seen, config, now_s)
        case "ready":
            return _ready(state, seen, config, now_s)
        case "degraded":
            return _degraded(state, seen, config, now_s)
        case "restarting":
            return _restarting(state, config, now_s)
        case "failed":
            return Step(state)


def backoff_s(restarts: int, config: SupervisorConfig) -> float:
    """Return how long the ``restarts``-th restart in a row waits."""
    return min(config.backoff_initial_s * 2.0 ** min(restarts - 1, 60), config.backoff_max_s)


def _starting(state: State, seen: Seen, config: SupervisorConfig, now_s: float) -> Step:
    waited = now_s - state.since_s
    if not seen.node_alive:
        return _restart(state, "the node process ended while starting", config, now_s)
    if seen.deploy == "failed":
        return _restart(state, "the deployment failed; see run/logs/deploy.log", config, now_s)
    if not seen.node_up:
        late = waited > config.start_timeout_s
        return _restart(state, "the node did not come up in time", config, now_s) if late else Step(state)
    if seen.deploy == "none":
        return Step(state, (Action.DEPLOY,))
    if seen.ready and seen.deploy == "done":
        over = (Action.ALL_CLEAR,) if state.alerted else ()
        return Step(State("ready", now_s, state.restarts), over)
    late = waited > config.start_timeout_s + config.deploy_timeout_s
    return _restart(state, "it did not become ready in time", config, now_s) if late else Step(state)


def _ready(state: State, seen: Seen, config: SupervisorConfig, now_s: float) -> Step:
    if not seen.node_alive:
        return _restart(state, "the node process ended", config, now_s)
    if not seen.ready:
        return Step(replace(state, phase="degraded", since_s=now_s, cause="/readyz does not say ready"))
    if state.restarts and now_s - state.since_s > config.stable_s:
        return Step(replace(state, restarts=0))
    return Step(state)


def _degraded(state: State, seen: Seen, config: SupervisorConfig, now_s: float) -> Step:
    if not seen.node_alive:
        return _restart(state, "the node process ended", config, now_s)
    if seen.ready:
        return Step(replace(state, phase="ready", since_s=now_s, cause=""))
    if now_s - state.since_s > config.unready_restart_s:
        return _restart(state, "it stayed unready for too long", config, now_s)
    return Step(state)


def _restarting(state: State, config: SupervisorConfig, now_s: float) -> Step:
    if now_s - state.since_s < backoff_s(state.restarts, config):
        return Step(state)
    return Step(replace(state, phase="starting", since_s=now_s), (Action.START_NODE,))


def _restart(state: State, cause: str, config: SupervisorConfig, now_s: float) -> Step:
    alert = () if state.alerted else (Action.ALERT,)
    if state.restarts >= config.max_restarts:
        gave_up = f"gave up after {state.restarts} restarts: {cause}"
        return Step(State("failed", now_s, state.restarts, alerted=True, cause=gave_up), (Action.END_ALL, Action.ALERT))
    following = State("restarting", now_s, state.restarts + 1, alerted=True, cause=cause)
    return Step(following, (Action.END_ALL, *alert))
