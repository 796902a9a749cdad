"""What the supervisor does next: a pure step from what it sees.

| state | means | leaves when |
|---|---|---|
| ``starting`` | the node or its deployments are coming up | ready → ``ready``; dead or too slow → ``restarting`` |
| ``ready`` | ``/readyz`` says yes, and it is our gateway that says so | not ready → ``degraded``; node dead → ``restarting`` |
| ``degraded`` | it was ready and is not | ready → ``ready``; dead, or unready too long where a restart helps → ``restarting`` |
| ``restarting`` | everything was ended; waiting out the back-off | back-off over and nothing left → ``starting`` |

Rules:
- No state is the last one: whatever is wrong, another try follows, ``backoff_max_s`` later at most.
- The n-th restart in a row waits ``initial × 2^(n-1)`` seconds, at most ``max``; being ready for ``stable_s`` resets n.
- Only what a restart can mend is restarted. A gateway that says that it waits for something else (space for its log,
  policy, voters that were isolated) is left as it is: it alone can tell when that is over, and take the order that ends it.
- Whatever is left of the old node is ended before the next one starts, however many tries that takes.
- The alarm is raised before anything is ended. It is raised at a restart, and when the share of time without readiness,
  weighted exponentially over ``alert_window_s``, passes ``alert_share``: one good poll in a thousand hides nothing.
- It is cleared when it was ready for ``stable_s`` without a break.
- A fault of the supervisor's own (an act or a look that failed) is something seen, like any other.

Left out: processes, HTTP and time.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from cluster.config import SupervisorConfig

Phase = Literal["starting", "ready", "degraded", "restarting"]
Ready = Literal["yes", "no", "blocked", "foreign"]


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
    ready: Ready
    """``blocked``: not, and no restart helps; ``foreign``: somebody else answers at our address."""
    swept: bool = True
    """The last end of everything left nothing."""
    fault: str = ""
    """What failed in the supervisor's own last act or look."""


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
    blocked_since_s: float | None = None
    """Since when it has been waiting for what no restart brings."""
    unready_share: float = 0.0
    """Share of time without readiness, once deployed; exponentially weighted."""
    seen_s: float = 0.0
    """When it last looked."""


@dataclass(frozen=True, slots=True)
class Step:
    """The next state and what to do on the way."""

    state: State
    actions: tuple[Action, ...] = ()


BLOCKED = "the gateway waits for what no restart brings; `weavergen status` names it"
FOREIGN = "another program answers at the gateway's address; stop it, or choose another port"


def begin(now_s: float) -> Step:
    """Start the node."""
    return Step(State("starting", now_s, seen_s=now_s), (Action.START_NODE,))


def decide(state: State, seen: Seen, config: SupervisorConfig, now_s: float) -> Step:
    """Return the next state and actions."""
    state = _observed(state, seen, config, now_s)
    match state.phase:
        case "starting":
            step = _starting(state, seen, config, now_s)
        case "ready":
            step = _ready(state, seen, config, now_s)
        case "degraded":
            step = _degraded(state, seen, config, now_s)
        case "restarting":
            step = _restarting(state, seen, config, now_s)
    return _alarmed(step, config)


def alarm_failed(state: State) -> State:
    """Return the state after an alarm that could not be raised: it is still to be raised."""
    return replace(state, alerted=False)


def is_blocked(state: State, config: SupervisorConfig, now_s: float) -> bool:
    """Tell whether it has waited for what no restart brings for longer than a start explains."""
    return state.blocked_since_s is not None and now_s - state.blocked_since_s >= config.blocked_after_s


def backoff_s(restarts: int, config: SupervisorConfig) -> float:
    """Return how long the ``restarts``-th restart in a row waits."""
    return min(config.backoff_initial_s * 2.0 ** min(restarts - 1, 60), config.backoff_max_s)


def _observed(state: State, seen: Seen, config: SupervisorConfig, now_s: float) -> State:
    """Take note of readiness: the share of time without, and since when it has been blocked."""
    blocked = seen.node_alive and seen.ready in ("blocked", "foreign")
    since = (now_s if state.blocked_since_s is None else state.blocked_since_s) if blocked else None
    share = state.unready_share
    if state.phase in ("ready", "degraded") or seen.deploy == "done":
        kept = math.exp(-max(now_s - state.seen_s, 0.0) / config.alert_window_s)
        share = share * kept + (0.0 if seen.ready == "yes" else 1.0 - kept)
    return replace(state, blocked_since_s=since, unready_share=share, seen_s=now_s)


