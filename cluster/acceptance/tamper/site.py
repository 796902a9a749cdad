"""A home that mutants are made of, as the running system would have left it, and copies of it from earlier.

Writers write their logs, a SpanActor takes them in and seals them, its key is rotated, a segment of a killed writer is
adopted, two witnesses sign, the log goes on, the log's disk fills up so that commits wait for it, and the last rows are
still in the write-ahead log when everything is killed.

Left out: syncs, for no power is lost here.
"""

import asyncio
import errno
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from actors.base.canonical import canonical_json
from actors.spans.actor import SpanActor
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.lookup import ArchivedDecisions
from actors.spans.adapters.progress import Instant
from actors.spans.adapters.segments import Disk
from actors.spans.adapters.wal import WalWriter, WriterIdentity
from actors.spans.adapters.witness import Witness
from actors.spans.adapters.witnesses import Answer, Witnesses
from actors.spans.config import KIB, LogConfig, SpansConfig
from actors.spans.log.checkpoint import SignedCheckpoint
from actors.spans.log.note import NoteKey
from actors.spans.record import read_envelope
from actors.spans.span import Span
from cluster.acceptance.tamper.people import MAX_AGE_S, NOW_S, PROMISE_S, Authority, deciding, measured, records_of

LOG = LogConfig(merge_promise_s=PROMISE_S)
WITNESSES = ("witness.example/1", "witness.example/2")
ROUND_S = 600
MERGING_TICKS = 6
SECOND_AFTER_MS = 700_000
"""How much later a writer's second decision is: of the next date, where the first is of the evening."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a home is."""

    seed: int
    writers: int
    """Who write all the while, each a batch a round."""
    early: int
    """Rounds until the log's key is rotated."""
    witnessed: int
    """Rounds from then until witnesses sign."""
    sealed: int = 2
    waiting: int = 2
    decide: int = 1
    """Of so many writers one makes decisions in a round: they are dear to verify."""
    merges: bool = False
    """Whether small files are merged as long as rounds go on."""
    commits_a_checkpoint: int = 1000
    """Commits between checkpoints of Delta's log."""


TALL = Shape(1, writers=28, early=6, witnessed=4, decide=6)
"""Full tiles."""
MERGED = Shape(3, writers=8, early=3, witnessed=2, sealed=3, merges=True)
"""Files that others were merged into, and entries that say so."""
FLAT = Shape(2, writers=8, early=1, witnessed=1, commits_a_checkpoint=4)
"""Few batches, and checkpoints of Delta's log."""


def config_of(shape: Shape) -> SpansConfig:
    """Return the smallest segments there are, and no waiting."""
    return SpansConfig(
        segment_bytes=64 * KIB, reserve_segments=1, max_frame_bytes=16 * KIB, table_roll_age_s=0, compact_min_files=2,
        table_checkpoint_commits=shape.commits_a_checkpoint, wal_max_age_s=MAX_AGE_S,
    )  # fmt: skip


class Incidents:
    """An ``IncidentSink`` that remembers."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, dict[str, str]]] = []

    def open(self, kind: str, level: str, evidence: Mapping[str, str], dedup_key: str) -> None:  # noqa: ARG002 - a port
        """Remember an incident."""
        self.opened.append((kind, dict(evidence)))


@dataclass(slots=True)
class Site:
    """Copies of a home at four moments, and what others have of it."""

    folder: Path
    shape: Shape
    authority: Authority
    kept: dict[str, bytes] = field(default_factory=dict)
    """Decision → its envelope as it was answered: what clients keep."""
    witnessed: set[str] = field(default_factory=set)
    """Decisions whose proofs two witnesses vouch for."""
    memory: dict[str, SignedCheckpoint] = field(default_factory=dict)
    """Witness → what it signed last."""
    witness_keys: list[NoteKey] = field(default_factory=list)
    proof: SignedCheckpoint | None = None
    """The checkpoint of the newest proof that a client keeps."""
    checkpoints: list[bytes] = field(default_factory=list)
    """Every checkpoint that was ever signed, oldest first."""
    closed: list[WriterIdentity] = field(default_factory=list)
    writers: list[WriterIdentity] = field(default_factory=list)

    def copy(self, moment: str) -> Path:
        """Return where the copy of a moment lies."""
        return self.folder / moment


class _Full:
    """Tells whether the log's disk is full."""

    now = False

    def sync_file(self, path: Path) -> None:
        """Refuse what belongs to the log."""
        if self.now and "tile" in path.parts:
            raise OSError(errno.ENOSPC, "No space left on device")


def disk(full: _Full | None = None) -> Disk:
    """Return a disk that makes nothing durable."""
    return Disk(
        sync=lambda _: None, sync_directory=lambda _: None, sync_file=(full or _Full()).sync_file,
        allocate=lambda fd, _, size: os.truncate(fd, size),
    )  # fmt: skip


def build(folder: Path, shape: Shape) -> Site:
    """Build a home below a folder, and leave copies of it."""
    site = Site(folder, shape, Authority(shape.seed))
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_Building(site).run())
    shutil.rmtree(folder / "home")
    return site


