"""The supervisor: a small process outside Ray that starts the node, watches it and brings it back.

``python -m cluster.supervisor --home DIR`` (``up`` starts it detached; ``weavergen.service`` runs it under systemd). Decisions
are ``supervision.decide``; here are the effects: processes, probes, the issuer's loop, the emergency alert. It holds no
connection to Ray, serves no request and decides nothing about answers.
"""

import argparse
import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import FrameType
from typing import Literal

from actors.base.errors import HomeError, WeaverGenError
from actors.base.signing import SigningKey
from cluster.alerting import Emergency, emergency
from cluster.config import Config
from cluster.home import Home, open_home
from cluster.issuer import Issuer, writer_is_alive
from cluster.node import LOOPBACK, REPOSITORY, Node
from cluster.probes import http_status
from cluster.processes import adopt_orphans, end, lead, lineage, reap
from cluster.status import Status, processes, session_file, write_status
from cluster.supervision import Action, Seen, State, Step, begin, decide

_log = logging.getLogger("weavergen.supervisor")
_LOG_BYTES = 4 << 20
_EXIT_WAIT_S = 20.0


class Supervisor:
    """Runs one home's node until it is told to stop."""

    def __init__(self, home: Home, config: Config, node: Node, alarm: Emergency) -> None:
        self._home = home
        self._config = config
        self._node = node
        self._alarm = alarm
        self._stopping = threading.Event()
        self._node_process: subprocess.Popen[bytes] | None = None
        self._deploy_process: subprocess.Popen[bytes] | None = None
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
        """Decide, act, note; until stopped. Then end everything that is ours."""
        step = begin(time.monotonic())
        try:
            while True:
                self._act(step)
                self._note(step.state)
                if self._stopping.wait(self._config.supervisor.poll_s):
                    return
                step = decide(step.state, self._look(), self._config.supervisor, time.monotonic())
        finally:
            _log.info("stopping: ending every process of this home")
            self._end_all()
            self._node.tidy()

    def _look(self) -> Seen:
        reap([child.pid for child in (self._node_process, self._deploy_process) if child is not None])
        node_alive = self._node_process is not None and self._node_process.poll() is None
        deploy = self._deploy_state()
        return Seen(
            node_alive=node_alive,
            node_up=node_alive and (deploy != "none" or self._node_up()),
            deploy=deploy,
            ready=node_alive and deploy == "done" and http_status(self._url("/readyz")) == 200,
        )

    def _act(self, step: Step) -> None:
        for action in step.actions:
            _log.info("%s: %s %s", step.state.phase, action, step.state.cause)
            self._actions[action](step.state)

    def _note(self, state: State) -> None:
        since = time.time() - (time.monotonic() - state.since_s)
        status = Status(state.phase, state.cause, state.restarts, since, self._config.sha256, self._config.gateway.port)
        try:
            write_status(self._home, status)
        except OSError as error:
            _log.warning("status cannot be written: %s", error)

    def _url(self, path: str) -> str:
        host = self._config.gateway.host
        return f"http://{LOOPBACK if host in ('0.0.0.0', '::') else host}:{self._config.gateway.port}{path}"  # noqa: S104

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
        try:
            self._node.prepare()
            self._node_process = self._node.start()
        except (OSError, WeaverGenError):
            _log.exception("the node cannot be started")  # seen as a dead node: back-off, alert, another try
        else:
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
        spare = lineage(os.getpid())
        left = end(lambda: processes(self._home), self._config.supervisor.stop_grace_s, spare)
        for child in (self._deploy_process, self._node_process):
            if child is not None:
                child.wait(_EXIT_WAIT_S)
        self._deploy_process = self._node_process = None
        reap(())
        if left:
            _log.error("could not end processes %s", [known.pid for known in left])


def run_issuer(issuer: Issuer, poll_s: float, stopping: threading.Event) -> None:
    """Answer certificate requests until ``stopping``."""
    while not stopping.wait(poll_s):
        try:
            issuer.tick(int(time.time()))
        except Exception:  # noqa: BLE001 - without an issuer no replica lives longer than a day: never end
            _log.exception("issuing certificates failed; trying again")


def supervise(home: Home) -> None:
    """Supervise a home in this process until SIGTERM or SIGINT."""
    config = home.read_config()
    worker = Supervisor(home, config, Node(home, config), emergency(home, config))
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
    handle = os.open(home.run / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise HomeError(f"another supervisor already runs for {home.root}") from error
    return handle


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
