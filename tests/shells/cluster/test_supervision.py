"""The supervisor's decisions, without processes or clocks."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.config import SupervisorConfig
from cluster.supervision import Action, Seen, State, alarm_failed, backoff_s, begin, decide, is_blocked

CONFIG = SupervisorConfig()
READY = Seen(node_alive=True, node_up=True, deploy="done", ready="yes")
UNREADY = replace(READY, ready="no")
BLOCKED = replace(READY, ready="blocked")
DEAD = Seen(node_alive=False, node_up=False, deploy="none", ready="no")

seen_anything = st.builds(
    Seen,
    node_alive=st.booleans(),
    node_up=st.booleans(),
    deploy=st.sampled_from(["none", "running", "done", "failed"]),
    ready=st.sampled_from(["yes", "no", "blocked", "foreign"]),
    swept=st.booleans(),
    fault=st.sampled_from(["", "no space"]),
)


def run(state: State, seen: list[Seen], every_s: float = 1.0) -> tuple[State, list[Action]]:
    """Let time pass with what is seen; return the last state and every action."""
    done, now_s = [], state.seen_s
    for item in seen:
        now_s += every_s
        step = decide(state, item, CONFIG, now_s)
        done += step.actions
        state = step.state
    return state, done


def test_it_begins_by_starting_the_node() -> None:
    """The first thing that happens is that the node is started."""
    step = begin(5.0)
    assert step.actions == (Action.START_NODE,)
    assert step.state == State("starting", 5.0, seen_s=5.0)


def test_a_node_that_is_up_gets_its_deployment_once() -> None:
    """Deployment follows as soon as the node takes connections, and not again while it runs."""
    state = begin(0).state
    up = Seen(node_alive=True, node_up=True, deploy="none", ready="no")
    assert decide(state, up, CONFIG, 1.0).actions == (Action.DEPLOY,)
    assert decide(state, replace(up, deploy="running"), CONFIG, 2.0).actions == ()


def test_ready_needs_the_deployment_and_the_gateway_s_word() -> None:
    """Neither a finished deployment nor an old gateway's answer alone makes it ready."""
    state = begin(0).state
    assert decide(state, UNREADY, CONFIG, 1.0).state.phase == "starting"
    assert decide(state, replace(READY, ready="foreign"), CONFIG, 1.0).state.phase == "starting"
    assert decide(state, replace(READY, deploy="running"), CONFIG, 1.0).state.phase == "starting"
    assert decide(state, READY, CONFIG, 1.0).state.phase == "ready"


@pytest.mark.parametrize("phase", ["starting", "ready", "degraded"])
def test_a_dead_node_is_swept_and_restarted_after_a_pause(phase: str) -> None:
    """Whatever was going on, a dead node ends everything of ours, raises the alarm and waits out the back-off."""
    state = State(phase, 0.0)  # type: ignore[arg-type]
    step = decide(state, DEAD, CONFIG, 10.0)
    assert step.actions == (Action.ALERT, Action.END_ALL)
    assert (step.state.phase, step.state.restarts) == ("restarting", 1)
    assert decide(step.state, DEAD, CONFIG, 10.0 + CONFIG.backoff_initial_s - 0.01).actions == ()
    again = decide(step.state, DEAD, CONFIG, 10.0 + CONFIG.backoff_initial_s)
    assert (again.state.phase, again.actions) == ("starting", (Action.START_NODE,))


@pytest.mark.parametrize(
    ("seen", "after_s"),
    [
        (Seen(node_alive=True, node_up=False, deploy="none", ready="no"), CONFIG.start_timeout_s),
        (UNREADY, CONFIG.start_timeout_s + CONFIG.deploy_timeout_s),
    ],
)
def test_a_start_that_takes_too_long_is_a_fault(seen: Seen, after_s: float) -> None:
    """A node or deployment that hangs is restarted when its time is over, not a moment before."""
    state = begin(0).state
    assert decide(state, seen, CONFIG, after_s).state.phase == "starting"
    assert decide(state, seen, CONFIG, after_s + 1).state.phase == "restarting"


def test_a_failed_deployment_is_a_fault() -> None:
    """A deployment that ends with an error is not waited for."""
    seen = Seen(node_alive=True, node_up=True, deploy="failed", ready="no")
    assert decide(begin(0).state, seen, CONFIG, 1.0).state.phase == "restarting"


def test_serve_gets_time_to_heal_before_the_node_is_restarted() -> None:
    """Unready means degraded; only staying so restarts the node, and recovering ends the matter silently."""
    degraded = decide(State("ready", 0.0, seen_s=49.0), UNREADY, CONFIG, 50.0)
    assert (degraded.state.phase, degraded.actions) == ("degraded", ())
    assert decide(degraded.state, READY, CONFIG, 60.0).state.phase == "ready"
    late = 50.0 + CONFIG.unready_restart_s
    assert decide(degraded.state, UNREADY, CONFIG, late).state.phase == "degraded"
    assert decide(degraded.state, UNREADY, CONFIG, late + 1).state.phase == "restarting"


