"""The supervisor's decisions, without processes or clocks."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.config import SupervisorConfig
from cluster.supervision import Action, Seen, State, backoff_s, begin, decide

CONFIG = SupervisorConfig()
READY = Seen(node_alive=True, node_up=True, deploy="done", ready=True)
DEAD = Seen(node_alive=False, node_up=False, deploy="none", ready=False)

seen_anything = st.builds(
    Seen,
    node_alive=st.booleans(),
    node_up=st.booleans(),
    deploy=st.sampled_from(["none", "running", "done", "failed"]),
    ready=st.booleans(),
)


def test_it_begins_by_starting_the_node() -> None:
    """The first thing that happens is that the node is started."""
    step = begin(5.0)
    assert step.actions == (Action.START_NODE,)
    assert step.state == State("starting", 5.0)


def test_a_node_that_is_up_gets_its_deployment_once() -> None:
    """Deployment follows as soon as the node takes connections, and not again while it runs."""
    state = begin(0).state
    up = Seen(node_alive=True, node_up=True, deploy="none", ready=False)
    assert decide(state, up, CONFIG, 1.0).actions == (Action.DEPLOY,)
    assert decide(state, replace(up, deploy="running"), CONFIG, 2.0).actions == ()


def test_ready_needs_the_deployment_and_the_gateway_s_word() -> None:
    """Neither a finished deployment nor an old gateway's answer alone makes it ready."""
    state = begin(0).state
    assert decide(state, replace(READY, ready=False), CONFIG, 1.0).state.phase == "starting"
    assert decide(state, replace(READY, deploy="running"), CONFIG, 1.0).state.phase == "starting"
    assert decide(state, READY, CONFIG, 1.0).state.phase == "ready"


@pytest.mark.parametrize("phase", ["starting", "ready", "degraded"])
def test_a_dead_node_is_swept_and_restarted_after_a_pause(phase: str) -> None:
    """Whatever was going on, a dead node ends everything of ours, raises the alarm and waits out the back-off."""
    state = State(phase, 0.0)  # type: ignore[arg-type]
    step = decide(state, DEAD, CONFIG, 10.0)
    assert step.actions == (Action.END_ALL, Action.ALERT)
    assert (step.state.phase, step.state.restarts) == ("restarting", 1)
    assert decide(step.state, DEAD, CONFIG, 10.0 + CONFIG.backoff_initial_s - 0.01).actions == ()
    again = decide(step.state, DEAD, CONFIG, 10.0 + CONFIG.backoff_initial_s)
    assert (again.state.phase, again.actions) == ("starting", (Action.START_NODE,))


@pytest.mark.parametrize(
    ("seen", "after_s"),
    [
        (Seen(node_alive=True, node_up=False, deploy="none", ready=False), CONFIG.start_timeout_s),
        (replace(READY, ready=False), CONFIG.start_timeout_s + CONFIG.deploy_timeout_s),
    ],
)
def test_a_start_that_takes_too_long_is_a_fault(seen: Seen, after_s: float) -> None:
    """A node or deployment that hangs is restarted when its time is over, not a moment before."""
    state = begin(0).state
    assert decide(state, seen, CONFIG, after_s).state.phase == "starting"
    assert decide(state, seen, CONFIG, after_s + 1).state.phase == "restarting"


def test_a_failed_deployment_is_a_fault() -> None:
    """A deployment that ends with an error is not waited for."""
    seen = Seen(node_alive=True, node_up=True, deploy="failed", ready=False)
    assert decide(begin(0).state, seen, CONFIG, 1.0).state.phase == "restarting"


def test_serve_gets_time_to_heal_before_the_node_is_restarted() -> None:
    """Unready means degraded; only staying so restarts the node, and recovering ends the matter silently."""
    degraded = decide(State("ready", 0.0), replace(READY, ready=False), CONFIG, 50.0)
    assert (degraded.state.phase, degraded.actions) == ("degraded", ())
    assert decide(degraded.state, READY, CONFIG, 60.0).state.phase == "ready"
    late = 50.0 + CONFIG.unready_restart_s
    assert decide(degraded.state, replace(READY, ready=False), CONFIG, late).state.phase == "degraded"
    assert decide(degraded.state, replace(READY, ready=False), CONFIG, late + 1).state.phase == "restarting"


def test_one_alarm_and_one_all_clear_for_one_fault() -> None:
    """However many restarts a fault takes, people are told when it begins and when it is over."""
    state, told = State("ready", 0.0), []
    now = 0.0
    for seen in [DEAD] * 400 + [READY] * 70:
        now += 1.0
        step = decide(state, seen, replace_config(max_restarts=1000), now)
        told += [action for action in step.actions if action in (Action.ALERT, Action.ALL_CLEAR)]
        state = step.state
    assert told == [Action.ALERT, Action.ALL_CLEAR]


def test_it_gives_up_after_too_many_restarts_in_a_row() -> None:
    """A node that never comes up ends in ``failed``, with an alarm, and stays there."""
    state, now, starts, last = begin(0.0).state, 0.0, 1, ()
    while state.phase != "failed" and now < 10_000:
        now += 1.0
        step = decide(state, DEAD, CONFIG, now)
        starts += Action.START_NODE in step.actions
        state, last = step.state, step.actions
    assert starts == CONFIG.max_restarts + 1
    assert last == (Action.END_ALL, Action.ALERT)
    assert decide(state, READY, CONFIG, now + 1).state == state


def test_a_stable_time_makes_the_next_fault_the_first() -> None:
    """Restarts in a row are forgotten only after it was ready for the stable time."""
    state = State("ready", 100.0, restarts=4)
    assert decide(state, READY, CONFIG, 100.0 + CONFIG.stable_s).state.restarts == 4
    assert decide(state, READY, CONFIG, 101.0 + CONFIG.stable_s).state.restarts == 0


def test_backoff_doubles_to_its_bound() -> None:
    """The waits are 1, 2, 4 … and never more than the configured bound, however large the count."""
    assert [backoff_s(n, CONFIG) for n in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert backoff_s(1000, CONFIG) == CONFIG.backoff_max_s


@given(st.lists(st.tuples(seen_anything, st.floats(0.0, 2000.0)), max_size=80))
def test_a_node_is_started_only_after_the_last_one_was_ended(history: list[tuple[Seen, float]]) -> None:
    """In every history, between two starts of a node there is an end of everything; back-off is always kept."""
    state, now, running, ended_at = begin(0.0).state, 0.0, True, 0.0
    for seen, passed_s in history:
        now += passed_s
        restarts = state.restarts
        step = decide(state, seen, CONFIG, now)
        for action in step.actions:
            if action is Action.END_ALL:
                running, ended_at = False, now
            if action is Action.START_NODE:
                assert not running
                assert now - ended_at >= backoff_s(restarts, CONFIG)
                running = True
            assert not (action is Action.DEPLOY and not seen.node_up)
        state = step.state
        assert state.phase != "ready" or seen.ready or state.since_s < now
        assert state.restarts <= CONFIG.max_restarts


def replace_config(**changes: float) -> SupervisorConfig:
    """Return the default bounds with changes."""
    return CONFIG.model_copy(update=changes)
