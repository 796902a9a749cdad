"""Lifetimes of what control processes look after: health, space, content, the log, supervision.

Each function lets one thing begin at 0 and returns what production's class says of it ``age_s`` later, by its injected clock.
"""

import os
import time
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from actors.base.errors import NotReady
from actors.base.ids import ulid
from actors.consensus.retention.adapters.store import ContentStore
from actors.health.actor import HealthActor
from actors.health.adapters.capture import CONTENT, SWITCH, CaptureOff
from actors.health.adapters.space import HomeSpace
from actors.health.exposition import VOTES, BallotWindow
from actors.health.monitors import Readings, Unread
from actors.health.ports import Past, Replicas, Tick
from actors.health.relief import QueueRelief
from actors.health.scaling import Size
from actors.spans.adapters.backup import BackedTable
from actors.spans.adapters.check import Checked, Whole
from actors.spans.adapters.files import DirectoryFiles
from actors.spans.adapters.handover import HandoverFile
from actors.spans.adapters.reporting import Reports
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.stores import HANDOVER
from actors.spans.adapters.swaps import Swaps
from actors.spans.adapters.table import SpanTable
from actors.spans.authenticity import Unjudged, Writers
from actors.spans.checkers.storm import Seen as Rows
from actors.spans.checkers.storm import StormWindow
from actors.spans.compaction import Limits, TableFile, plan
from actors.spans.failover import Handover
from actors.spans.otlp.intake import take
from actors.spans.record import read_envelope
from actors.spans.retention import ended, last_kept_ms
from actors.spans.span import Span
from cluster.cli.log import LATE, told
from cluster.config import Config
from cluster.control_watch import Watched, watch
from cluster.simulation import authority
from cluster.simulation.expiries.requests import Nobody
from cluster.simulation.questions import QUESTIONS
from cluster.simulation.storm import SITE
from cluster.simulation.world import Arrival, World
from cluster.supervision import Seen, State, decide, is_blocked
from serve_apps.beats import Beat
from serve_apps.health import MetricsReader

_WELL = Seen(node_alive=True, node_up=True, deploy="done", ready="yes")
_UNREADY = Seen(node_alive=True, node_up=True, deploy="done", ready="no")
_LATER_S = 1000.0
"""Past the start of clocks that count from 0."""


class _Unread:
    """A machine of which nothing can be read, and nothing is known."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def read(self, now_s: float) -> Readings:  # noqa: ARG002 - the port's
        """Return that it cannot be read."""
        return Readings({name: Unread("nobody answers") for name in self._names}, Unread("nobody answers"))

    def load(self, since_ms: int) -> Past:  # noqa: ARG002 - the port's
        """Return nothing."""
        return Past()

    def add(self, tick: Tick) -> None:
        """Keep nothing."""


def start_grace(config: Config, age_s: float, _: Path) -> bool:
    """Return whether a queue that nobody publishes counts as blind."""
    machine = _Unread(tuple(signal.name for signal in config.health.signals))
    actor = HealthActor(config.health, machine, machine, Nobody(), {}, 0.0)
    return "blind/queue" in actor.tick(age_s).alarms.watches


def voter_window(config: Config, age_s: float, _: Path) -> bool:
    """Return whether ballots are still in the window in which voters are judged."""
    ballots = BallotWindow(config.health.voter_window_s, 10)
    key = (VOTES, (("outcome", "agreed"), ("voter", "a")))
    for at_s, count in ((0.0, 0.0), (1.0, 3.0), (1.0 + age_s, 3.0)):
        ballots.add(at_s, {key: count})
    return bool(ballots.voters())


def storm(config: Config, age_s: float, _: Path) -> bool:
    """Return whether rows that were set aside still make a storm."""
    spans = config.spans
    window = StormWindow(spans.storm_window_s, spans.storm_min_bad, spans.storm_share)
    window.add(Rows(spans.storm_min_bad, spans.storm_min_bad, "a row", 0), 0.0)
    return window.add(Rows(0, 0, "", 0), age_s) is not None


def metrics(config: Config, age_s: float, _: Path) -> bool:
    """Return whether a page of metrics may still be gone by; it is dated by the machine's steady clock."""

    async def page() -> bytes:
        return b""

    reader = MetricsReader(page, 1.0, config.health.metrics_max_age_s)
    reader.look()
    try:
        reader.newest(time.monotonic() + age_s)
    except NotReady:
        return False
    return True


def capture(config: Config, age_s: float, folder: Path) -> bool:
    """Return whether content is still not captured, with room on the disk since."""
    for name in (CONTENT, "run"):
        (folder / name).mkdir(exist_ok=True)
    space = CaptureOff(folder, HomeSpace(folder, 10, 60.0), config.health)
    space.carry_out(0.0)
    space.settle(0.0, 0.0)
    space.settle(age_s, 0.0)
    return (folder / "run" / SWITCH).exists()


