"""The supervisor: a small process outside Ray that starts the node, watches it and brings it back.

``python -m cluster.supervisor --home DIR`` (``up`` starts it detached; ``weavergen.service`` runs it under systemd). Decisions
are ``supervision.decide``; here are the effects: processes, probes, the issuer's loop, the emergency alert. It holds no
connection to Ray, serves no request and decides nothing about answers.
"""

import argparse
import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import FrameType
from typing import Literal

from actors.base.errors import HomeError, WeaverGenError
from actors.base.files import write_atomic
from actors.base.locks import only_one
from actors.base.signing import SigningKey
from cluster.alerting import Emergency, emergency
from cluster.config import Config
from cluster.control_watch import Watched, watch
from cluster.home import Home, open_home
from cluster.issuer import Issuer, writer_is_alive
from cluster.local_witnesses import WitnessKeeper
from cluster.node import LOOPBACK, REPOSITORY, Node, require_port
from cluster.port_hold import hold_port
from cluster.probes import Answer, fetch, http_status
from cluster.processes import adopt_orphans, end, lead, lineage, reap
from cluster.status import Status, beat, gateway_url, processes, session_file, system_id, write_status
from cluster.supervision import Action, Ready, Seen, State, Step, alarm_failed, begin, decide, is_blocked
from serve_apps.beats import CONTROL_ACTORS, read_beat
from serve_apps.gateway.readiness import RESTART_HEADER, SYSTEM_HEADER

_log = logging.getLogger("weavergen.supervisor")
_LOG_BYTES = 4 << 20
_EXIT_WAIT_S = 20.0
_ALARM_WAIT_S = 15.0
_ALARM_AGAIN_S = 900.0


