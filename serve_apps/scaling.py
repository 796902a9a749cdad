"""Changes how many replicas the gateway's deployment has, while it runs.

``serve.run`` of the same application would draw a new code version and replace every replica; Serve's scaling interface
(`/api/v1/applications/…/deployments/…/scale` of its dashboard, for applications with ``external_scaler_enabled``) changes
the number and nothing else. The controller is asked as that route asks it, without a dashboard and a token between. The
next deployment begins with the configured number again.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from actors.base.errors import NotReady
from actors.health.ports import Replicas

_T = TypeVar("_T")
TIMEOUT_S = 4.0
"""Of one question; two of them are far less than the time after which a silent actor is told of."""


class ServeScaler:
    """The ``DeploymentScaler`` of one deployment."""

    def __init__(self, application: str, deployment: str, timeout_s: float = TIMEOUT_S) -> None:
        self._application, self._deployment, self._timeout_s = application, deployment, timeout_s
        # A thread of its own: while Ray's control store is away its calls wait for long, and a tick may not.
        self._worker = ThreadPoolExecutor(1, "scaler")

    def look(self) -> Replicas:
        """Return what there is; raise ``NotReady`` if Serve does not say."""
        return self._within(self._look)

    def scale(self, replicas: int) -> None:
        """Ask for so many; raise ``NotReady`` if Serve does not take it."""
        self._within(lambda: self._scale(replicas))

    def _look(self) -> Replicas:
        import ray
        from ray import serve

        states = serve.status().applications[self._application].deployments[self._deployment].replica_states
        return counted(states, float(ray.available_resources().get("CPU", 0.0)))

    def _scale(self, replicas: int) -> None:
        import ray
        from ray.serve._private.common import DeploymentID
        from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE

        controller: Any = ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
        which = DeploymentID(name=self._deployment, app_name=self._application)
        ray.get(controller.update_deployment_replicas.remote(which, replicas), timeout=self._timeout_s)

    def _within(self, ask: Callable[[], _T]) -> _T:
        asked = self._worker.submit(ask)
        try:
            return asked.result(self._timeout_s)
        except Exception as error:  # whatever keeps Serve from answering is what there is to say
            # What waits behind a question that hangs is not asked later. One that was sent may still be done after it was
            # told as failed: whoever asks again counts the replicas first.
            asked.cancel()
            raise NotReady(f"Serve does not scale {self._deployment}: {type(error).__name__}: {error}"[:300]) from error


def counted(states: dict[str, int], free_cpus: float) -> Replicas:
    """Return the replicas by Serve's states; those that are being stopped are none. Pure."""
    alive = {str(getattr(state, "value", state)): number for state, number in states.items()}
    asked = sum(number for state, number in alive.items() if state != "STOPPING")
    return Replicas(asked, alive.get("RUNNING", 0), free_cpus)
