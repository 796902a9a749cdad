"""What is lived on the span path while it is struck: each story works on ``root/home`` and tells what was acknowledged.

``writing``: a log is opened, written in groups, rotated, closed. ``living``: two writers one after the other, while SpanActor
takes in what they write. ``serving``: the same side by side. ``taking in``: SpanActor finds logs that were finished, abandoned,
damaged, forged and never opened, and seals over the end of a tile while a witness signs. ``merging``: it merges small files of
the table, and removes what was merged. ``failing over``: the first storage is taken away, the backup takes over and goes on; the
first comes back, gets all of it and goes on alone, and the copies go.

Each keeps on until it is through: what is refused for lack of storage is tried again, as a process that is restarted would.
"""

import asyncio
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.base.errors import StorageUnavailable
from actors.base.files import sync_folder
from actors.spans.actor import SpanActor
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.sealer import Sealer
from actors.spans.adapters.table import SpanTable
from actors.spans.adapters.wal import WalWriter
from actors.spans.adapters.witness import Witness
from actors.spans.columns import Rows
from actors.spans.config import LogConfig, WitnessConfig
from actors.spans.span import Span
from cluster.acceptance.span_world import (
    CONFIG,
    DAMAGED,
    FORGER,
    MIDNIGHT_S,
    Incidents,
    Keys,
    at,
    identity,
    is_away,
    prepare_away,
    row,
    rows,
    span_actor,
    swap_away,
    write_trust,
    writer_id,
)
from cluster.acceptance.strikes import GO_ON, Do, Step, Story, Tell, apart, struck
from cluster.witness import WitnessServer

ACKNOWLEDGED, REFUSED, INCIDENT, SLOWEST = "acknowledged", "refused", "incident", "slowest"
"""Words that stories tell: a writer, the first of its rows and how many; why not; what kind; seconds an append took."""
START_AGAIN = 75
"""With which a process ends that could not begin."""
TRIES = 400
LEFT_TO_DO = ("lag_rows", "table_error", "log_error", "merge_delay_s", "writers", "backup_in_use")
"""What SpanActor says of itself while it is not through."""
MERGES, MERGED_GROUPS = 2, 3
AGAIN_S = 0.005
CLIENTS, PAUSE_S = 4, 0.02
DEADLINE_S = 0.2
"""How long somebody waits for a row to be durable."""
INCARNATIONS = 10
"""How far the numbers of a writer's incarnations are apart."""
UNBORN, BACKED, BEGUN = 5, 7, 100_000
"""Number of a writer that died while it opened its log, of one whose rows a backup takes, and of the first of those whose
batches are sealed before."""
SEALED_BEFORE = 254
"""Two batches before a tile is full."""
WITNESS = "witness.example/1"


@dataclass(frozen=True, slots=True)
class Lived:
    """A story, what lies there when it begins, and what it is about."""

    name: str
    story: Story
    prepare: Callable[[Path], list[tuple[int, int]]]
    """Makes ``root/home`` as it is before, in processes of its own; returns writer and number of the rows that were
    acknowledged by then."""


def _nothing(root: Path) -> list[tuple[int, int]]:
    (root / "home").mkdir(parents=True)
    return []


def acknowledged(told: Iterable[tuple[str, str]]) -> list[tuple[int, int]]:
    """Return writer and number of every row that was acknowledged."""
    found: list[tuple[int, int]] = []
    for word, about in told:
        if word == ACKNOWLEDGED:
            number, first, count = map(int, about.split())
            found += [(number, seq) for seq in range(first, first + count)]
    return found


def _opened(home: Path, number: int, tell: Tell) -> tuple[WalWriter, int]:
    """Open a writer's log, and another writer's where that cannot be; return it, and whose it is."""
    for attempt in range(TRIES):
        try:
            return WalWriter(
                home / "wal", identity(number + INCARNATIONS * attempt), CONFIG
            ), number + INCARNATIONS * attempt
        except StorageUnavailable as error:
            tell(REFUSED, str(error))
            time.sleep(AGAIN_S)
    raise RuntimeError("no log could be opened")