class Supervisor:
    """Runs one home's node until it is told to stop."""

    def __init__(self, home: Home, config: Config, node: Node, alarm: Emergency) -> None:
        self._home = home
        self._config = config
        self._node = node
        self._alarm = alarm
        self._system = system_id(home, config)
        self._stopping = threading.Event()
        self._node_process: subprocess.Popen[bytes] | None = None
        self._deploy_process: subprocess.Popen[bytes] | None = None
        self._witnesses = WitnessKeeper(home, node.environment)
        self._swept = True
        self._fault = ""
        self._control = Watched()
        self._told: Status | None = None
        self._actions: dict[Action, Callable[[State], None]] = {
            Action.END_ALL: lambda _: self._end_all(),
            Action.START_NODE: lambda _: self._start_node(),
            Action.DEPLOY: lambda _: self._deploy(),
            Action.ALERT: lambda state: self._alarm.raise_alarm(state.phase, state.cause, state.restarts),
            Action.ALL_CLEAR: lambda _: self._alarm.all_clear(),
        }

    def stop(self) -> None:
        """Ask the loop to end."""
        self._stopping.set()

    def run(self) -> None:
        """Look, decide, act, note; until stopped. Then end everything that is ours."""
        step = begin(time.monotonic())
        try:
            while True:
                state = self.act(step)
                self.watch_control()
                self.keep_witnesses()
                self._note(state)
                if self._stopping.wait(self._config.supervisor.poll_s):
                    return
                step = decide(state, self.see(), self._config.supervisor, time.monotonic())
        finally:
            _log.info("stopping: ending every process of this home")
            self.act(
                Step(State("restarting", time.monotonic()), (Action.END_ALL,))
            )  # what remains is in the log, and `down` says it
            with contextlib.suppress(OSError, WeaverGenError):
                self._node.tidy()

    def see(self) -> Seen:
        """Look; a look that fails is itself something seen, and no reason to end what runs."""
        try:
            seen = replace(self._look(), swept=self._swept, fault=self._fault)
        except Exception as error:  # noqa: BLE001 - whatever it is: ending would take the system along
            _log.exception("looking failed")
            alive = self._node_process is not None and self._node_process.poll() is None
            fault = f"the supervisor cannot look: {error}"
            return Seen(alive, alive, self._deploy_state(), "blocked", self._swept, fault)
        self._fault = ""
        return seen

    def act(self, step: Step) -> State:
        """Do what was decided; what fails is seen at the next look, and the rest is done all the same."""
        state = step.state
        for action in step.actions:
            _log.info("%s: %s %s", state.phase, action, state.cause)
            try:
                self._actions[action](state)
            except Exception as error:  # noqa: BLE001 - likewise
                _log.exception("%s failed", action)
                self._fault = f"{action} failed: {error}"
                if action is Action.ALERT:
                    state = alarm_failed(state)
        return state

    def watch_control(self) -> None:
        """Look at the control actors' signs of life, where they were deployed; tell what is new."""
        if self._deploy_state() != "done":
            self._control = Watched()
            return
        seen = {name: read_beat(self._home.root, name) for name in CONTROL_ACTORS}
        silent_s = self._config.supervisor.control_silent_s
        self._control, notices = watch(self._control, seen, silent_s, time.monotonic())
        for notice in notices:
            _log.warning("%s: %s, %.1f s after its last sign of life", notice.name, notice.what, notice.silent_s)
            try:
                self._alarm.control(notice)
            except Exception as error:  # noqa: BLE001 - likewise
                _log.exception("telling failed")
                self._fault = f"telling of {notice.name} failed: {error}"

    def keep_witnesses(self) -> None:
        """Start the log's witnesses of this machine, where a node runs and one of them does not."""
        if self._node_process is None:
            return
        try:
            self._witnesses.keep(time.monotonic())
        except (OSError, HomeError) as error:  # they are asked again; who waits for them says so
            _log.exception("witnesses cannot be started")
            self._fault = f"witnesses cannot be started: {error}"

    def _look(self) -> Seen:
        reap([child.pid for child in (self._node_process, self._deploy_process) if child is not None])
        node_alive = self._node_process is not None and self._node_process.poll() is None
        deploy = self._deploy_state()
        return Seen(
            node_alive=node_alive,
            node_up=node_alive and (deploy != "none" or self._node_up()),
            deploy=deploy,
            ready=self._readiness() if node_alive and deploy == "done" else "no",
        )

    def _readiness(self) -> Ready:
        return read_readiness(fetch("GET", f"{gateway_url(self._config)}/readyz"), self._system)

    def _note(self, state: State) -> None:
        now_s = time.monotonic()
        since = round(time.time() - (now_s - state.since_s))
        blocked = is_blocked(state, self._config.supervisor, now_s)
        config = self._config
        status = Status(
            state.phase, state.cause, state.restarts, since, config.sha256, config.gateway.port, blocked, state.alerted
        )
        try:
            if self._told is None or replace(status, since_unix_s=self._told.since_unix_s) != self._told:
                write_status(self._home, status)
                self._told = status
        except OSError as error:
            _log.warning("status cannot be written: %s", error)
        with contextlib.suppress(OSError):
            beat(self._home)

    def _node_up(self) -> bool:
        ports = self._node.ports
        checks = ((ports.dashboard, "gcs_healthz"), (ports.dashboard_agent, "local_raylet_healthz"))
        return all(http_status(f"http://{LOOPBACK}:{port}/api/{path}") == 200 for port, path in checks)

    def _deploy_state(self) -> Literal["none", "running", "done", "failed"]:
        if self._deploy_process is None:
            return "none"
        code = self._deploy_process.poll()
        if code is None:
            return "running"
        return "done" if code == 0 else "failed"

    def _start_node(self) -> None:
        require_port(self._config.gateway.host, self._config.gateway.port)
        self._node.prepare()
        self._node_process = self._node.start()
        _log.info("node started, process %d", self._node_process.pid)

    def _deploy(self) -> None:
        with (self._home.logs / "deploy.log").open("wb") as log:
            self._deploy_process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
                [sys.executable, "-m", "cluster.deploy", "--home", str(self._home.root)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._node.environment(),
                cwd=REPOSITORY,
            )

    def _end_all(self) -> None:
        """End everything; whether that left nothing is kept for the next look."""
        self._swept = False
        spare = lineage(os.getpid())
        left = end(lambda: processes(self._home), self._config.supervisor.stop_grace_s, spare)
        for child in (self._deploy_process, self._node_process):
            if child is not None:
                child.wait(_EXIT_WAIT_S)
        self._deploy_process = self._node_process = None
        reap(())
        if left:
            _log.error("could not end processes %s", [known.pid for known in left])
        self._swept = not left


