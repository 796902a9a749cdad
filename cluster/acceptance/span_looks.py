"""What readers find of a home whose writers were struck, and what is left once SpanActor has started again.

Rules:
- ``faults_read`` asks every kind of reader as it finds things, before anything was mended: the check of the log, the table, the
  records, the look-up of each decision that was acknowledged. Old or new, never half, and no other error than is foreseen.
- ``mended`` starts SpanActor as its supervisor would, lets it tick, and does nothing else; then each row is there exactly once,
  bit for bit, in the table or set aside, the log holds all of them and goes on from every checkpoint that was ever seen.
- Where the first storage was away, readers and SpanActor begin while it is: nobody may be told that an acknowledged decision is
  not there. Then it is brought back, which is all that anybody does.
- What nobody needs any more and nobody removed is counted, and is no fault.
"""

import contextlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from actors.base.errors import StorageUnavailable, WeaverGenError
from actors.consensus.audit import Recorded
from actors.spans import conventions as names
from actors.spans.adapters.check import Seen, check_log
from actors.spans.adapters.handover import HandoverFile
from actors.spans.adapters.lookup import open_lookup
from actors.spans.adapters.segments import segment_name
from actors.spans.adapters.stores import SpanStores
from actors.spans.adapters.swaps import NOTES
from actors.spans.adapters.table import PENDING
from actors.spans.columns import rows_of
from actors.spans.log.checkpoint import read_checkpoint
from cluster.acceptance.span_stories import BEGUN, SEALED_BEFORE
from cluster.acceptance.span_world import (
    BACKUP,
    CONFIG,
    DAMAGED,
    FORGER,
    Incidents,
    Keys,
    at,
    decision,
    is_away,
    row,
    span_actor,
    swap_away,
    writer_id,
)
from cluster.acceptance.strikes import Tell
from cluster.records import Unread, read_records

LOADED = pd.__name__
"""Arrow loads it where it is there; here, so that not every child does."""
CANNOT = "cannot be read"
"""What a reader says that is not to blame."""
MAX_LETTERS = 400
NOT_WELL = ("table_error", "log_error", "lag_rows", "writers", "merge_delay_s", "backup_in_use", "backup_error")
MENDED_AT_S = 20_000
TICKS, MERGING_TICKS = 6, (2, 3)
FORESEEN = {"wal_damaged", "span_quarantined", "span_storage_failover", "span_storage_reconciled"}
"""Incidents that stories are about."""
_DELTA_LOG = re.compile(r"\d{20}\.(json|checkpoint\.parquet)|_last_checkpoint")
_WORLD = (*range(1, 5000), *range(BEGUN, BEGUN + SEALED_BEFORE))


@dataclass(slots=True)
class Looked:
    """What was found."""

    faults: list[str] = field(default_factory=list)
    rows: int = 0
    adopted: int = 0
    left: dict[str, int] = field(default_factory=dict)
    """What nobody removed → how many."""

    def plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"faults": self.faults, "rows": self.rows, "adopted": self.adopted, "left": self.left}


def looked_at(root: Path, rows: Sequence[tuple[int, int]], seen: Seen, *, powerless: bool = False) -> dict[str, Any]:
    """Return what readers find of the home below ``root``, then what SpanActor makes of it; ``rows`` were acknowledged.

    After a loss of power every process is gone: readers begin with SpanActor, and may say before that they cannot read.
    """
    home, looked = root / "home", Looked()
    known = dict(seen) | seen_in(root)
    if is_away(home):
        looked.faults += _while_away(home, rows)
        swap_away(home)
    before = [fault for fault in _read(home, rows, known) if not (powerless and CANNOT in fault)]
    looked.faults += [f"before it was mended: {fault}" for fault in before]
    looked.faults += _mended(root, looked)
    looked.faults += _read(home, rows, known)
    looked.faults += _complete(home, rows, looked)
    looked.faults = [fault.partition("\n")[0][:MAX_LETTERS] for fault in looked.faults]
    return looked.plain()


def seen_in(root: Path) -> dict[str, Any]:
    """Return checkpoints that lie there now: the log may only grow from them."""
    found = {}
    for name, path in (("home", root / "home" / "log" / "checkpoint"), ("witness", root / "witness" / "seen")):
        if path.exists():
            found[name] = read_checkpoint(path.read_bytes())
    return found


def _while_away(home: Path, rows: Sequence[tuple[int, int]]) -> list[str]:
    """Look decisions up while the first storage is away, before SpanActor goes on without it and after."""
    found = _denied(home, rows)
    try:
        _ticked(home, Incidents())
    except StorageUnavailable as error:  # it never heard what the first holds, and waits
        if (word := HandoverFile(home).read()) is not None and word.in_use:
            found.append(f"SpanActor does not go on in the backup that is in use: {error}")
    return [f"while the first storage was away: {fault}" for fault in found + _denied(home, rows)]


