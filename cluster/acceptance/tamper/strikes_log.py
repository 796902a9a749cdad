"""What is done to the log itself: tiles, bundles, checkpoints, and with its key. Each takes a copy and returns what was done."""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from actors.base.canonical import b64, canonical_json
from actors.base.errors import IntegrityError
from actors.base.signing import SigningKey
from actors.spans import conventions as names
from actors.spans.adapters.log import LogFiles
from actors.spans.adapters.sealer import Sealer
from actors.spans.adapters.table import SpanTable
from actors.spans.batch import manifest_of
from actors.spans.columns import Rows
from actors.spans.entry import SIGNATURE, sign_entry
from actors.spans.log.checkpoint import SignedCheckpoint, origin, read_checkpoint, sign_checkpoint
from actors.spans.log.note import Note
from actors.spans.log.tiles import ENTRIES, Tile, tiles_of
from actors.spans.merkle import leaf_hash, tree_root
from cluster.acceptance.tamper import strikes_table
from cluster.acceptance.tamper.people import NOW_S, key_of, measured
from cluster.acceptance.tamper.site import disk
from cluster.acceptance.tamper.threats import Stage
from cluster.acceptance.tamper.work import Mutation, Work

CHECKPOINT, WITNESSED, TILES = Path("log/checkpoint"), Path("log/witnessed"), Path("log/tile")
WHOLE = frozenset({-1})
AT_MS = (NOW_S + 86_400 // 2) * 1000


def _tiles(work: Work) -> list[Path]:
    """Return the tiles and bundles that hold something of the stage."""
    wanted, found = work.layout.of(work.stage), list[Path]()
    for tile in tiles_of(work.layout.size):
        span = _leaves(tile)
        path = TILES / tile.path
        if (work.root / path).exists() and span.start < wanted.stop and wanted.start < span.stop:
            found.append(path)
    return found


def _leaves(tile: Tile) -> range:
    each = 1 if tile.level == ENTRIES else 256**tile.level
    return range(tile.number * 256 * each, (tile.number * 256 + tile.width) * each)


def _struck(work: Work, what: str, *paths: Path) -> Mutation:
    """Return a mutation of tiles or bundles: located where one is named, or a batch whose leaf it holds."""
    names = [str(path.relative_to(TILES)) for path in paths]
    held = {str(tile.path): _leaves(tile) for tile in tiles_of(work.layout.size) if tile.level == ENTRIES}
    batches = frozenset(batch for name in names for batch in held.get(name, ()))
    return Mutation(f"{what} {' and '.join(names)}", batches, frozenset(names))


def flip_tile(work: Work) -> Mutation:
    """Flip a bit of a tile or a bundle."""
    path = work.rng.choice(_tiles(work))
    at = work.flip(path)
    return _struck(work, f"bit at {at} of", path)


def flip_checkpoint(work: Work) -> Mutation:
    """Flip a bit of the newest checkpoint; where the rows are witnessed, of that which witnesses signed."""
    path = WITNESSED if work.stage is Stage.WITNESSED and work.rng.random() < OF_WITNESSED else CHECKPOINT
    at = _flipped_until(work, path, lambda: path != WITNESSED or not _cosigned_otherwise(work))
    return Mutation(f"bit at {at} of {path}", WHOLE, frozenset({"checkpoint", "witness"}))


def flip_cosignature(work: Work) -> Mutation:
    """Flip a bit of what a witness signed, where it lies beside the log."""
    at = _flipped_until(work, WITNESSED, lambda: _cosigned_otherwise(work))
    return Mutation(f"bit at {at} of {WITNESSED}", words=frozenset({str(WITNESSED)}))


def remove_cosignatures(work: Work) -> Mutation:
    """Remove what witnesses signed, or put the checkpoint in its place as it was before they did."""
    there = [row.decision for row in work.layout.rows if row.decision in work.site.witnessed]
    signed = read_checkpoint(work.read(WITNESSED))
    if work.rng.random() < OF_WITNESSED:
        (work.root / WITNESSED).unlink()
    else:
        work.write(WITNESSED, SignedCheckpoint(Note(signed.note.text, signed.note.signatures[:2])).data)
    return Mutation(f"{WITNESSED} of {signed.head.size} batches", decisions=frozenset(there))


def _flipped_until(work: Work, path: Path, fits: Callable[[], bool]) -> int:
    """Flip one bit of a file, drawn until it fits."""
    whole = work.read(path)
    at = work.flip(path)
    while not fits():
        work.write(path, whole)
        at = work.flip(path)
    return at


def _cosigned_otherwise(work: Work) -> bool:
    """Tell whether the checkpoint that witnesses signed still reads as it was, but for what they signed."""
    whole = (work.site.copy(work.layout.moment) / WITNESSED).read_bytes()
    try:
        found, was = read_checkpoint(work.read(WITNESSED)).note, read_checkpoint(whole).note
    except IntegrityError:
        return False
    return (found.text, found.signatures[:2]) == (was.text, was.signatures[:2])


OF_WITNESSED = 0.7
"""Share of flipped bits that are of the checkpoint with witnesses' signatures."""


def truncate(work: Work) -> Mutation:
    """Cut a file of the table, a tile, a bundle, or a checkpoint."""
    how = work.rng.choice(["table", "tile", "checkpoint"])
    if how == "table":
        return strikes_table.truncate(work)
    path = work.rng.choice(_tiles(work)) if how == "tile" else CHECKPOINT
    data = work.read(path)
    work.write(path, data[: work.rng.randrange(len(data))])
    if how == "tile":
        return _struck(work, "cut", path)
    return Mutation("checkpoint cut", WHOLE, frozenset({"checkpoint"}))


def swap(work: Work) -> Mutation:
    """Let two files of the table, or two tiles or bundles, change their places."""
    tiles = _tiles(work)
    if len(tiles) < 2 or work.rng.random() < OF_WITNESSED:
        return strikes_table.swap(work)
    one, other = work.rng.sample(tiles, 2)
    first, second = work.read(one), work.read(other)
    work.write(one, second)
    work.write(other, first)
    return _struck(work, "swapped", one, other)


def set_back_part(work: Work) -> Mutation:
    """Set back Delta's log, or the log's checkpoint, to how it was before."""
    if work.rng.random() < OF_WITNESSED:
        return strikes_table.take_back_commits(work)
    limit = work.layout.of(work.stage).stop
    older = [data for data in work.site.checkpoints if read_checkpoint(data).head.size < limit]
    data = work.rng.choice(older)
    work.write(CHECKPOINT, data)
    return Mutation(f"the checkpoint of {read_checkpoint(data).head.size} batches", WHOLE)


def set_back_newest(work: Work) -> Mutation:
    """Put back the checkpoint before the newest, take the leaves behind it away, and change a row that they sealed."""
    before = [read_checkpoint(data) for data in work.site.checkpoints]
    size = max(signed.head.size for signed in before if signed.head.size < work.layout.size)
    signed = next(signed for signed in before if signed.head.size == size)
    rows = [row for row in work.layout.rows if row.batch >= size and not row.decision]
    row = work.rng.choice(rows)
    number = work.rng.getrandbits(32)
    work.rewrite(
        row.file,
        lambda found: [
            values | {"tenant": f"t-{number}"}
            if (values["writer_id"], values["writer_seq"]) == (row.writer, row.seq)
            else values
            for values in found
        ],
    )
    leaves = list(LogFiles(work.root / "log").leaves(0, size))
    _written_anew(work, leaves, signed.data)
    return Mutation(f"{row} sealed again", WHOLE | frozenset(range(size, work.layout.size)))


def _written_anew(work: Work, leaves: list[bytes], checkpoint: bytes) -> LogFiles:
    """Write the log of these leaves under a checkpoint."""
    witnessed = (work.root / WITNESSED).read_bytes() if (work.root / WITNESSED).exists() else None
    shutil.rmtree(work.root / "log")
    files = LogFiles(work.root / "log", disk())
    if leaves:
        files.extend(0, leaves)
    work.write(CHECKPOINT, checkpoint)
    if witnessed is not None and read_checkpoint(witnessed).head.size <= read_checkpoint(checkpoint).head.size:
        work.write(WITNESSED, witnessed)
    return files


def _resealed(work: Work, key: SigningKey, leaves: list[bytes], *, forget: bool) -> None:
    """Write the log of these leaves, signed with a key; forget what witnesses signed where that tells of another."""
    root = tree_root([leaf_hash(leaf) for leaf in leaves])
    signed = sign_checkpoint(key, origin(work.site.authority.trust()), len(leaves), root, AT_MS)
    _written_anew(work, leaves, signed.data)
    if forget:
        (work.root / WITNESSED).unlink(missing_ok=True)


def _leaves_now(work: Work, size: int) -> list[bytes]:
    """Return the leaves that the table's rows come to."""
    table = SpanTable(work.root / "spans", 1000)
    return [canonical_json(manifest_of(batch)) for batch in table.batches(0, size - 1)]


def resign(work: Work) -> Mutation:
    """Change a row, and write everything above it anew with the log's key."""
    size = work.layout.size if work.stage is not Stage.TABLE else work.layout.of(Stage.TABLE).stop
    done = strikes_table.edit_other(work)
    _resealed(work, work.site.authority.key(), _leaves_now(work, size), forget=work.stage is Stage.WITNESSED)
    return Mutation(done.what, WHOLE | done.batches, decisions=frozenset())


def merge_falsely(work: Work) -> Mutation:
    """Change a row, and let an entry that the log's key signed say that its file is one that others were merged into."""
    return _with_entry(work, work.site.authority.key())


def forge_entry(work: Work) -> Mutation:
    """Do the same without the log's key: the signature of the entry is nobody's."""
    return _with_entry(work, None)


def expire_falsely(work: Work) -> Mutation:
    """Take a batch with a decision away, and let an entry that the log's key signed say that it has expired."""
    return _expired(work, work.site.authority.key())


def forge_expiry(work: Work) -> Mutation:
    """Do the same without the log's key: the signature of the entry is nobody's."""
    return _expired(work, None)


def _expired(work: Work, key: SigningKey | None) -> Mutation:
    done = strikes_table.delete_batch(work)
    (batch,) = done.batches
    words = {
        names.TABLE_INPUTS: "0" * 64, names.TABLE_OUTPUTS: "", names.TABLE_FIRST_BATCH: str(batch),
        names.TABLE_LAST_BATCH: str(batch), names.TABLE_ROWS: "1", names.TABLE_EXPIRED_BATCHES: str(batch),
    }  # fmt: skip
    _enter(work, names.TABLE_EXPIRED, words, key)
    return done


def _with_entry(work: Work, key: SigningKey | None) -> Mutation:
    """Change a row, and enter that its file is one that others were merged into."""
    done = strikes_table.edit_other(work)
    (batch,) = done.batches
    words = {
        names.TABLE_INPUTS: "0" * 64, names.TABLE_OUTPUTS: work.written, names.TABLE_FIRST_BATCH: str(batch),
        names.TABLE_LAST_BATCH: str(batch), names.TABLE_ROWS: "1", names.TABLE_ROWS_ROOT: "0" * 64,
    }  # fmt: skip
    _enter(work, names.TABLE_COMPACTED, words, key)
    return Mutation(done.what, done.batches)


def _enter(work: Work, name: str, words: dict[str, str], key: SigningKey | None) -> None:
    """Commit and seal an entry; without the log's key it is SpanActor that seals it, of whoever's log it lay in."""
    trust, writer = work.site.authority.trust(), work.site.authority.writer(30_000 + work.rng.randrange(10**6))
    signed = sign_entry(work.site.authority.key(), trust, name, words, AT_MS // 1000)
    if key is None:
        signed[SIGNATURE] = b64(work.rng.randbytes(64))
    table = SpanTable(work.root / "spans", 1000, disk())
    sealer = Sealer(LogFiles(work.root / "log", disk()), table, work.site.authority, 512, 100_000)
    span = msgspec.structs.replace(measured(writer.id, 1, AT_MS, name), attributes=signed)
    sealer.seal(table.append([Rows(writer.id, 1, 1, [span])], {writer.id: 1}, AT_MS), AT_MS)


def fork_own_key(work: Work) -> Mutation:
    """From some batch on let the log be another; the key is one that nobody certified."""
    done = strikes_table.edit_other(work)
    key = key_of(work.rng.getrandbits(64))
    _resealed(work, key, _leaves_now(work, work.layout.size), forget=True)
    return Mutation(done.what, WHOLE)


def false_checkpoint(work: Work) -> Mutation:
    """Sign another root, or another size, with the log's key."""
    head = read_checkpoint(work.read(CHECKPOINT)).head
    root, size = head.root, head.size
    if work.rng.random() < OF_WITNESSED:
        root = work.rng.randbytes(32)
    else:
        size += work.rng.choice([-1, 1]) * work.rng.randint(1, 5)
    signed = sign_checkpoint(work.site.authority.key(), origin(work.site.authority.trust()), size, root, AT_MS)
    work.write(CHECKPOINT, signed.data)
    return Mutation(f"checkpoint of {size} batches", WHOLE | frozenset(range(size + 1)))


def fork(work: Work) -> Mutation:
    """On a home of an earlier moment let table and log go on with other rows, until they are larger than they were."""
    table, files = SpanTable(work.root / "spans", 1000, disk()), LogFiles(work.root / "log", disk())
    sealer = Sealer(files, table, work.site.authority, 512, 100_000)
    wanted = work.rng.choice([0, 1, 40])
    writers = [work.site.authority.writer(20_000 + work.rng.randrange(10**6)) for _ in range(1 + wanted)]
    rows = [Rows(one.id, 1, 1, [measured(one.id, 1, AT_MS, "x")]) for one in writers]
    reached = {one.writer_id: 1 for one in rows}
    sealer.seal(table.append(rows, reached, AT_MS), AT_MS)
    for _ in range(8):
        if sealer.waiting:
            sealer.seal((), AT_MS)
    (work.root / WITNESSED).unlink(missing_ok=True)
    there = {row.decision for row in work.layout.rows if row.decision}
    lost = frozenset(work.site.kept) - there
    return Mutation(f"{sealer.size} batches after {work.layout.moment}", WHOLE, decisions=lost)


def roll_home_back(work: Work) -> Mutation:
    """Home is as it was at an earlier moment: the copy is of that."""
    there = {row.decision for row in work.layout.rows if row.decision}
    return Mutation(f"home as it was {work.layout.moment}", WHOLE, decisions=frozenset(work.site.kept) - there)


def replay_segment(work: Work) -> Mutation:
    """Put a segment back that was taken in: one that is gone by now, or its writer's as it was earlier."""
    earlier = [work.site.copy(moment) / "wal" for moment in ("early", "witnessed", "sealed", "waiting")]
    gone = [
        path
        for wal in earlier
        for path in sorted(wal.glob("*/*.wal"))
        if not (work.root / "wal" / path.relative_to(wal)).exists()
    ]
    path = work.rng.choice(gone)
    target = Path("wal") / path.parent.name / path.name
    work.write(target, path.read_bytes())
    return Mutation(str(target), words=frozenset({path.parent.name}))


def flip_taken(work: Work) -> Mutation:
    """Flip a bit in what a segment still says of rows that are in the table."""
    found = []
    for segment in work.layout.segments:
        taken = [frame for frame in segment.frames if frame not in segment.unread]
        if len(taken) > 1 and segment.frames[-1] not in taken:
            found.append((segment, taken[0].offset, taken[-1].end))
    segment, first, end = work.rng.choice(found)
    at = work.flip(segment.path, first, end)
    return Mutation(f"bit at {at} of {segment.path}", words=frozenset({segment.writer}))