def sent_span(config: Config, age_s: float, _: Path) -> bool:
    """Return whether a span of another service that began so long ago is taken."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    began_ns = config.otlp.max_age_s * 10**9
    span.start_time_unix_nano = span.end_time_unix_nano = began_ns
    return bool(take(request, "key", "tenant", config.otlp, began_ns + round(age_s * 1e9)).rows)


def unfinished_file(config: Config, age_s: float, folder: Path) -> bool:
    """Return whether a temporary file that nobody finished is left when space is needed."""
    path = folder / ".state.json.abcdefgh"
    path.touch()
    os.utime(path, (_LATER_S, _LATER_S))
    HomeSpace(folder, config.health.free_max_files, config.health.free_min_age_s).carry_out(_LATER_S + age_s)
    return path.exists()


def small_files(config: Config, age_s: float, folder: Path) -> int:
    """Return how many of two small files of a date are merged."""
    spans = config.spans
    limits = Limits(spans.compact_target_bytes, spans.compact_min_files, 1000 * spans.compact_close_age_s)
    files = [TableFile(folder / str(number), number, number, "2026-01-01", 1000, 10, 0) for number in range(2)]
    return len(plan(files, 2, round(1000 * age_s), limits))


def expired_batch(config: Config, age_s: float, folder: Path) -> bool:  # noqa: ARG001 - the default keeps them for ever
    """Return whether a file may go whose rows ended at 0, where they are kept for a day."""
    file = TableFile(folder / "file", 0, 0, "1970-01-01", 1000, 10, 0, 0)
    return ended([file], 1, last_kept_ms(round(1000 * age_s), 1)) == [file]


def merged_file(config: Config, age_s: float, folder: Path) -> bool:
    """Return whether a file that was merged into another is still there."""
    swaps, file = Swaps(DirectoryFiles(folder, Disk()), folder, Disk()), folder / "input.parquet"
    file.touch()
    swaps.note(["output.parquet"], [file.name], 0)
    swaps.settle({"output.parquet"}, round(1000 * age_s), 1000 * config.spans.removed_files_keep_s)
    return file.exists()


class _Deployment:
    """A deployment that is scaled: its replicas."""

    def __init__(self, replicas: int) -> None:
        self.replicas = replicas

    def look(self) -> Replicas:
        """Return them."""
        return Replicas(self.replicas, self.replicas, 8.0)

    def scale(self, replicas: int) -> None:
        """Change their number."""
        self.replicas = replicas


def more_replicas(config: Config, age_s: float, _: Path) -> int:
    """Return how many replicas more than configured there are, with little to do since."""
    size = Size(config.gateway.replicas, config.gateway.cpus_per_replica)
    deployment = _Deployment(size.replicas + 1)
    relief = QueueRelief(deployment, size, lambda: 0, config.health)
    relief.settle(0.0, 0.0)
    relief.settle(age_s, 0.0)
    return deployment.replicas - size.replicas


def content(config: Config, age_s: float, folder: Path) -> bool:
    """Return whether retained content is still there."""
    now_s = [0.0]
    store = ContentStore(folder, config.content, lambda: now_s[0])
    store.put(name := ulid(0, bytes(10)), b"{}")
    now_s[0] = age_s
    store.expire()
    return any(path.name.startswith(name) for path in folder.iterdir())


def promise(config: Config, age_s: float, _: Path) -> bool:
    """Return whether ``log verify`` says that rows wait longer than was promised."""
    checked = Checked(1, "", 0, Whole(), (), waiting=1, waiting_since_ms=round(_LATER_S * 1000))
    return any(line.startswith(LATE) for line in told(checked, _LATER_S + age_s, config.log.merge_promise_s))


def late_row(config: Config, age_s: float, _: Path) -> bool:
    """Return whether a record that comes so long after its writer's certificate ended is taken in."""
    world = World(SITE, "late row")
    world.play([], [Arrival(1.0, 0, len(QUESTIONS) - 1)], 1.0)
    data = next(iter(filter(None, (one.coordinator.recent(world.judge.decisions[0]) for one in world.replicas))))
    envelope = read_envelope(data)
    record, ends_s = envelope.read(), envelope.certificates[0].read().not_after
    span = Span(
        bytes(16), bytes(8), b"", "invoke_workflow", "server", record.issued_at * 10**6, record.issued_at * 10**6, "ok",
        record.id, record.tenant, {}, record=data,
    )  # fmt: skip
    writers = Writers(authority.trust(), config.log.merge_promise_s + config.spans.wal_max_age_s)
    try:
        fault = writers.fault(record.writer.id, record.writer.seq, span, ends_s + age_s)
    except Unjudged:
        return False
    if fault:
        raise ValueError(f"the record is not believed at any time: {fault}")
    return True


def brought_back(config: Config, age_s: float, folder: Path) -> bool:
    """Return whether a backup's rows are still there so long after the first storage had them again."""
    home, taken = folder / "home", folder / "backup" / "taken"
    home.mkdir()
    taken.mkdir(parents=True)
    SpanTable(taken, 10).put([], {HANDOVER: 0}, 0)
    HandoverFile(home).write(Handover("in_use", str(taken)))
    spans = config.spans.model_copy(update={"backup": str(taken.parent)})
    table = BackedTable(home, spans, Reports(Nobody()))
    for now_s in (0.0, age_s):
        table.begin(now_s, now_s)
        table.follow()
    return taken.exists()


def stable(config: Config, age_s: float, _: Path) -> int:
    """Return how many restarts in a row a system that has been ready since then stands at."""
    return decide(State("ready", 0.0, restarts=3), _WELL, config.supervisor, age_s).state.restarts


def unready(config: Config, age_s: float, _: Path) -> str:
    """Return what a system is that has not been ready since then."""
    return decide(State("degraded", 0.0), _UNREADY, config.supervisor, age_s).state.phase


def blocked(config: Config, age_s: float, _: Path) -> bool:
    """Return whether it counts as blocked by what no restart brings."""
    return is_blocked(State("ready", 0.0, blocked_since_s=0.0), config.supervisor, age_s)


def silent_actor(config: Config, age_s: float, _: Path) -> list[str]:
    """Return who is silent of whom there was no sign of life since then."""
    seen, watched = {"SpanActor": Beat("one", 1)}, Watched()
    for at_s in (0.0, age_s):
        watched, _notices = watch(watched, seen, config.supervisor.control_silent_s, at_s)
    return watched.silent
