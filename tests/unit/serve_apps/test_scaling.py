"""What Serve says of its replicas, and what becomes of a question that it does not answer."""

import threading

import pytest
from ray.serve.schema import ReplicaState

from actors.base.errors import NotReady
from actors.health.ports import Replicas
from serve_apps.scaling import ServeScaler, counted


def test_replicas_are_counted_by_state() -> None:
    """What runs runs, what starts was asked for, what stops is no more."""
    states = {ReplicaState.RUNNING: 2, ReplicaState.STARTING: 1, ReplicaState.STOPPING: 3}
    assert counted(states, 1.5) == Replicas(3, 2, 1.5)


def test_a_question_that_hangs_is_given_up_and_what_waits_behind_it_is_never_asked() -> None:
    """Told as failed, it must not be done later."""
    scaler, going, done = ServeScaler("app", "gateway", timeout_s=0.02), threading.Event(), list[str]()
    scaler._look = lambda: going.wait(10) and Replicas(1, 1, 1.0)  # type: ignore[method-assign,assignment,return-value]
    scaler._scale = lambda replicas: done.append(f"{replicas}")  # type: ignore[method-assign]
    for ask in (scaler.look, lambda: scaler.scale(2)):
        with pytest.raises(NotReady, match="Serve does not scale gateway: TimeoutError"):
            ask()
    going.set()
    scaler._worker.shutdown(wait=True)
    assert done == []


def test_what_serve_does_not_know_is_told() -> None:
    """An application that is not deployed, or a node that is away."""
    scaler = ServeScaler("app", "gateway")
    scaler._look = lambda: {}["app"]  # type: ignore[method-assign]
    with pytest.raises(NotReady, match="KeyError"):
        scaler.look()
