"""``up`` and ``down``: from nothing, or from whatever was left, to a system that serves, and back.

``up`` is idempotent. In order: home, configuration, what is running already, left-overs, port, trust, database, keys,
weights, application, policy, supervisor, ready. Every step completes what an interrupted one left, and policy changes only
when nothing is left that could refuse the profile.
"""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from actors.base.digests import sha256_hex
from actors.base.errors import ConfigurationError, HomeError, WeaverGenError
from actors.base.files import write_atomic
from cluster import local_witnesses, witness_register
from cluster import trust as trusts
from cluster.access import database, ensure_keys
from cluster.application import app_settings, catalog_entry, lineages
from cluster.client import Refused, gateway_client
from cluster.config import AnswersFile, Config, load_profile, plain, read_config, with_recorded
from cluster.deploy import app_file
from cluster.home import Home, create_home
from cluster.migrations import upgrade
from cluster.node import REPOSITORY, Node, require_port
from cluster.port_hold import require_unheld
from cluster.processes import alive, end, lineage, process
from cluster.profile_policy import ensure_policy
from cluster.status import NotServing, Status, is_stuck, processes, read_status, session_file, supervisor
from cluster.succession import Succession
from models.catalog import Catalog, load_catalog
from models.errors import AnswersError, WeightsError
from models.recorded import load_recorded
from models.sealed.engine import why_not
from models.weights import allows_hub, models_dir_of, resolve
from serve_apps.builder import AppSettings

LOCK_WAIT_S = 1800.0
MIN_FREE_BYTES = 1 << 30
_POLL_S = 0.25
_STOP_WAIT_S = 90.0
_STUCK_WAIT_S = 5.0
_SUPERVISOR_START_S = 15.0
_PATIENCE_RESTARTS = 5
"""Restarts in a row after which `up` waits no longer; the supervisor goes on."""


class Reporter(Protocol):
    """Shows progress to whoever waits."""

    def step(self, text: str) -> None:
        """Say what is being done now."""

    def progress(self, what: str, stage: str, done: int, total: int) -> None:
        """Say how far a long step is."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    profile: str
    port: int | None
    answers: tuple[Path, ...]


def configure(wanted: Wanted) -> Config:
    """Return the effective configuration of a profile and the command line's overrides."""
    data = load_profile(wanted.profile)
    if wanted.answers:
        data = _with_answers(data, wanted.answers)
    if wanted.port is not None:
        section = data.get("gateway") or {}
        data = {**data, "gateway": {**section, "port": wanted.port}}
    config = read_config(data, f"profile {wanted.profile}")
    if not config.voters or not config.layers:
        raise ConfigurationError(
            f"profile {config.profile} has no voters or no layers; add them, or give --answers FILE"
        )
    if any(voter.provider == "recorded" for voter in config.voters) and not config.answers:
        raise ConfigurationError("recorded voters need --answers FILE")
    return config


def bring_up(root: Path, wanted: Wanted, reporter: Reporter) -> tuple[Home, Config, bool]:
    """Bring a home up and wait until it is ready; return it, its configuration and whether it was running already."""
    config = configure(wanted)
    require_surroundings(config, gpu_count())
    catalog = load_catalog()
    voter_lineages = lineages(config, catalog)
    require_lineages(config, voter_lineages)
    home = create_home(root)
    with home.exclusively(
        "up", LOCK_WAIT_S, lambda: reporter.step("another `weavergen` is busy in this home; waiting")
    ):
        if running(home) and not ended_stuck(home, config, reporter):
            _require_same(home, config)
            await_ready(home, config, reporter)
            return home, config, True
        _clear_leftovers(home, config)
        why_open = require_sealable(config, lambda: asyncio.run(why_not()))
        require_unheld(config.gateway.port)
        require_port(config.gateway.host, config.gateway.port)
        _require_space(home)
        reporter.step("keys, database")
        _prepare_state(home, config)
        _prepare_witnesses(home, config, reporter)
        models = resolve_weights(home, config, catalog, reporter)
        settings = _application(home, config, catalog, models, why_open)
        reporter.step("policy")
        _bring_into_force(home, config, voter_lineages, reporter)
        _write_application(home, config, settings)
        start_supervisor(home, config)
        await_ready(home, config, reporter)
    return home, config, False


