"""What is claimed of whom: each way to tamper with telemetry, at each stage of a row's life, and who notices. Pure.

Rules:
- A cell is one claim, and mutants are drawn for every cell that makes one: a cell and the code that differ are a failed run.
- ``LOCATED``: an incident or a check names the place: the batch, the writer, the segment, the file, or the log as a whole where
  that is what was set back. Nothing that only a reader of incidents could guess counts.
- ``PROMISE``: nothing at home tells, and whoever kept a decision's record, or a proof with the log's checkpoint, finds it out.
- ``NOT_CLAIMED``: neither. Saying so is part of the claim: a mutant that is noticed all the same makes the table wrong.
- ``NO_EFFECT``: what is stored comes out as if nothing had been done, which an oracle finds without the checker.
- What is ``WITNESSED`` is claimed of whoever asks: SpanActor does all the time, ``log verify`` fails where it does not hear them.
- A batch that is named before it is sealed waits. An operator may have it sealed as it lies (``quarantine seal``): it is named
  from then on with who answered for it, and teaches nothing.
- The attacker reads all of this, and does what hides best: checksums, digests in names and Delta's log are written to fit.

Left out: whoever owns a verifier's own copy of ``trust.json``, or a witness's folder; stolen issuer and root keys; witnesses
elsewhere that are struck from the home's ``trust.json``, where ``log verify`` was given no copy and no number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Stage(Enum):
    """How far the rows have come that are struck."""

    WAL = "before sealing, in the write-ahead log"
    TABLE = "before sealing, in the table"
    SEALED = "sealed"
    WITNESSED = "witnessed"


class Verdict(Enum):
    """What is claimed of a cell."""

    LOCATED = "detected and located"
    PROMISE = "only a client's promise shows it"
    NOT_CLAIMED = "not claimed"
    NO_EFFECT = "changes nothing"
    ABSENT = "there is no such thing"


MARKS = {
    Verdict.LOCATED: "**located**", Verdict.PROMISE: "promise", Verdict.NOT_CLAIMED: "not claimed",
    Verdict.NO_EFFECT: "no effect", Verdict.ABSENT: "—",
}  # fmt: skip
CLAIMED = (Verdict.LOCATED, Verdict.PROMISE, Verdict.NOT_CLAIMED, Verdict.NO_EFFECT)


@dataclass(frozen=True, slots=True)
class Cell:
    """One claim."""

    verdict: Verdict
    why: str
    """Who notices by what, or why nobody does: one sentence."""


@dataclass(frozen=True, slots=True)
class Threat:
    """One way to tamper."""

    name: str
    """Identifies it."""
    what: str
    holds: str
    """What the attacker holds beside this table."""
    cells: Mapping[Stage, Cell]


def _located(why: str) -> Cell:
    return Cell(Verdict.LOCATED, why)


def _promise(why: str) -> Cell:
    return Cell(Verdict.PROMISE, why)


def _unclaimed(why: str) -> Cell:
    return Cell(Verdict.NOT_CLAIMED, why)


def _nothing(why: str) -> Cell:
    return Cell(Verdict.NO_EFFECT, why)


def _absent(why: str) -> Cell:
    return Cell(Verdict.ABSENT, why)


def _threat(name: str, what: str, holds: str, wal: Cell, table: Cell, sealed: Cell, witnessed: Cell) -> Threat:
    return Threat(
        name, what, holds,
        {Stage.WAL: wal, Stage.TABLE: table, Stage.SEALED: sealed, Stage.WITNESSED: witnessed},
    )  # fmt: skip


DISK = "writes all of `home`, holds no key"
WRITER = "writes all of `home`, holds a writer's key"
LOG = "writes all of `home`, holds the log's key"
BLIND = "nobody: a disk, a cable, a bug"

_CHANGED = _located("`log verify` counts the rows' root again and names the batch")
_SAME = _located("as where it is sealed: what witnesses add is not needed")
_COMMITTED = _located("the batch is not what its commit said, which the log's key signed: it is not sealed, and named")
_NO_SIGNATURE = _unclaimed(
    "a frame has a checksum and no signature, and a decision's record cannot tell of its other rows: it is signed before they end"
)
_NUMBER = _located(
    "`log verify` names the writer, and so does SpanActor, which cuts nothing for it: `span_storage_contradicted`"
)
_NUMBERED = _located("`log verify` names the writer: every commit numbers its rows' batches, so no row is without one")
_MEMORY = _located("each witness remembers a checkpoint that this log does not go on from: `fork`")

THREATS: tuple[Threat, ...] = (
    _threat(
        "edit a decision", "a decision's record is changed", DISK,
        _located("the writer's signature does not check: the row is set aside, and named"),
        _COMMITTED, _CHANGED, _SAME,
    ),
    _threat(
        "edit another row", "a row without a record is changed, or what a decision's row says beside its record", DISK,
        _NO_SIGNATURE, _COMMITTED, _CHANGED, _SAME,
    ),
    _threat(
        "delete amid", "rows go from amid others", DISK,
        _located("numbers are missing: incident `wal_damaged` names writer, segment and number"),
        _located("what is left of the batch is no run, or none of it is there: it is not sealed, and named"),
        _located("`log verify` names the batch and the first number that is not there"), _SAME,
    ),
    _threat(
        "delete at an edge", "a writer's next decision goes, which is a batch's first", DISK,
        _located("numbers begin at 1 and go on from what the table has: `wal_damaged`"),
        _COMMITTED,
        _located("`log verify` names the batch and the first number that is not there"), _SAME,
    ),
    _threat(
        "delete everything", "write-ahead log, or table and log, are removed", DISK,
        _promise("a home that never had a writer looks like it"),
        _promise("a home in which nothing was ever committed looks like it"),
        _promise("a home in which nothing was ever sealed looks like it"), _MEMORY,
    ),
    _threat(
        "insert a decision", "a decision that nobody made, under a key of the attacker's own", DISK,
        _located("its certificate leads to no root: the row is set aside, and named"),
        _COMMITTED, _located("`log verify` names the batch that it says it is in"), _SAME,
    ),
    _threat(
        "insert another row", "rows without a record behind those of a writer that is gone, or in a commit of their own", DISK,
        _NO_SIGNATURE,
        _located("the batch is not what its commit said, or no commit tells of it that the log's key signed: it is named"),
        _located("`log verify` names the batch that they say they are in, or the writer"), _SAME,
    ),
    _threat(
        "insert an old row", "rows of an unknown writer that say they are older than the log: without batch and promise", DISK,
        _absent("what comes through the write-ahead log gets a batch"),
        _NUMBERED, _NUMBERED, _NUMBERED,
    ),
    _threat(
        "reorder decisions", "two decisions change their places", DISK,
        _located("the numbers between are missing when the later frame comes first: `wal_damaged`"),
        _COMMITTED, _CHANGED, _SAME,
    ),
    _threat(
        "reorder other rows", "two rows without a record change their places", DISK,
        _located("the numbers between are missing when the later frame comes first: `wal_damaged`"),
        _COMMITTED, _CHANGED, _SAME,
    ),
    _threat(
        "duplicate", "a row, a frame or a file is there twice", DISK,
        _nothing("a number takes effect once: what comes again is skipped, and counted"),
        _located("the batch is no run any more: it is not sealed, and named"),
        _located("`log verify` names the batch whose row is there twice"), _SAME,
    ),
    _threat(
        "forge a rival", "another row under the number of one that there is, before it or behind it", DISK,
        _located("of two frames of a number that differ the one stays that its writer signed: `wal_damaged` names the writer"),
        _located("the batch is no run any more: it is not sealed, and named"),
        _located("`log verify` names the batch whose row is there twice"), _SAME,
    ),
    _threat(
        "unsay a commit", "what a commit says of its batches is taken away, changed, or another's", DISK,
        _absent("nothing is committed yet"),
        _located("no commit that the log's key signed tells of the batch: it is not sealed, and named"),
        _nothing("the leaf says what the batch is"), _nothing("the leaf says what the batch is"),
    ),
    _threat(
        "truncate", "a file is cut; a killed writer's last segment where decisions are", DISK,
        _promise("a cut looks like the write that was under way when the writer was killed: it is entered, and no incident"),
        _located("the file is not the bytes that its name says: it is named"),
        _located("a file of the table, a tile, a bundle or the checkpoint is named"), _SAME,
    ),
    _threat(
        "truncate other rows", "a killed writer's last segment is cut behind its last decision", DISK,
        _unclaimed("as with decisions, but nobody was promised these rows"),
        _absent("a file of the table holds rows of both kinds"), _absent("a file of the table holds rows of both kinds"),
        _absent("a file of the table holds rows of both kinds"),
    ),
    _threat(
        "roll back a part", "an older copy of a segment, of Delta's log, or of the log's checkpoint", DISK,
        _promise("an older copy of a segment is one that was cut"),
        _promise("commits that were never sealed leave no trace outside Delta's log"),
        _located("table and log each say how far the other was: what is missing, or that it was set back"), _SAME,
    ),
    _threat(
        "roll back home", "all of `home` as it was before", DISK,
        _promise("the home is whole, and was so at the time"), _promise("the home is whole, and was so at the time"),
        _promise("the home is whole; a checkpoint that somebody kept is larger than the log"), _MEMORY,
    ),
    _threat(
        "roll back and edit", "the newest seal is taken back, and rows of its batch are others when it is sealed again", DISK,
        _absent("there is no seal yet"), _absent("there is no seal yet"),
        _located("what is sealed again has to be what its commit said: it is not sealed, and named"), _MEMORY,
    ),
    _threat(
        "fork", "from some batch on the log is another, signed with its own key", LOG,
        _promise("no checkpoint tells of it yet: as a segment that is taken away"),
        _promise("no checkpoint tells of it yet, and what its commit said can be said anew with the log's key"),
        _promise("it is whole; a checkpoint that somebody kept is another"), _MEMORY,
    ),
    _threat(
        "fork under another key", "from some batch on the log is another, signed with a key that root does not know", DISK,
        _absent("nothing is signed yet"), _absent("nothing is signed yet"),
        _located("no trusted log key signed the checkpoint"), _SAME,
    ),
    _threat(
        "replay a segment", "a segment that was taken in is put back", DISK,
        _nothing("a number takes effect once"), _nothing("the table says how far each writer is"),
        _nothing("the table says how far each writer is"), _nothing("the table says how far each writer is"),
    ),
    _threat(
        "replay a decision", "a decision again, under another number or writer", DISK,
        _located("the record names its row: it is set aside, and named"),
        _COMMITTED,
        _located("`log verify` names the batch that it says it is in"), _SAME,
    ),
    _threat(
        "write late", "a decision, signed with the key of a certificate that ended longer ago than is waited", WRITER,
        _located("the writer waits: incident `span_ingest_blocked` names it and the row"),
        _COMMITTED,
        _located("`log verify` names the batch that it says it is in"), _SAME,
    ),
    _threat(
        "re-sign a decision", "another record under the same number, signed with the writer's key", WRITER,
        _promise("two records of one number, both the writer's word: whoever kept the first has the proof"),
        _COMMITTED, _CHANGED, _SAME,
    ),
    _threat(
        "sign a new decision", "a decision that nobody made, signed with a writer's key", WRITER,
        _unclaimed("while its certificate lasts, what the key signs is the writer's word"),
        _COMMITTED,
        _located("`log verify` names the batch that it says it is in"), _SAME,
    ),
    _threat(
        "re-sign the log", "rows without a record are changed, and leaves, tiles and checkpoint above them written anew", LOG,
        _absent("the log's key signs nothing there"),
        _unclaimed("whoever holds the key seals what it likes, as the sealer would"),
        _promise("it is whole; a checkpoint that somebody kept is another"), _MEMORY,
    ),
    _threat(
        "re-sign a false checkpoint", "the log's key under a root or a size that the log does not come to", LOG,
        _absent("the log's key signs nothing there"), _absent("the log's key signs nothing there"),
        _located("leaves and checkpoint do not fit: `log verify` names the log"), _SAME,
    ),
    _threat(
        "merge falsely", "a row is changed, and an entry that the log's key signed names its file as a merged one", LOG,
        _absent("nothing is merged before it is sealed"), _absent("nothing is merged before it is sealed"),
        _located("`log verify --deep` hashes every row and names the batch; without `--deep` a merged file's bytes are enough"),
        _located("`log verify --deep` hashes every row and names the batch; without `--deep` a merged file's bytes are enough"),
    ),
    _threat(
        "forge an entry", "the same, with an entry that the log's key did not sign", DISK,
        _absent("nothing is merged before it is sealed"), _absent("nothing is merged before it is sealed"),
        _located("what no entry names that the log's key signed is hashed row by row: the batch is named"), _SAME,
    ),
    _threat(
        "expire falsely", "a batch is taken away, and an entry that the log's key signed says that it has expired", LOG,
        _absent("nothing expires before it is sealed"), _absent("nothing expires before it is sealed"),
        _promise("the entry is the log's word; whoever kept the record finds it gone"),
        _promise("the log goes on from what witnesses saw, for its leaves are all there; whoever kept the record finds it gone"),
    ),
    _threat(
        "forge an expiry", "the same, with an entry that the log's key did not sign", DISK,
        _absent("nothing expires before it is sealed"), _absent("nothing expires before it is sealed"),
        _located("the entry excuses nothing: `log verify` names the batch that is missing"), _SAME,
    ),
    _threat(
        "swap files", "two files change their places", DISK,
        _located("a segment says whose and which it is: it is set aside, and named"),
        _located("a file's name says its bytes: both are named"),
        _located("files of the table, tiles or bundles are named"), _SAME,
    ),
    _threat(
        "flip bits in pages", "a bit in the pages of a file of the table", BLIND,
        _absent("segments have frames"), _located("the file is not the bytes that its name says"),
        _located("the file is not the bytes that its name says: its batches are named"), _SAME,
    ),
    _threat(
        "flip bits in footers", "a bit in the footer of a file of the table, which no checksum of Parquet covers", BLIND,
        _absent("segments have frames"), _located("the file is not the bytes that its name says"),
        _located("the file is not the bytes that its name says: its batches are named"), _SAME,
    ),
    _threat(
        "flip bits in Delta's log", "a bit in an entry of a commit", BLIND,
        _absent("nothing of it is in the table"),
        _located("files, their statistics, the schema and how far writers are: each is held against the rows"),
        _located("files, their statistics, the schema and how far writers are: each is held against the rows"), _SAME,
    ),
    _threat(
        "raise a number", "a commit is added by which Delta's log says that a writer is further than it is", DISK,
        _NUMBER, _NUMBER, _NUMBER, _NUMBER,
    ),
    _threat(
        "flip bits in tiles", "a bit in a tile or a bundle", BLIND,
        _absent("no tile holds anything of it"), _absent("no tile holds anything of it"),
        _located("`log verify` counts every tile again and names it"), _SAME,
    ),
    _threat(
        "flip bits in checkpoints", "a bit in the newest checkpoint, or in the one that witnesses signed", BLIND,
        _absent("no checkpoint tells of it"), _absent("no checkpoint tells of it"),
        _located("the note does not read, or its signatures do not check"), _SAME,
    ),
    _threat(
        "flip bits in cosignatures", "a bit of a witness's signature, in a note that still reads", BLIND,
        _absent("nothing is witnessed yet"), _absent("nothing is witnessed yet"), _absent("nothing is witnessed yet"),
        _located("`log verify` holds each line against the keys that root certified for witnesses, and names the witness"),
    ),
    _threat(
        "remove cosignatures", "what witnesses signed is taken away, where it lies beside the log", DISK,
        _absent("nothing is witnessed yet"), _absent("nothing is witnessed yet"), _absent("nothing is witnessed yet"),
        _promise("who counts finds fewer, `verify --require-witnesses`, until SpanActor has asked them for the newest again"),
    ),
    _threat(
        "flip bits in a segment", "a bit in a segment, before the last commit", BLIND,
        _located("a later commit proves that the bytes were durable once: `wal_damaged` names writer and segment"),
        _nothing("the rows are in the table; what a segment still says of them is skipped"),
        _nothing("the rows are in the table; what a segment still says of them is skipped"),
        _nothing("the rows are in the table; what a segment still says of them is skipped"),
    ),
    _threat(
        "flip bits in the last commit", "a bit in the last frame of a killed writer", BLIND,
        _promise("it looks like the write that was under way when the writer was killed: it is entered, and no incident"),
        _absent("what is in the table was read"), _absent("what is in the table was read"),
        _absent("what is in the table was read"),
    ),
)  # fmt: skip
BY_NAME: Mapping[str, Threat] = {threat.name: threat for threat in THREATS}
Place = tuple[str, Stage]


def places() -> list[Place]:
    """Return every cell that makes a claim."""
    return [(threat.name, stage) for threat in THREATS for stage in Stage if threat.cells[stage].verdict in CLAIMED]


def claimed(place: Place) -> Verdict:
    """Return what a cell claims."""
    return BY_NAME[place[0]].cells[place[1]].verdict


def page() -> str:
    """Return ``docs/threats.md``."""
    about = (__doc__ or "").partition("\n\n")[2].replace("``", "`").strip()
    head = ["# Threats", "", "Who tampers with telemetry, when, and who notices.", "", about, ""]
    stages = " | ".join(stage.value for stage in Stage)
    rows = [f"| what is done | who does it | {stages} |", "|---|---|" + "---|" * len(Stage)]
    for threat in THREATS:
        cells = " | ".join(_shown(threat.cells[stage]) for stage in Stage)
        rows.append(f"| **{threat.name}**: {threat.what} | {threat.holds} | {cells} |")
    foot = [
        "",
        "Mutants are held against every cell ([what came of them](acceptance/tamper.md)): `make acceptance NAME=tamper`.",
    ]
    return "\n".join([*head, *rows, *foot]) + "\n"


def _shown(cell: Cell) -> str:
    return f"{MARKS[cell.verdict]}: {cell.why}"


def main() -> None:
    """Write the page."""
    (Path(__file__).parents[3] / "docs" / "threats.md").write_text(page())


if __name__ == "__main__":
    main()