async def _append(wal: WalWriter, number: int, count: int, tell: Tell) -> None:
    """Append rows, and others while they are refused: what was refused may be there all the same."""
    for _ in range(TRIES):
        began, asked = time.monotonic(), list[int]()
        try:
            await asyncio.wait_for(wal.append(count, _building(number, count, asked)), DEADLINE_S)
        except (StorageUnavailable, TimeoutError) as error:
            tell(REFUSED, str(error) or "not durable in time")
            await asyncio.sleep(AGAIN_S)
        else:
            tell(ACKNOWLEDGED, f"{number} {asked[0]} {count}")
            return
        finally:
            tell(SLOWEST, f"{time.monotonic() - began:.3f}")
    raise RuntimeError("no row was taken")


def _building(number: int, count: int, asked: list[int]) -> Callable[[int], list[Span]]:
    """Return what builds rows, and notes from which number on."""

    def build(first: int) -> list[Span]:
        asked.append(first)
        return rows(number, first, count)

    return build


async def _written(wal: WalWriter, number: int, groups: int, tell: Tell) -> None:
    for _ in range(groups):
        await asyncio.gather(*(_append(wal, number, count, tell) for count in (1, 2)))


async def _alone(wal: WalWriter, number: int, groups: int, tell: Tell) -> None:
    await _written(wal, number, groups, tell)
    await asyncio.to_thread(wal.close)


def writing(groups: int) -> Story:
    """Return the story of one writer."""

    def story(root: Path, tell: Tell) -> None:
        asyncio.run(_alone(*_opened(root / "home", 1, tell), groups, tell))

    return story


def begun(home: Path, log: LogConfig, tell: Tell) -> SpanActor:
    """Start a SpanActor; where the disk does not let it this process ends, and is to be started again."""
    try:
        return span_actor(home, _Told(tell), log)
    except (StorageUnavailable, OSError) as error:
        tell(REFUSED, str(error))
        os._exit(START_AGAIN)


class _Told(Incidents):
    """An ``IncidentSink`` that tells."""

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell = tell

    def open(self, kind: str, level: str, evidence: object, dedup_key: str) -> None:  # noqa: ARG002
        """Tell of one."""
        self._tell(INCIDENT, f"{kind} {evidence}")


def living(groups: int) -> Story:
    """Return the story of two writers and SpanActor, in turn."""

    def story(root: Path, tell: Tell) -> None:
        actor = begun(root / "home", LogConfig(), tell)
        for number in (1, 2):
            asyncio.run(_taken_in(actor, *_opened(root / "home", number, tell), groups, tell))
        _settled(actor, 1000)

    return story


async def _taken_in(actor: SpanActor, wal: WalWriter, number: int, groups: int, tell: Tell) -> None:
    for group in range(groups):
        await _written(wal, number, 1, tell)
        await asyncio.to_thread(actor.tick, at(100 * number + group))
    await asyncio.to_thread(wal.close)


def serving(appends: int) -> Story:
    """Return the story of four requests at a time, while SpanActor takes in what they write in a thread of its own."""

    def story(root: Path, tell: Tell) -> None:
        actor, stop, began_s = begun(root / "home", LogConfig(), tell), threading.Event(), time.monotonic()
        thread = threading.Thread(target=actor.run, args=(stop, lambda: at(time.monotonic() - began_s)), daemon=True)
        thread.start()
        asyncio.run(_served(*_opened(root / "home", 1, tell), appends, tell))
        stop.set()
        thread.join()
        _settled(begun(root / "home", LogConfig(), tell), 1000)

    return story