def bring_down(home: Home, reporter: Reporter) -> int:
    """End everything that runs for a home; return how many processes that were. Raise if one remains."""
    ended: list[int] = []
    with home.exclusively("down", _STOP_WAIT_S, lambda: ended.extend(_end_bring_up(home, reporter))):
        count = len(_ours(home)) + len(ended)
        reporter.step(f"ending {count} processes")
        _stop_supervisor(home, _STOP_WAIT_S)
        left = end(lambda: processes(home), 5.0, lineage(os.getpid()))
        if left:
            raise HomeError(
                f"processes {', '.join(str(known.pid) for known in left)} could not be ended; end them by hand"
            )
        session_file(home).unlink(missing_ok=True)
        (home.run / "status.json").unlink(missing_ok=True)
        with contextlib.suppress(WeaverGenError):  # no configuration that can be read: no node to tidy after
            Node(home, home.read_config()).tidy()
        return count


def running(home: Home) -> bool:
    """Tell whether a home's supervisor runs."""
    return supervisor(home) is not None


def start_supervisor(home: Home, config: Config) -> None:
    """Start the supervisor, detached from this process and its terminal."""
    node = Node(home, config)
    node.prepare()
    (home.run / "status.json").unlink(missing_ok=True)
    with (home.logs / "supervisor.out").open("wb") as log:
        subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            [sys.executable, "-m", "cluster.supervisor", "--home", str(home.root)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=node.environment(),
            cwd=REPOSITORY,
            start_new_session=True,
        )


def await_ready(home: Home, config: Config, reporter: Reporter) -> None:
    """Wait until the supervisor says ready; raise ``NotServing`` with what to do when waiting longer is of no use."""
    limits = config.supervisor
    give_up = time.monotonic() + limits.start_timeout_s + limits.deploy_timeout_s + 60
    started, told = time.monotonic(), ""
    while time.monotonic() < give_up:
        status = read_status(home)
        if status is not None and is_served(status, config, lambda: reasons(home, config)):
            return
        if time.monotonic() - started > _SUPERVISOR_START_S and not running(home):
            raise NotServing(f"the supervisor ended; see {home.logs / 'supervisor.log'}")
        if (text := _words(status)) != told:
            reporter.step(text)
            told = text
        reporter.progress("starting", text, int(time.monotonic() - started), 0)
        time.sleep(_POLL_S)
    raise NotServing(f"not ready in time; the supervisor goes on trying. See {home.logs}; `weavergen down` ends it")


def is_served(status: Status, config: Config, reasons: Callable[[], str]) -> bool:
    """Tell whether the supervisor serves this configuration; raise ``NotServing`` where waiting is of no use."""
    if status.config_sha256 != config.sha256:
        raise NotServing(
            "the supervisor that runs here has another configuration; run `weavergen down`, then `weavergen up`"
        )
    if status.blocked:
        raise NotServing(
            f"it waits for what no restart brings: {reasons() or status.cause}. Mend that and it becomes ready by itself; "
            "`weavergen down` ends it"
        )
    if status.phase != "ready" and status.restarts >= _PATIENCE_RESTARTS:
        raise NotServing(
            f"restarted {status.restarts} times in a row: {status.cause}. The supervisor goes on trying; mend the cause, or "
            "`weavergen down` and `weavergen up` start anew"
        )
    return status.phase == "ready"


def reasons(home: Home, config: Config) -> str:
    """Return what the gateway says is missing; empty if it says nothing."""
    try:
        found = gateway_client(home, config, home.keys / "client.key").get("/readyz").get("reasons")
    except Refused as error:
        found = error.details.get("reasons")
    except WeaverGenError:
        return ""
    return "; ".join(str(reason) for reason in found) if isinstance(found, list) else ""