def test_one_alarm_and_one_all_clear_for_one_fault() -> None:
    """However many restarts a fault takes, people are told when it begins, and once when it has been over for long enough."""
    stable = int(CONFIG.stable_s)
    state, done = run(State("ready", 0.0), [DEAD] * 400 + [READY] * stable)
    told = [action for action in done if action in (Action.ALERT, Action.ALL_CLEAR)]
    assert told == [Action.ALERT]
    assert state.alerted
    state, done = run(state, [READY] * (stable + 100))
    assert done == [Action.ALL_CLEAR]
    assert not state.alerted


def test_there_is_no_last_state() -> None:
    """A day of failing starts is a day of tries, each within the longest back-off of the last, and the first good one ends it."""
    state, done = run(begin(0.0).state, [DEAD] * 17_280, 5.0)
    assert done.count(Action.START_NODE) > 86_400 / (CONFIG.backoff_max_s + 10)
    assert done.count(Action.ALERT) == 1
    state, _ = run(state, [READY] * int(CONFIG.backoff_max_s + 2))
    assert state.phase == "ready"


def test_what_no_restart_mends_is_left_alone_and_told() -> None:
    """A full disk or too few lineages keeps the gateway up for a day, raises one alarm, and is over by itself."""
    state, done = run(State("ready", 0.0), [BLOCKED] * 17_280, 5.0)
    assert done == [Action.ALERT]
    assert (state.phase, is_blocked(state, CONFIG, state.seen_s)) == ("degraded", True)
    state, done = run(state, [READY] * int(CONFIG.stable_s + 2))
    assert (state.phase, done) == ("ready", [Action.ALL_CLEAR])
    assert not is_blocked(state, CONFIG, state.seen_s)


def test_a_start_that_waits_for_a_person_is_not_repeated() -> None:
    """A gateway that comes up onto a full disk stays up and waits."""
    state, done = run(begin(0.0).state, [BLOCKED] * 7200)
    assert (state.phase, done) == ("starting", [Action.ALERT])


def test_a_restart_is_due_only_when_it_could_help_for_long_enough() -> None:
    """Time spent waiting for a person does not count towards a restart."""
    state, _ = run(State("ready", 0.0), [BLOCKED] * 1000)
    state, done = run(state, [UNREADY] * int(CONFIG.unready_restart_s))
    assert Action.END_ALL not in done
    _, done = run(state, [UNREADY] * 2)
    assert Action.END_ALL in done


def test_flapping_raises_the_alarm() -> None:
    """One good look in five hundred hides an outage no longer, nor does readiness for half of the time."""
    for unready, ready in ((499, 1), (30, 30)):
        state, done = run(State("ready", 0.0), ([UNREADY] * unready + [READY] * ready) * 60, 0.4)
        assert done.count(Action.ALERT) == 1
        assert Action.ALL_CLEAR not in done
        assert state.alerted


def test_a_short_outage_now_and_then_raises_no_alarm() -> None:
    """A minute of healing an hour is what healing is for."""
    _, done = run(State("ready", 0.0), ([UNREADY] * 12 + [READY] * 708) * 24, 5.0)
    assert done == []


def test_the_alarm_comes_before_anything_is_ended() -> None:
    """Ending may take long or fail; people know by then."""
    step = decide(State("ready", 0.0), DEAD, CONFIG, 1.0)
    assert step.actions == (Action.ALERT, Action.END_ALL)


def test_an_alarm_that_could_not_be_raised_is_raised_again() -> None:
    """Only an alarm that was acted on counts as raised."""
    step = decide(State("ready", 0.0), DEAD, CONFIG, 1.0)
    assert Action.ALERT in decide(alarm_failed(step.state), DEAD, CONFIG, 1.5).actions


def test_what_could_not_be_ended_is_ended_first() -> None:
    """While the last end left processes, the next thing is another end, never a start."""
    state = State("restarting", 0.0, 1, alerted=True)
    step = decide(state, replace(DEAD, swept=False), CONFIG, 2.0)
    assert (step.state.phase, step.actions) == ("restarting", (Action.END_ALL,))
    assert decide(step.state, DEAD, CONFIG, 4.0).actions == (Action.START_NODE,)


def test_a_deployment_that_cannot_be_started_is_a_fault() -> None:
    """It is backed off from, with its reason, not tried at every look."""
    seen = Seen(node_alive=True, node_up=True, deploy="none", ready="no", fault="deploy failed: no space")
    step = decide(begin(0.0).state, seen, CONFIG, 1.0)
    assert (step.state.phase, step.state.cause) == ("restarting", "deploy failed: no space")


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
                assert seen.swept
            if action is Action.START_NODE:
                assert not running
                assert now - ended_at >= backoff_s(restarts, CONFIG)
                running = True
            assert not (action is Action.DEPLOY and not seen.node_up)
        state = step.state
        assert state.phase != "ready" or seen.ready == "yes"
        assert 0.0 <= state.unready_share <= 1.0