def _denied(home: Path, rows: Sequence[tuple[int, int]]) -> list[str]:
    """Return the acknowledged decisions of which a look-up says that they are not there."""
    lookup, found = open_lookup(home, CONFIG, Keys().trust)[0], list[str]()
    for number, seq in rows:
        if number == FORGER or not row(number, seq).record:
            continue
        with contextlib.suppress(StorageUnavailable):
            if lookup.find(decision(number, seq)) is None:
                found.append(f"decision {seq} of writer {number} is said not to be there")
    return found


def _read(home: Path, rows: Sequence[tuple[int, int]], seen: Seen) -> list[str]:
    """Ask every reader; return what none of them may find."""
    found: list[str] = []
    for reader in (_log_faults, _table_faults, _record_faults, _lookup_faults):
        try:
            found += reader(home, rows, seen)
        except Exception as error:  # noqa: BLE001 - whatever a reader raises is what is looked for
            found.append(f"{reader.__name__.strip('_')}: {type(error).__name__}: {error}")
    return found


def _log_faults(home: Path, _rows: Sequence[tuple[int, int]], seen: Seen) -> list[str]:
    checked = check_log(home, Keys().trust(), CONFIG.table_checkpoint_commits, seen=seen)
    return [f"the log: {damage}" for damage in checked.damage]


def _table_faults(home: Path, _rows: Sequence[tuple[int, int]], _seen: Seen) -> list[str]:
    return [fault for _, fault in _table(home) if fault]


def _table(home: Path) -> list[tuple[tuple[int, int], str]]:
    """Return each row of a writer in the table, and what is wrong with it."""
    found: list[tuple[tuple[int, int], str]] = []
    times: Counter[tuple[str, int]] = Counter()
    for part in rows_of(_stores(home).read()):
        times[part.writer_id, part.first_seq] += 1
        if times[part.writer_id, part.first_seq] > 1:
            found.append(((0, 0), f"row {part.first_seq} of {part.writer_id} is in the table twice"))
        if (number := _NUMBERS.get(part.writer_id)) is None:
            continue
        wrong = part.spans[0] != row(number, part.first_seq) or (number == FORGER and part.spans[0].record)
        why = f"row {part.first_seq} of writer {number} is not as it was written" if wrong else ""
        found.append(((number, part.first_seq), why))
    return found


def _stores(home: Path) -> SpanStores:
    return SpanStores(home, CONFIG.table_checkpoint_commits)


_NUMBERS = {writer_id(number): number for number in _WORLD}


def _record_faults(home: Path, rows: Sequence[tuple[int, int]], _seen: Seen) -> list[str]:
    found, there = [], set[str]()
    for item in read_records(home, CONFIG):
        if isinstance(item, Unread):
            if writer_id(DAMAGED) not in item.place:
                found.append(f"{item.place} cannot be read: {item.why}")
        elif isinstance(item, Recorded):
            there.add(item.decision_id)
    lost = [wanted for wanted in _decisions(rows) if wanted not in there]
    return found + [f"record {wanted} was acknowledged and is not on disk" for wanted in lost]


def _decisions(rows: Sequence[tuple[int, int]]) -> list[str]:
    return [decision(number, seq) for number, seq in rows if number != FORGER and row(number, seq).record]


def _lookup_faults(home: Path, rows: Sequence[tuple[int, int]], _seen: Seen) -> list[str]:
    lookup, archive = open_lookup(home, CONFIG, Keys().trust)
    found: list[str] = []
    for number, seq in rows:
        if number == FORGER or not (record := row(number, seq).record):
            continue
        data = lookup.find(decision(number, seq))
        if data != record:
            found.append(f"decision {seq} of writer {number} is {'not found' if data is None else 'another'}")
        else:
            archive.prove(data)
    return found


def mend(root: Path, tell: Tell) -> None:
    """Bring the first storage back, start SpanActor and let it tick, as a story of its own: it may be struck, too."""
    if is_away(root / "home"):
        swap_away(root / "home")
    tell("mended", " ".join(_ticked(root / "home", Incidents())[1]))


def _ticked(home: Path, incidents: Incidents) -> tuple[dict[str, Any], list[str]]:
    """Return what SpanActor says after some ticks, and what of it is not well."""
    actor = span_actor(home, incidents)
    for tick in range(TICKS):
        actor.tick(at(MENDED_AT_S + 4000 * tick), flush=tick not in MERGING_TICKS)
    said = actor.health(at(MENDED_AT_S + 4000 * TICKS))
    actor.close()
    return said, [f"{name} {said[name]}" for name in NOT_WELL if said[name]]


def _mended(root: Path, looked: Looked) -> list[str]:
    """Start SpanActor and let it tick; return what went wrong."""
    incidents = Incidents()
    try:
        said, unwell = _ticked(root / "home", incidents)
    except (WeaverGenError, OSError) as error:
        return [f"SpanActor does not start or tick again: {type(error).__name__}: {error}"]
    looked.adopted = said["adopted"]
    kinds = set(incidents.kinds) - FORESEEN
    return [f"SpanActor has {what}" for what in unwell] + [f"incident {kind}" for kind in sorted(kinds)]


