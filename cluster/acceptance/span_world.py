"""A small world for the span path: keys that a home has, writers, and rows that follow from writer and number alone.

Every other row carries a decision that its writer signed; the rows of ``FORGER`` carry one that somebody else signed.
"""

import ctypes
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from actors.base.canonical import canonical_json
from actors.base.certificates import Certificate, Role, SignedCertificate, TrustBundle, certify
from actors.base.files import sync_folder
from actors.base.ids import new_ulid, ulid
from actors.base.ports import IncidentSink
from actors.base.signing import SigningKey
from actors.spans.actor import SpanActor
from actors.spans.adapters.progress import Instant
from actors.spans.adapters.wal import WriterIdentity
from actors.spans.config import KIB, LogConfig, SpansConfig
from actors.spans.record import (
    BallotEntry,
    DecisionRecord,
    LayerRef,
    LayerTried,
    PolicyRef,
    TallyEntry,
    WriterRef,
    seal,
)
from actors.spans.span import Span

MIDNIGHT_S = 1_790_035_200
"""Rows begin shortly before it: they are of two dates."""
STORY_S = 600
"""How long after midnight stories begin: all rows are older."""
YEARS_S = 30 * 365 * 86_400
CONFIG = SpansConfig(
    segment_bytes=64 * KIB, reserve_segments=1, max_frame_bytes=16 * KIB, storage_retry_ms=5, stall_after_ms=300,
    table_roll_age_s=0, table_roll_rows=24, table_checkpoint_commits=3, ingest_poll_ms=20,
    compact_min_files=2, compact_step_ms=60_000, compact_close_age_s=60, removed_files_keep_s=60,
)  # fmt: skip
BACKUP, AWAY = "backup", "away"
"""Beside a home that has one, its backup storage; in it what lies in the first storage's place while that is away."""
FORGER, DAMAGED = 4, 3
"""Numbers of a writer whose rows somebody else signed, and of one in whose log a bit is flipped."""
BULK = 9 * KIB
"""Characters in every row whose number can be divided by three: segments fill up."""
_HERE, _EXCHANGE = -100, 2
"""AT_FDCWD, RENAME_EXCHANGE."""
_ROOT, _ISSUER, _LOG, _FORGER = (SigningKey.from_seed(seed * 32) for seed in (b"r", b"i", b"l", b"f"))


def _certificate(role: Role, key: SigningKey) -> SignedCertificate:
    return certify(_ROOT, Certificate(role, role, key.public.hex, _ROOT.public.key_id, 0, MIDNIGHT_S + YEARS_S))


class Keys:
    """An ``Authority``: a root, and the issuer and log keys that it certified."""

    def __init__(self) -> None:
        certificates = [_certificate("issuer", _ISSUER), _certificate("log", _LOG)]
        self._trust = TrustBundle(
            schema="weavergen.trust/1", root=_ROOT.public.hex, certificates=certificates, revocations=[]
        )

    def trust(self) -> TrustBundle:
        """Return what a verifier needs."""
        return self._trust

    def key(self) -> SigningKey:
        """Return the log's key."""
        return _LOG


class Incidents:
    """An ``IncidentSink`` that remembers kinds."""

    def __init__(self) -> None:
        self.kinds: list[str] = []

    def open(self, kind: str, level: str, evidence: Mapping[str, str], dedup_key: str) -> None:  # noqa: ARG002
        """Remember one."""
        self.kinds.append(kind)


def span_actor(home: Path, incidents: IncidentSink, log: LogConfig | None = None) -> SpanActor:
    """Start a SpanActor with an id of its own, and with a backup storage where there is one."""
    return SpanActor(home, new_ulid(), _config(home), incidents, Keys(), log or LogConfig(), more=())


def _config(home: Path) -> SpansConfig:
    backup = home.parent / BACKUP
    given = {"backup": str(backup), "backup_after_failures": 2, "backup_return_s": 0.0} if backup.is_dir() else {}
    return CONFIG.model_copy(update=given)