def resolve_weights(home: Home, config: Config, catalog: Catalog, reporter: Reporter) -> dict[str, Path]:
    """Return where each local voter's verified weights lie, fetching them if need be."""
    directory = models_dir_of(home.root, os.environ)
    models: dict[str, Path] = {}
    for voter in config.voters:
        if voter.provider != "vllm":
            continue
        reporter.step(f"weights of {voter.id}")
        entry = catalog_entry(voter, catalog)
        try:
            models[voter.id] = resolve(
                entry, directory, _progress_of(voter.id, reporter), allow_hub=allows_hub(os.environ)
            )
        except WeightsError as error:
            raise ConfigurationError(f"voter {voter.id}: {error}") from error
    return models


def _progress_of(voter: str, reporter: Reporter) -> Callable[[str, int, int], None]:
    return lambda stage, done, total: reporter.progress(voter, stage, done, total)


def _with_answers(data: dict[str, Any], paths: tuple[Path, ...]) -> dict[str, Any]:
    files = tuple(path.absolute() for path in paths)
    try:
        infos = load_recorded(files).infos
        digests = [AnswersFile(path=path, sha256=sha256_hex(path.read_bytes())) for path in files]
    except (AnswersError, OSError) as error:
        raise ConfigurationError(f"recorded answers: {error}") from error
    return with_recorded(data, [(info.id, info.family, info.lineage) for info in infos], digests)


def _require_same(home: Home, config: Config) -> None:
    try:
        in_force = home.read_config()
    except HomeError as error:
        raise ConfigurationError(
            f"{home.root} runs with a configuration that cannot be read: run `weavergen down` first ({error})"
        ) from error
    if in_force.sha256 != config.sha256:
        raise ConfigurationError(
            f"{home.root} runs with another configuration (profile {in_force.profile}, port {in_force.gateway.port}); "
            "run `weavergen down` first, or use another --home"
        )


def gpu_count() -> int:
    """Return how many GPUs the driver shows on this machine."""
    return len([path for path in Path("/dev").glob("nvidia*") if path.name.removeprefix("nvidia").isdigit()])


def require_surroundings(config: Config, gpus: int) -> None:
    """Raise ``ConfigurationError`` if this machine lacks something that the configuration takes for granted."""
    if not config.ray.temp_root.is_dir():
        raise ConfigurationError(f"ray.temp_root: {config.ray.temp_root} is no directory; make it or name another")
    needed = sum(voter.provider == "vllm" and voter.pool == "gpu" for voter in config.voters)
    if config.ray.bind == "loopback" and needed > gpus:  # on several machines the GPUs are the workers'
        raise ConfigurationError(
            f"voters: {needed} engines of pool gpu need a GPU each and this machine shows {gpus}; choose --profile cpu"
        )


def require_sealable(config: Config, why_not: Callable[[], str]) -> str:
    """Return why engines cannot be closed off here, empty if none must be or all can; raise ``ConfigurationError`` to refuse."""
    closed = [voter.id for voter in config.voters if voter.egress == "none"]
    # On several machines each engine is held to it where it runs, or does not start.
    is_asked_here = closed and config.ray.bind == "loopback"
    reason = why_not() if is_asked_here else ""
    if reason and config.engine.unsealed == "refuse":
        raise ConfigurationError(
            f"voter {closed[0]}: egress none cannot be had here: {reason}. Install bubblewrap and let it make namespaces, or set "
            "engine.unsealed: tell, which starts the engine with a network and says so"
        )
    return reason


def require_lineages(config: Config, voter_lineages: dict[str, str]) -> None:
    """Raise ``ConfigurationError`` for a layer that asks for more lineages than its members have."""
    for index, layer in enumerate(config.layers):
        found = len({voter_lineages[member] for member in layer.members})
        if layer.min_lineages > found:
            raise ConfigurationError(
                f"layers.{index}.min_lineages: layer {layer.name} asks for {layer.min_lineages}, its members have {found}"
            )


def _prepare_state(home: Home, config: Config) -> None:
    trust = trusts.ensure_trust(home, trusts.operator_dir(os.environ, home.root), int(time.time()))
    with database(home, config.store) as opened:
        upgrade(opened)
        ensure_keys(home, opened, trust)