class _Building:
    """One home while it is built."""

    def __init__(self, site: Site) -> None:
        self.site, self.shape = site, site.shape
        self.home = site.folder / "home"
        self.full = _Full()
        self.incidents = Incidents()
        self.config = config_of(self.shape)
        authority = site.authority
        site.writers = [authority.writer(number) for number in range(self.shape.writers)]
        self.open: dict[str, WalWriter] = {}
        self.round = 0
        self.actor = SpanActor(
            self.home,
            authority.writer(9_000).id,
            self.config,
            self.incidents,
            authority,
            LOG,
            disk(self.full),
            more=(),  # rows are made up: no decision stands behind them
        )

    @property
    def at_s(self) -> int:
        """Return the time of the round."""
        return NOW_S + self.round * ROUND_S

    async def run(self) -> None:
        """Live through all of it."""
        for identity in self.site.writers:
            self._start(identity)
        await self._rounds(self.shape.early)
        self._end(2)
        await self._rounds(1)
        self._copy("early")
        self.site.authority.rotate(self.at_s + ROUND_S // 2)
        await self._killed()
        await self._rounds(self.shape.witnessed)
        self._witness()
        self._copy("witnessed")
        await self._rounds(self.shape.sealed - 1)
        self._end(2)
        await self._rounds(1)
        self._copy("sealed")
        self._prove()
        self.full.now = True
        await self._rounds(self.shape.waiting)
        self._end(1)
        self._tick()
        self._copy("waiting")
        await self._last()
        self._copy("end")
        self.actor.close()
        for writer in self.open.values():
            writer.close()

    def _start(self, identity: WriterIdentity) -> None:
        self.open[identity.id] = WalWriter(self.home / "wal", identity, self.config, disk())

    def _end(self, count: int) -> None:
        """Let writers end; what they wrote is taken in with the next round."""
        for name in list(self.open)[:count]:
            writer = self.open.pop(name)
            writer.close()
            self.site.closed.append(writer.identity)

    async def _rounds(self, count: int) -> None:
        for _ in range(count):
            self.round += 1
            for place, writer in enumerate(self.open.values()):
                decides = (place + self.round) % self.shape.decide == 0
                await self._write(writer, (2 if place % 4 == 0 else 1) if decides else 0, place % 3 or not decides)
            self._tick()

    async def _write(self, writer: WalWriter, decisions: int, others: int) -> None:
        """Write some decisions and, behind them, rows without one."""
        identity, at_ms, trust = writer.identity, self.at_s * 1000, self.site.authority.trust()

        def decided(seq: int) -> list[Span]:
            spans = deciding(identity, seq, at_ms, trust)
            self.site.kept |= records_of(spans)
            return spans

        def other(seq: int) -> list[Span]:
            return [measured(identity.id, seq, at_ms, "weavergen.breaker")]

        for place in range(decisions):
            at_ms += SECOND_AFTER_MS * (place == 1)
            await writer.append(3, decided)
        for _ in range(others):
            await writer.append(1, other)

    def _tick(self) -> None:
        for step in range(2):
            self._at(step, flush=True)
        if self.shape.merges and not self.full.now:
            for step in range(2, MERGING_TICKS):
                self._at(step, flush=False)
            self._at(MERGING_TICKS, flush=True)

    def _at(self, step: int, *, flush: bool) -> None:
        """Tick, and remember the checkpoint if there is a new one."""
        self.actor.tick(Instant(self.at_s + step, float(self.at_s + step)), flush=flush)
        signed = LogFiles(self.home / "log").checkpoint()
        if signed is not None and signed.data not in self.site.checkpoints[-1:]:
            self.site.checkpoints.append(signed.data)

    async def _killed(self) -> None:
        """Leave the segment of a writer that was killed: it is adopted in the next round."""
        identity, apart = self.site.authority.writer(8_000), self.site.folder / "apart"
        writer = WalWriter(apart, identity, self.config, disk())
        await self._write(writer, 2, 1)
        shutil.copytree(apart / identity.id, self.home / "wal" / identity.id)
        writer.close()

    def _witness(self) -> None:
        """Have two witnesses sign; they remember."""
        self.site.witnessed = set(self.site.kept)
        trust = self.site.folder / "trust.json"
        trust.write_bytes(canonical_json(self.site.authority.trust()))
        made = [Witness(self.site.folder / name.replace("/", "-"), name, trust) for name in WITNESSES]
        by_url = {witness.name: witness for witness in made}

        def send(url: str, body: bytes, timeout_s: float) -> Answer:  # noqa: ARG001 - they are in this process
            verdict = by_url[url.removesuffix("/add-checkpoint")].add_checkpoint(body, self.at_s)
            return Answer(verdict.status, verdict.content_type, verdict.body.encode())

        files = LogFiles(self.home / "log", disk())
        found = Witnesses(files, [(witness.name, witness.key) for witness in made], 60, 0, send).ask()
        if found.signed != WITNESSES:
            raise RuntimeError(f"the witnesses did not sign: {found}")
        for witness in made:
            seen = witness.seen()
            if seen is not None:
                self.site.memory[f"witness {witness.name}"] = seen
            self.site.witness_keys.append(witness.key)
            self.site.authority.watched_by(witness.name, witness.key.public)
            witness.close()

    def _prove(self) -> None:
        """Let a client ask for the proof of the newest decision that is sealed."""
        archive = ArchivedDecisions(self.home, self.config.table_checkpoint_commits, self.site.authority.trust)
        newest = max(name for name in self.site.kept if archive.find(name) is not None)
        proof = read_envelope(archive.prove(self.site.kept[newest])).proof
        if proof is None:
            raise RuntimeError(f"decision {newest} has no proof")
        self.site.proof = proof.entry.checkpoint

    async def _last(self) -> None:
        """Write what nobody takes in any more: decisions and other rows, and what goes on in a second segment."""
        self.round += 1
        for place, writer in enumerate(list(self.open.values())[:6]):
            for _ in range(3):
                await self._write(writer, 1, place % 2)
            if place % 3 == 0:
                await self._write(writer, 18, 1)
        self._end(1)

    def _copy(self, moment: str) -> None:
        target = self.site.copy(moment)
        shutil.copytree(self.home, target, ignore=shutil.ignore_patterns("run", ".*"))
        shutil.rmtree(target / "run", ignore_errors=True)