def read_readiness(answer: Answer, system: str) -> Ready:
    """Return what ``/readyz`` said, if it was ``system``'s own gateway that said it. Pure."""
    whose = answer.headers.get(SYSTEM_HEADER)
    if whose is None and answer.status != 200:
        return "no"  # nobody, or the ingress in front of a gateway that is away
    if whose != system:
        return "foreign"
    if answer.status == 200:
        return "yes"
    return "blocked" if answer.headers.get(RESTART_HEADER) == "no" else "no"


def run_issuer(issuer: Issuer, poll_s: float, stopping: threading.Event) -> None:
    """Answer certificate requests until ``stopping``."""
    while not stopping.wait(poll_s):
        try:
            issuer.tick(int(time.time()))
        except Exception:  # noqa: BLE001 - without an issuer no replica lives longer than a day: never end
            _log.exception("issuing certificates failed; trying again")


def supervise(home: Home) -> None:
    """Supervise a home in this process until SIGTERM or SIGINT."""
    alarm = emergency(home, home.salvage().store)  # first: that the configuration cannot be read is told, too
    try:
        config = home.read_config()
        with hold_port(config.gateway.port):
            _supervise(home, config, alarm)
    except Exception as error:
        _last_word(home, alarm, f"the supervisor ended: {error}")
        raise


def _last_word(home: Home, alarm: Emergency, cause: str) -> None:
    """Raise the alarm that we end, once for a cause in a while: systemd starts us again every few seconds."""
    mark = home.run / "ended"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if mark.read_text("utf-8") == cause and time.time() - mark.stat().st_mtime < _ALARM_AGAIN_S:
            return
    alarm.raise_alarm("ended", cause, 0)
    alarm.settle(_ALARM_WAIT_S)
    with contextlib.suppress(OSError):  # then the next one is told, too
        write_atomic(mark, cause.encode("utf-8", "replace"))


def _supervise(home: Home, config: Config, alarm: Emergency) -> None:
    worker = Supervisor(home, config, Node(home, config), alarm)
    stopping = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stopping.set()
        worker.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    key_file, wal = home.keys / "issuer.key", home.root / "wal"
    SigningKey.load(key_file)  # a key that is missing or open to others is said now, not at the first request
    issuer = Issuer(
        home.certs,
        lambda: SigningKey.load(key_file),
        config.supervisor.max_writers,
        lambda writer: writer_is_alive(wal, writer),
    )
    poll_s = config.supervisor.issuer_poll_ms / 1000
    threading.Thread(target=run_issuer, args=(issuer, poll_s, stopping), name="issuer", daemon=True).start()
    worker.run()


def _only_one(home: Home) -> int:
    return only_one(home.run / "supervisor.lock", f"another supervisor already runs for {home.root}")


def main() -> int:
    """Supervise the home named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m cluster.supervisor", description=__doc__)
    parser.add_argument("--home", required=True, type=Path)
    home = open_home(parser.parse_args().home.absolute())
    os.umask(0o077)
    log = RotatingFileHandler(home.logs / "supervisor.log", maxBytes=_LOG_BYTES, backupCount=3)
    logging.basicConfig(level=logging.INFO, handlers=[log], format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        _only_one(home)
        # What a supervisor that was killed left behind: found by its session, which is about to be written over.
        end(lambda: processes(home), 0.0, lineage(os.getpid()))
        lead(session_file(home))
        adopt_orphans()
        supervise(home)
    except Exception:  # noqa: BLE001 - the last word of a process without a terminal belongs in its log
        _log.exception("the supervisor ends")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