def _alarmed(step: Step, config: SupervisorConfig) -> Step:
    """Raise the alarm, before anything else is done, where it is due and not raised yet."""
    state = step.state
    due = state.phase == "restarting" or state.unready_share > config.alert_share
    if state.alerted or not due:
        return step
    cause = state.cause or "it is ready only now and then"
    return Step(replace(state, alerted=True, cause=cause), (Action.ALERT, *step.actions))


def _starting(state: State, seen: Seen, config: SupervisorConfig, now_s: float) -> Step:
    if wrong := _start_fault(state, seen, config, now_s - state.since_s):
        return _restart(state, wrong, now_s)
    if not seen.node_up:
        return Step(state)
    if seen.deploy == "none":
        return Step(state, (Action.DEPLOY,))
    if seen.ready == "yes" and seen.deploy == "done":
        return Step(replace(state, phase="ready", since_s=now_s, cause=""))
    return Step(replace(state, cause=_unready_cause(seen)) if state.blocked_since_s is not None else state)


def _start_fault(state: State, seen: Seen, config: SupervisorConfig, waited_s: float) -> str:
    """Return why this start has failed; empty while it has not."""
    checks = (
        (not seen.node_alive, seen.fault or "the node process ended while starting"),
        (seen.deploy == "failed", "the deployment failed; see run/logs/deploy.log"),
        (not seen.node_up and waited_s > config.start_timeout_s, "the node did not come up in time"),
        (seen.node_up and seen.deploy == "none" and bool(seen.fault), seen.fault),
        (
            state.blocked_since_s is None
            and seen.ready != "yes"
            and waited_s > config.start_timeout_s + config.deploy_timeout_s,
            "it did not become ready in time",
        ),
    )
    return next((cause for failed, cause in checks if failed), "")


def _ready(state: State, seen: Seen, config: SupervisorConfig, now_s: float) -> Step:
    if not seen.node_alive:
        return _restart(state, seen.fault or "the node process ended", now_s)
    if seen.ready != "yes":
        return Step(replace(state, phase="degraded", since_s=now_s, cause=_unready_cause(seen)))
    if now_s - state.since_s <= config.stable_s:
        return Step(state)
    over = (Action.ALL_CLEAR,) if state.alerted else ()
    share = 0.0 if state.alerted else state.unready_share  # what is over is not held against it twice
    return Step(replace(state, restarts=0, alerted=False, cause="", unready_share=share), over)


def _degraded(state: State, seen: Seen, config: SupervisorConfig, now_s: float) -> Step:
    if not seen.node_alive:
        return _restart(state, seen.fault or "the node process ended", now_s)
    if seen.ready == "yes":
        return Step(replace(state, phase="ready", since_s=now_s, cause=""))
    cause = _unready_cause(seen)
    if state.blocked_since_s is not None:  # the time for healing begins anew when a restart could help again
        return Step(replace(state, since_s=now_s, cause=cause))
    if now_s - state.since_s > config.unready_restart_s:
        return _restart(state, f"it stayed unready for too long: {cause}", now_s)
    return Step(replace(state, cause=cause))


def _restarting(state: State, seen: Seen, config: SupervisorConfig, now_s: float) -> Step:
    if now_s - state.since_s < backoff_s(state.restarts, config):
        return Step(state)
    if not seen.swept:
        return Step(replace(state, since_s=now_s), (Action.END_ALL,))
    return Step(replace(state, phase="starting", since_s=now_s), (Action.START_NODE,))


def _restart(state: State, cause: str, now_s: float) -> Step:
    following = replace(
        state, phase="restarting", since_s=now_s, restarts=state.restarts + 1, cause=cause, blocked_since_s=None
    )
    return Step(following, (Action.END_ALL,))


def _unready_cause(seen: Seen) -> str:
    told = {"blocked": BLOCKED, "foreign": FOREIGN}.get(seen.ready, "/readyz does not say ready")
    return seen.fault or told