def _prepare_witnesses(home: Home, config: Config, reporter: Reporter) -> None:
    directory = local_witnesses.witness_dir(os.environ, home.root)
    trust = trusts.load_trust(home.trust_file)
    found = local_witnesses.prepare(home, config.log.local_witnesses, trust, directory)
    operators, keys = trusts.operator_dir(os.environ, home.root), [each.config.note_key for each in found]
    if left := witness_register.certify_local(home, operators, keys, int(time.time())):
        how = f"root.key is not in {operators}: bring it for `weavergen witnesses add {' '.join(key.text for key in keys)}`"
        reporter.step(f"`verify` does not count {', '.join(left)}; {how}")


def _bring_into_force(home: Home, config: Config, voter_lineages: dict[str, str], reporter: Reporter) -> None:
    operators = trusts.operator_dir(os.environ, home.root)
    trust = trusts.load_trust(home.trust_file)
    with database(home, config.store) as opened:
        succession = Succession(home, config.policy, lambda: trust, opened)
        followed = ensure_policy(succession, config, voter_lineages, lambda: trusts.operator_key(operators))
        if followed.loosened:
            reporter.step(f"the profile changed, and the policy is looser than it was: {followed.loosened}")


def _application(home: Home, config: Config, catalog: Catalog, models: dict[str, Path], why_open: str) -> AppSettings:
    operators = trusts.operator_dir(os.environ, home.root)
    shared = trusts.co_located(operators) + local_witnesses.co_located(config.log)
    return app_settings(home, config, catalog, models, shared, why_open)


def _write_application(home: Home, config: Config, settings: AppSettings) -> None:
    write_atomic(app_file(home), json.dumps(plain(settings)).encode())
    home.write_config(config)  # last: without it nothing starts, and with another one nothing is deployed


def _require_space(home: Home) -> None:
    free = shutil.disk_usage(home.root).free
    if free < MIN_FREE_BYTES:
        raise HomeError(f"only {free >> 20} MiB free at {home.root}; free {MIN_FREE_BYTES >> 20} MiB or choose --home")


def _clear_leftovers(home: Home, config: Config) -> None:
    if _ours(home):
        left = end(lambda: processes(home), config.supervisor.stop_grace_s, lineage(os.getpid()))
        if left:
            raise HomeError(f"left-over processes {', '.join(str(known.pid) for known in left)} could not be ended")
    session_file(home).unlink(missing_ok=True)


def _ours(home: Home) -> list[int]:
    spare = lineage(os.getpid())
    return [known.pid for known in processes(home) if known.pid not in spare]


def ended_stuck(home: Home, config: Config, reporter: Reporter) -> bool:
    """End a supervisor that has stopped going round; tell whether that was so."""
    grace_s, round_s = config.supervisor.stop_grace_s, config.supervisor.poll_s
    if not is_stuck(home, grace_s):
        return False
    time.sleep(2 * round_s + 1)  # a clock that was set, or a machine that slept, shows as one late round
    if not is_stuck(home, grace_s):
        return False
    reporter.step("the supervisor does not go round any more; replacing it")
    _stop_supervisor(home, _STUCK_WAIT_S)
    return True


def _end_bring_up(home: Home, reporter: Reporter) -> list[int]:
    """End the `up` that holds the lock of this home, if it is one; return its process id."""
    what, pid = home.busy() or ("", 0)
    known = process(pid) if what == "up" else None
    if known is None:
        reporter.step("another `weavergen` is busy in this home; waiting")
        return []
    reporter.step(f"ending `weavergen up` (process {pid})")
    end(lambda: [known] if alive(known) else [], _STUCK_WAIT_S)
    return [pid]


def _stop_supervisor(home: Home, grace_s: float) -> None:
    known = supervisor(home)
    if known is None:
        return
    left = end(lambda: [known] if supervisor(home) == known else [], grace_s)
    if left:
        raise HomeError(f"supervisor {known.pid} could not be ended")


def _words(status: Status | None) -> str:
    if status is None:
        return "supervisor"
    cause = f": {status.cause}" if status.cause else ""
    return f"{status.phase}{cause}" + (f" (restart {status.restarts})" if status.restarts else "")