def prepare_away(home: Path) -> None:
    """Have a backup storage, and something that can take the first one's place."""
    (home.parent / BACKUP).mkdir()
    (home / AWAY).write_bytes(b"no directory")


def is_away(home: Path) -> bool:
    """Tell whether the first storage is somewhere else."""
    return (home / AWAY).is_dir()


def swap_away(home: Path) -> None:
    """Take the first storage away, or bring it back, in one step: what lies there instead is no directory."""
    libc = ctypes.CDLL(None, use_errno=True)
    paths = [os.fsencode(home / name) for name in ("spans", AWAY)]
    if libc.renameat2(_HERE, paths[0], _HERE, paths[1], _EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), "the first storage cannot be taken away or brought back")
    sync_folder(home)


def at(seconds: float) -> Instant:
    """Return the moment so long after the story began, on clocks that agree."""
    return Instant(MIDNIGHT_S + STORY_S + seconds, 1000.0 + seconds)


def writer_id(number: int) -> str:
    """Return the id of a writer."""
    return ulid(MIDNIGHT_S * 1000 + number, bytes(10))


@lru_cache(maxsize=64)
def identity(number: int) -> WriterIdentity:
    """Return a writer's key, certified by the issuer."""
    key, name = SigningKey.from_seed(number.to_bytes(32, "big")), writer_id(number)
    certificate = Certificate(
        "writer", name, key.public.hex, _ISSUER.public.key_id, MIDNIGHT_S - 3600, MIDNIGHT_S + 82_800
    )
    return WriterIdentity(name, key, certify(_ISSUER, certificate))


def decision(number: int, seq: int) -> str:
    """Return the id of the decision of a row, which every other row has."""
    return ulid((MIDNIGHT_S + seq) * 1000, number.to_bytes(4, "big") + seq.to_bytes(6, "big"))


@lru_cache(maxsize=4096)
def row(number: int, seq: int) -> Span:
    """Return a writer's row."""
    start_s = MIDNIGHT_S - 5 + seq
    record = _record(number, seq, start_s) if seq % 2 else b""
    return Span(
        trace_id=seq.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"), parent_span_id=b"", name="invoke_workflow",
        kind="server", start_unix_nano=start_s * 10**9, end_unix_nano=start_s * 10**9 + 1000, status="ok",
        decision_id=decision(number, seq) if record else "", tenant="t-1",
        attributes={"seq": str(seq), "bulk": "x" * (0 if seq % 3 else BULK)}, record=record,
    )  # fmt: skip


def rows(number: int, first: int, count: int) -> list[Span]:
    """Return some of a writer's rows."""
    return [row(number, seq) for seq in range(first, first + count)]


def _record(number: int, seq: int, at_s: int) -> bytes:
    writer = identity(number)
    ballot = BallotEntry(
        "a", "llama", "a", 0, "agreed", 0, "22" * 32, "33" * 32, "", "pass", "0.500000", 12, replaced=False
    )
    record = DecisionRecord(
        schema="weavergen.decision/1", id=decision(number, seq), issued_at=at_s * 1000, tenant="t-1",
        prompt_commitment="ab" * 32, answer_kind="value", answer_sha256="cd" * 32, result="answered", degraded=False,
        method="value", policy=PolicyRef("strict", 1, "00" * 32), config_sha256="11" * 32,
        layer=LayerRef(0, "primary", ["a"], 1, "0.600000", 2, "1.000000", [LayerTried("primary", "agreed", "")]),
        ballots=[ballot], tie_salt="44" * 16,
        tally=TallyEntry("0.500000", {"a": "0.500000"}, 0, "1.000000", "1.000000", 1, "22" * 32),
        screening_version="1", cache=None, writer=WriterRef(writer.id, seq), promise=None,
    )  # fmt: skip
    return canonical_json(seal(record, _FORGER if number == FORGER else writer.key, writer.certificate))


def write_trust(path: Path) -> Path:
    """Write the trust bundle where a witness reads it."""
    path.write_bytes(canonical_json(Keys().trust()))
    return path
