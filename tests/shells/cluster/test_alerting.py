"""The emergency alert reaches everybody it can, and stops nobody."""

import threading
from collections.abc import Mapping

from actors.base.errors import StorageUnavailable
from actors.base.ports import IncidentLevel
from cluster.alerting import Emergency
from cluster.control_watch import Notice


class Incidents:
    """Remembers what was opened."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, str, dict[str, str], str]] = []

    def open(self, kind: str, level: IncidentLevel, evidence: Mapping[str, str], dedup_key: str) -> None:
        """Remember."""
        self.opened.append((kind, level, dict(evidence), dedup_key))


class Notifier:
    """Remembers what was sent, then fails if told to."""

    def __init__(self, *, fails: bool = False) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.done = threading.Event()
        self._fails = fails

    def send(self, title: str, body: str, level: IncidentLevel) -> None:
        """Remember, and fail."""
        self.sent.append((title, body, level))
        self.done.set()
        if self._fails:
            raise StorageUnavailable("the receiver is down")


def test_an_alarm_opens_an_incident_and_sends_a_message() -> None:
    """Both say which home, in which phase, and why."""
    incidents, notifier = Incidents(), Notifier()
    Emergency(incidents, notifier, "/home").raise_alarm("restarting", "the node process ended", 2)
    kind, level, evidence, dedup_key = incidents.opened[0]
    assert (kind, level) == ("system_not_serving", "level_1_critical")
    assert evidence["cause"] == "the node process ended"
    assert dedup_key == "system_not_serving:/home"
    assert notifier.done.wait(5)
    title, body, _ = notifier.sent[0]
    assert title == "WeaverGen does not serve"
    assert "/home: the node process ended" in body


def test_the_all_clear_is_a_message_and_no_incident() -> None:
    """People who were woken are told that it is over."""
    incidents, notifier = Incidents(), Notifier()
    Emergency(incidents, notifier, "/home").all_clear()
    assert notifier.done.wait(5)
    assert notifier.sent[0][2] == "level_3_minor"
    assert incidents.opened == []


def test_a_receiver_that_is_down_stops_nothing() -> None:
    """A failing or missing notifier leaves the incident and the caller alone."""
    incidents, notifier = Incidents(), Notifier(fails=True)
    Emergency(incidents, notifier, "/home").raise_alarm("failed", "gave up", 10)
    assert notifier.done.wait(5)
    Emergency(incidents, None, "/home").raise_alarm("failed", "gave up", 10)
    assert len(incidents.opened) == 2


def test_a_control_actors_state_is_told_in_full() -> None:
    """Silence and restarts are incidents with whom and since when; coming back is only a message."""
    incidents, notifier = Incidents(), Notifier()
    alarm = Emergency(incidents, notifier, "home-a")
    for what in ("silent", "restarted", "back"):
        alarm.control(Notice("HealthActor", what, 21.25))
    alarm.settle(10)
    assert [(kind, level, key) for kind, level, _, key in incidents.opened] == [
        ("control_actor_silent", "level_2_major", "control_actor_silent:HealthActor:home-a"),
        ("control_actor_restarted", "level_3_minor", "control_actor_restarted:HealthActor:home-a"),
    ]
    assert incidents.opened[0][2] == {"actor": "HealthActor", "silent_s": "21.2", "home": "home-a"}
    assert sorted(title for title, _, _ in notifier.sent) == [
        "WeaverGen: HealthActor ended and was started again", "WeaverGen: HealthActor gives no sign of life",
        "WeaverGen: HealthActor gives signs of life again",
    ]  # fmt: skip