def _complete(home: Path, rows: Sequence[tuple[int, int]], looked: Looked) -> list[str]:
    """Hold table, quarantine and what lies beside them against what was acknowledged."""
    try:
        there = [place for place, _ in _table(home)]
        looked.rows = len(there)
        found = [
            f"row {seq} of writer {number} was acknowledged and is lost" for number, seq in _lost(home, rows, there)
        ]
        found += _gaps(home, there) + _entries(home)
    except (WeaverGenError, OSError) as error:
        return [f"the table cannot be read: {error}"]
    return found + _leftovers(home, looked)


def _lost(home: Path, rows: Sequence[tuple[int, int]], there: list[tuple[int, int]]) -> list[tuple[int, int]]:
    held = set(there) | {place for place, _ in _set_aside(home)}
    return [place for place in rows if place not in held]


def _set_aside(home: Path) -> list[tuple[tuple[int, int], Path]]:
    folder = home / "quarantine" / "rows"
    found = []
    for path in sorted(folder.glob("*.json")):
        found += [((_NUMBERS[item["writer_id"]], item["seq"]), path) for item in json.loads(path.read_bytes())]
    return found


def _gaps(home: Path, there: list[tuple[int, int]]) -> list[str]:
    """Return what is missing between a writer's rows; the damaged writer misses what was damaged."""
    aside = [place for place, _ in _set_aside(home)]
    found = [
        f"row {seq} of writer {number} was set aside twice" for (number, seq), n in Counter(aside).items() if n > 1
    ]
    held = set(there) | set(aside)
    for number in sorted({number for number, _ in held} - {DAMAGED}):
        seqs = sorted(seq for writer, seq in held if writer == number)
        if number < BEGUN and seqs != list(range(1, len(seqs) + 1)):
            found.append(f"rows of writer {number} are not without a gap: {seqs}")
    forged = [seq for number, seq in there if number == FORGER and seq % 2]
    return found + [f"forged row {seq} is in the table" for seq in forged]


def _entries(home: Path) -> list[str]:
    """Return what SpanActor entered more than once, and rows set aside that it did not enter."""
    rows = _stores(home).read(["name", "attributes"]).to_pylist()
    once = (names.WAL_ADOPTED, names.WAL_DAMAGED, names.ROW_QUARANTINED)
    counted = Counter(
        (row["name"], *(f"{key} {value}" for key, value in row["attributes"])) for row in rows if row["name"] in once
    )
    found = [f"{', '.join(entry)} was entered {times} times" for entry, times in counted.items() if times > 1]
    aside = sum(entry[0] == names.ROW_QUARANTINED for entry in counted)
    if aside != len(_set_aside(home)):
        found.append(f"{aside} rows were entered as set aside, and {len(_set_aside(home))} are")
    said = [dict(row["attributes"]) for row in rows if row["name"] == names.WAL_DAMAGED]
    kept = {path.name for path in (home / "quarantine" / "wal").glob("*")}
    places = {f"{each[names.WAL_WRITER]}-{segment_name(int(each[names.WAL_SEGMENT]))}" for each in said}
    return found + [f"the evidence {place} is lost" for place in sorted(places - kept)]


def _noted(home: Path) -> list[str]:
    """Return files that were swapped for others, or were about to be."""
    notes = [json.loads(path.read_bytes()) for path in (home / "spans" / NOTES).glob("*.json")]
    return [name for note in notes for name in (*note["inputs"], *note["outputs"])]


def _leftovers(home: Path, looked: Looked) -> list[str]:
    """Return what must not lie there any more; count what may."""
    found = [f"{path.relative_to(home)} is left" for path in (home / "wal").glob("*")]
    if (home / "spans" / PENDING).exists():
        found.append(f"spans/{PENDING} is left")
    current = set(_stores(home).current_files())
    files = {path.resolve() for path in (home / "spans").glob("date=*/*")}
    noted = {(home / "spans" / name).resolve() for name in _noted(home)}  # kept for readers for a while
    found += [f"{path.name} is in no commit, and is left" for path in sorted(files - current - noted)]
    if len(copies := list((home.parent / BACKUP).glob("*"))) > 1:
        found.append(f"{len(copies)} directories lie in the backup, and one is the next handover's")
    idle: Counter[str] = Counter()
    for path in (home / "spans" / "_delta_log").glob("*"):
        idle["of Delta's log"] += _DELTA_LOG.fullmatch(path.name) is None
    for folder in ("log", "quarantine"):
        for path in (home / folder).rglob(".*"):
            idle[f"below {folder}"] += path.is_file()
    looked.left = {name: count for name, count in idle.items() if count}
    return found