async def _served(wal: WalWriter, number: int, appends: int, tell: Tell) -> None:
    async def client() -> None:
        for _ in range(appends // CLIENTS):
            await _append(wal, number, 1, tell)
            await asyncio.sleep(PAUSE_S)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    await asyncio.to_thread(wal.close)


def _settled(actor: SpanActor, since_s: float) -> None:
    """Tick until nothing is left to do."""
    for step in range(TRIES):
        now = at(since_s + step)
        actor.tick(now, flush=True)
        said = actor.health(now)
        if not any(said[name] for name in LEFT_TO_DO):
            return
        time.sleep(AGAIN_S)
    raise RuntimeError(f"SpanActor did not come to an end: {said}")


def merging(root: Path, tell: Tell) -> None:
    """Let SpanActor merge small files of the table, and remove what was merged."""
    actor = begun(root / "home", LogConfig(), tell)
    for step in range(TRIES):
        now = at(2000 + 100 * step)
        actor.tick(now)
        if actor.health(now)["merges"] >= MERGES:
            break
        time.sleep(AGAIN_S)
    for step in range(2):
        actor.tick(at(50_000 + 1000 * step))
    _settled(actor, 60_000)


def prepare_merging(root: Path) -> list[tuple[int, int]]:
    """Leave a table of small files."""
    _nothing(root)
    return acknowledged(struck(living(MERGED_GROUPS), root, lambda _: GO_ON).told)


def failing_over(root: Path, tell: Tell) -> None:
    """Have a backup take over when the first storage is gone, go on, and give all of it back."""
    actor = begun(root / "home", LogConfig(), tell)
    asyncio.run(_backed(actor, *_opened(root / "home", BACKED, tell), root / "home", tell))
    for step in range(2):
        actor.tick(at(9000 + 1000 * step))  # the copies have been kept long enough
    _settled(actor, 12_000)


async def _backed(actor: SpanActor, wal: WalWriter, number: int, home: Path, tell: Tell) -> None:
    moments = itertools.count(2000, 10)

    async def reached(is_so: Callable[[dict[str, Any]], bool]) -> None:
        """Have rows written, and tick until something is so."""
        await _written(wal, number, 1, tell)
        for moment in itertools.islice(moments, TRIES):
            await asyncio.to_thread(actor.tick, at(moment))
            if is_so(actor.health(at(moment))):
                return
            await asyncio.sleep(AGAIN_S)
        raise RuntimeError(f"it was never so: {actor.health(at(next(moments)))}")

    def is_well(said: dict[str, Any]) -> bool:
        return not (said["lag_rows"] or said["table_error"])

    await reached(lambda said: said["backup_ready"] and is_well(said))
    await _swapped(home, tell)
    await reached(lambda said: said["backup_in_use"] and is_well(said))
    await reached(is_well)
    await _swapped(home, tell)
    await reached(lambda said: is_well(said) and not said["backup_in_use"])
    await reached(is_well)
    await asyncio.to_thread(wal.close)


async def _swapped(home: Path, tell: Tell) -> None:
    """Take the first storage away, or bring it back, once the disk lets it."""
    was_away = is_away(home)
    for _ in range(TRIES):
        try:
            if is_away(home) == was_away:
                swap_away(home)
            else:
                sync_folder(home)
        except OSError as error:
            tell(REFUSED, str(error))
            await asyncio.sleep(AGAIN_S)
        else:
            return
    raise RuntimeError("the first storage could not be moved")


def prepare_failing_over(root: Path) -> list[tuple[int, int]]:
    """Leave a table, and a backup that was never used."""
    _nothing(root)
    left = acknowledged(struck(living(1), root, lambda _: GO_ON).told)
    prepare_away(root / "home")
    return left


@contextmanager
def _witnessed(root: Path, tell: Tell) -> Iterator[LogConfig]:
    """Have a witness in ``root/witness`` for a while."""
    try:
        witness = Witness(root / "witness", WITNESS, root / "trust.json")
    except (StorageUnavailable, OSError) as error:
        tell(REFUSED, str(error))
        os._exit(START_AGAIN)
    server = WitnessServer(witness, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    one = WitnessConfig(url=f"http://127.0.0.1:{server.server_port}", key=witness.key.text)
    try:
        yield LogConfig(witnesses=(one,), witness_interval_s=0, witness_timeout_s=60)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        witness.close()


def taking_in(root: Path, tell: Tell) -> None:
    """Let SpanActor take in what others left."""
    with _witnessed(root, tell) as log:
        actor = begun(root / "home", log, tell)
        actor.tick(at(0))
        _settled(actor, 10)
        for step in range(TRIES):
            now = at(8000 + step)  # the log that was never opened is old by then
            actor.tick(now)
            if actor.health(now)["log_witnessed"]:
                return
            time.sleep(AGAIN_S)
    raise RuntimeError("the log was not witnessed")


def _others_left(root: Path) -> list[tuple[int, int]]:
    home = root / "home"
    home.mkdir(parents=True)
    write_trust(root / "trust.json")
    (root / "witness").mkdir()
    _seal(home, SEALED_BEFORE)
    told: list[tuple[str, str]] = []
    for number, groups in ((1, 3), (DAMAGED, 2), (FORGER, 1)):
        asyncio.run(_finished(home, number, groups, lambda *said: told.append(said)))
    damaged = home / "wal" / writer_id(DAMAGED) / "00000001.wal"
    data = bytearray(damaged.read_bytes())
    data[data.index(b"x" * 100) + 5] ^= 1
    damaged.write_bytes(data)
    unborn = home / "wal" / f".{writer_id(UNBORN)}.new"
    unborn.mkdir()
    (unborn / ".00000001.new").write_bytes(bytes(4096))
    sealed = [(BEGUN + number, 2) for number in range(SEALED_BEFORE)]
    return sealed + [place for place in acknowledged(told) if place[0] != DAMAGED]


async def _finished(home: Path, number: int, groups: int, tell: Tell) -> None:
    wal = WalWriter(home / "wal", identity(number), CONFIG)
    await _written(wal, number, groups, tell)
    await asyncio.to_thread(wal.close)


def _seal(home: Path, batches: int) -> None:
    table = SpanTable(home / "spans", CONFIG.table_checkpoint_commits)
    sealer = Sealer(LogFiles(home / "log"), table, Keys(), batches, 10 * batches)
    sealer.begin(MIDNIGHT_S * 1000)
    parts = [Rows(writer_id(BEGUN + number), 2, 1, [row(BEGUN + number, 2)]) for number in range(batches)]
    made = table.append(parts, {part.writer_id: 2 for part in parts}, MIDNIGHT_S * 1000)
    sealer.seal(made, MIDNIGHT_S * 1000)


def prepare_taking_in(root: Path) -> list[tuple[int, int]]:
    """Leave logs of every kind, and a log of batches that is about to fill a tile."""
    left = [(int(number), int(seq)) for number, seq in apart(lambda: _others_left(root))]
    frames = 0

    def plan(step: Step) -> Do:
        nonlocal frames
        is_frame = step.shape.startswith("write home/wal/<ulid>/N.wal")
        frames += is_frame
        return Do(kill=True, tear=True) if is_frame and frames == 2 else GO_ON

    return left + acknowledged(struck(_writes_on, root, plan).told)  # writer 2, killed in the middle of a write


def _writes_on(root: Path, tell: Tell) -> None:
    asyncio.run(_written(*_opened(root / "home", 2, tell), 3, tell))


def stories(groups: int) -> list[Lived]:
    """Return all there are; ``groups`` says how much each writer writes."""
    return [
        Lived("writing", writing(groups), _nothing),
        Lived("living", living(groups), _nothing),
        Lived("taking in", taking_in, prepare_taking_in),
        Lived("merging", merging, prepare_merging),
        Lived("failing over", failing_over, prepare_failing_over),
    ]


def serving_beside(appends: int) -> Lived:
    """Return the story in which a slow disk is told by the requests that go on."""
    return Lived("serving", serving(appends), _nothing)
