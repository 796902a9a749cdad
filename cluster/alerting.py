"""The emergency alert: the supervisor's own, because everything else may be down when it is needed.

It goes to the log, to the incidents table and, where one is configured, to the webhook. None of the three may stop the
others or the supervisor.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping

from actors.base.errors import WeaverGenError
from actors.base.ports import IncidentLevel, IncidentSink, Notifier
from actors.store.adapters.database import Database
from actors.store.adapters.incidents import IncidentQueue, Incidents
from actors.store.adapters.webhook import SignedWebhook
from actors.store.config import StoreConfig
from cluster.control_watch import Notice, What
from cluster.home import Home

_log = logging.getLogger("weavergen.supervisor")
_TITLE = "WeaverGen does not serve"
_CONTROL: Mapping[What, tuple[str, IncidentLevel]] = {
    "silent": ("gives no sign of life", "level_2_major"),
    "restarted": ("ended and was started again", "level_3_minor"),
    "back": ("gives signs of life again", "level_3_minor"),
}


class Emergency:
    """Raises the alarm once, and says once that it is over."""

    def __init__(
        self,
        incidents: IncidentSink,
        notifier: Notifier | None,
        system: str,
        close: Callable[[float], None] | None = None,
    ) -> None:
        self._incidents = incidents
        self._notifier = notifier
        self._system = system
        self._close = close
        self._sending: list[threading.Thread] = []

    def raise_alarm(self, phase: str, cause: str, restarts: int) -> None:
        """Tell people that the system does not serve."""
        evidence = {"phase": phase, "cause": cause, "restarts": str(restarts), "home": self._system}
        self._incidents.open("system_not_serving", "level_1_critical", evidence, f"system_not_serving:{self._system}")
        body = f"{self._system}: {cause}. The supervisor is {phase} (restarts in a row: {restarts})."
        self._tell(_TITLE, body, "level_1_critical")

    def all_clear(self) -> None:
        """Tell people that it serves again."""
        _log.info("all clear")
        self._tell("WeaverGen serves again", f"{self._system} is ready.", "level_3_minor")

    def control(self, notice: Notice) -> None:
        """Tell people that a control actor is silent, was restarted, or is back; answers do not depend on it."""
        title, level = _CONTROL[notice.what]
        said = f"{notice.name} {title}"
        if notice.what != "back":
            kind = f"control_actor_{notice.what}"
            evidence = {"actor": notice.name, "silent_s": f"{notice.silent_s:.1f}", "home": self._system}
            self._incidents.open(kind, level, evidence, f"{kind}:{notice.name}:{self._system}")
        if notice.repeated:
            return  # its incident counts them
        self._tell(
            f"WeaverGen: {said}", f"{self._system}: {said}, {notice.silent_s:.1f} s after its last sign of life.", level
        )

    def _tell(self, title: str, body: str, level: IncidentLevel) -> None:
        if self._notifier is not None:  # from a thread: a slow receiver must not hold up the restart
            sender = threading.Thread(target=_send, args=(self._notifier, title, body, level), daemon=True)
            self._sending = [*(thread for thread in self._sending if thread.is_alive()), sender]
            sender.start()

    def settle(self, timeout_s: float) -> None:
        """Wait until what was told is delivered and stored, for at most ``timeout_s`` each: the process is about to end."""
        give_up_s = time.monotonic() + timeout_s
        for thread in self._sending:
            thread.join(max(give_up_s - time.monotonic(), 0.0))
        if self._close is not None:
            self._close(timeout_s)


def emergency(home: Home, store: StoreConfig) -> Emergency:
    """Wire the alert to this home's database and webhook."""
    database = Database(store.url(home.root), pool_size=1, timeout_s=store.timeout_s)
    incidents = IncidentQueue(Incidents(database), store.incident_queue)
    notifier = SignedWebhook(store.webhook) if store.webhook is not None else None
    return Emergency(incidents, notifier, str(home.root), incidents.close)


def _send(notifier: Notifier, title: str, body: str, level: IncidentLevel) -> None:
    try:
        notifier.send(title, body, level)
    except WeaverGenError:
        _log.exception("the alert could not be delivered")
