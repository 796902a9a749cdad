"""Witnesses of this machine: ``up`` makes them a folder each, the supervisor keeps their processes, SpanActor asks them.

Rules:
- Their keys and their memory lie in ``WEAVERGEN_WITNESS_DIR`` (default: ``witnesses`` beside the operator's keys), in a folder of
  the log's own, never under the home: whoever sets the home back does not set them back.
- Whoever owns this account owns them too: they catch what reaches the home. Against who has the account there are witnesses
  elsewhere. ``/readyz`` says ``witness: co-located`` for every witness whose address is this machine's.
- Whoever checks the log finds them in that directory, whatever the home says of them (``lying_in``).
- A port once chosen is kept while it can be had; keys stay for good, but for one that root revoked: ``up`` makes another.

Left out: what a witness does (``cluster.witness``), asking it (``actors.spans.adapters.witnesses``).
"""

import json
import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Container, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from actors.base.certificates import TrustBundle, revoked_since
from actors.base.errors import HomeError
from actors.base.files import write_atomic
from actors.spans.adapters.witness import unrevoked_key, witness_key
from actors.spans.config import LogConfig, WitnessConfig
from actors.spans.log.checkpoint import origin
from actors.spans.log.note import read_key
from cluster.home import Home
from cluster.node import LOOPBACK, REPOSITORY
from cluster.trust import operator_dir

AGAIN_S = 5.0
"""How soon a witness that ended is started again."""
_log = logging.getLogger("weavergen.supervisor")


@dataclass(frozen=True, slots=True)
class LocalWitness:
    """One of them."""

    folder: str
    name: str
    port: int
    key: str
    """Its verifier key."""

    @property
    def config(self) -> WitnessConfig:
        """Return it as whoever asks it knows it."""
        return WitnessConfig(url=f"http://{LOOPBACK}:{self.port}", key=self.key)


def witness_dir(environ: Mapping[str, str], home: Path) -> Path:
    """Return where witnesses lie; raise ``HomeError`` if that is inside the home."""
    given = environ.get("WEAVERGEN_WITNESS_DIR")
    path = Path(given).expanduser() if given else operator_dir(environ, home) / "witnesses"
    if path.resolve().is_relative_to(home.resolve()):
        raise HomeError(
            f"witnesses must not lie under the home: set WEAVERGEN_WITNESS_DIR to a place outside {home}"
        )  # fmt: skip
    return path.absolute()


def prepare(home: Home, count: int, trust: TrustBundle, directory: Path) -> tuple[LocalWitness, ...]:
    """Make the witnesses of a home's log, or find them; note them for the supervisor and for whoever asks them."""
    of, revoked = origin(trust), revoked_since(trust)
    try:
        found = tuple(_made(directory / of / str(number), of, revoked) for number in range(1, count + 1))
        write_atomic(_file(home), json.dumps([asdict(each) for each in found]).encode())
    except OSError as error:
        raise HomeError(
            f"witnesses cannot be made in {directory} ({error.strerror}); check space and permissions"
        ) from error
    return found


def local_witnesses(home: Home) -> tuple[LocalWitness, ...]:
    """Return the witnesses that were made for a home; none where none were."""
    try:
        return tuple(LocalWitness(**each) for each in json.loads(_file(home).read_bytes()))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError) as error:
        raise HomeError(f"{_file(home)} cannot be read ({error}); run `weavergen down`, then `weavergen up`") from error


def lying_in(directory: Path, trust: TrustBundle) -> tuple[LocalWitness, ...]:
    """Return the witnesses of a log that lie on this machine, but for those whose keys root revoked. Nothing is made."""
    of, revoked = origin(trust), revoked_since(trust)
    try:
        folders = sorted(path.parent for path in (directory / of).glob("*/key") if (path.parent / "port").exists())
        found = [
            LocalWitness(str(each), name, int((each / "port").read_text()), witness_key(each, name).text)
            for each, name in ((each, f"{of}/witness-{each.name}") for each in folders)
        ]
    except (OSError, ValueError) as error:
        raise HomeError(
            f"the witnesses in {directory} cannot be read ({error}); check WEAVERGEN_WITNESS_DIR"
        ) from error
    return tuple(each for each in found if read_key(each.key).public.key_id not in revoked)


def with_local(home: Home, log: LogConfig) -> LogConfig:
    """Return a log's configuration with the witnesses of this machine among those that it names."""
    local = tuple(each.config for each in local_witnesses(home))
    return LogConfig.model_validate({**log.model_dump(), "witnesses": (*log.witnesses, *local)}) if local else log


def co_located(log: LogConfig) -> tuple[str, ...]:
    """Return what ``/readyz`` says of witnesses that share the log's machine. Pure."""
    hosts = {urlsplit(witness.url).hostname or "" for witness in log.witnesses}
    here = log.local_witnesses > 0 or any(
        host == "localhost" or host.startswith("127.") or host == "::1" for host in hosts
    )
    return ("witness: co-located",) if here else ()


class WitnessKeeper:
    """Keeps the processes of a home's witnesses, for the supervisor."""

    def __init__(self, home: Home, environment: Callable[[], dict[str, str]]) -> None:
        self._home, self._environment = home, environment
        self._running: dict[str, tuple[subprocess.Popen[bytes], float]] = {}
        """Name → its process and when that was started (steady)."""

    def keep(self, steady_s: float) -> None:
        """Start each that does not run, but none again too soon."""
        for witness in local_witnesses(self._home):
            process, begun_s = self._running.get(witness.name, (None, steady_s - AGAIN_S))
            if (process is None or process.poll() is not None) and steady_s - begun_s >= AGAIN_S:
                self._running[witness.name] = self._start(witness), steady_s
                _log.info("witness %s started at port %d", witness.name, witness.port)

    def _start(self, witness: LocalWitness) -> subprocess.Popen[bytes]:
        command = [
            sys.executable, "-m", "cluster.witness", "--dir", witness.folder, "--name", witness.name,
            "--trust", str(self._home.trust_file), "--port", str(witness.port),
        ]  # fmt: skip
        with (self._home.logs / f"witness-{Path(witness.folder).name}.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment(), cwd=REPOSITORY
            )


def _made(folder: Path, of: str, revoked: Container[str]) -> LocalWitness:
    name = f"{of}/witness-{folder.name}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    port = _port(folder / "port")
    write_atomic(folder / "port", str(port).encode())
    return LocalWitness(str(folder), name, port, unrevoked_key(folder, name, revoked).text)


def _port(kept: Path) -> int:
    """Return the port that was chosen before if it can be had, else one that can."""
    wanted = kept.read_text().strip() if kept.exists() else "0"
    for port in (int(wanted) if wanted.isdecimal() else 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise HomeError("no port is free on this machine")


def _file(home: Home) -> Path:
    return home.run / "witnesses.json"
