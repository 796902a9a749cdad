"""A log of an earlier version is brought over whole, or not at all."""

from pathlib import Path

import pytest

from actors.base.canonical import b64, canonical_json
from actors.base.errors import IntegrityError, StorageUnavailable
from actors.base.signing import SigningKey
from actors.spans.adapters.check import check_log
from actors.spans.adapters.earlier_log import TYPE, EarlierCheckpoint, EarlierSigned
from actors.spans.adapters.log import LogFiles
from actors.spans.log.checkpoint import log_id
from actors.spans.log.tiles import WIDTH, join_leaves
from tests.shells.actors.spans.adapters.sealed import NOW_MS, Sealed


def as_before(made: Sealed, size: int, *, key: SigningKey | None = None) -> None:
    """Lay a log out as the earlier version did, its checkpoint at ``size``; what the home holds beyond lies behind it."""
    signed, path = made.files.checkpoint(), made.files.path
    assert signed is not None
    leaves, root = list(made.files.leaves(0, signed.head.size)), made.files.root(size)
    (path / "entries").mkdir()
    for number in range(-(-len(leaves) // WIDTH)):
        (path / "entries" / f"{number:08d}").write_bytes(join_leaves(leaves[number * WIDTH :][:WIDTH]))
    (path / "hashes").write_bytes(b"whatever they were")
    payload = canonical_json(
        EarlierCheckpoint("weavergen.checkpoint/1", log_id(made.authority.trust()), size, root.hex(), NOW_MS)
    )
    earlier = EarlierSigned(b64(payload), (key or made.authority.key()).sign(TYPE, payload))
    (path / "tile").rename(path.parent / "tile-of-now")
    (path / "checkpoint").write_bytes(canonical_json(earlier))


def names(path: Path) -> set[str]:
    """Return what lies in the log's folder."""
    return {file.name for file in path.iterdir()}


@pytest.mark.parametrize("batches", [1, 3, 300])
def test_a_log_of_before_goes_on(tmp_path: Path, batches: int) -> None:
    """Same leaves, same root; the old files are gone, and it is sealed on and found whole."""
    made = Sealed(tmp_path)
    made.many(batches)
    root = made.files.root(batches)
    as_before(made, batches)
    with pytest.raises(IntegrityError, match="earlier version"):
        made.files.checkpoint()
    again = Sealed(tmp_path)
    assert (again.sealer.size, again.files.root(batches)) == (batches, root)
    assert names(again.files.path) == {"tile", "checkpoint"}
    again.batches(2)
    checked = check_log(tmp_path, again.authority.trust(), 10)
    assert (checked.size, checked.damage) == (batches + 2, ())


def test_an_empty_log_of_before_goes_on(tmp_path: Path) -> None:
    """Its first checkpoint is of nothing."""
    made = Sealed(tmp_path)
    made.batches(1)
    made = Sealed(tmp_path / "other")
    path = made.files.path
    payload = canonical_json(
        EarlierCheckpoint("weavergen.checkpoint/1", log_id(made.authority.trust()), 0, made.files.root(0).hex(), NOW_MS)
    )
    (path / "checkpoint").write_bytes(
        canonical_json(EarlierSigned(b64(payload), made.authority.key().sign(TYPE, payload)))
    )
    again = Sealed(tmp_path / "other")
    again.batches(1)
    assert (again.sealer.size, again.damage()) == (1, [])


def test_leaves_behind_the_old_checkpoint_are_kept(tmp_path: Path) -> None:
    """A crash had left them: what comes next must be they."""
    made = Sealed(tmp_path)
    made.batches(2)
    for _ in range(2):
        made.sealer.seal(made.commit(), NOW_MS)
    as_before(made, 3)
    behind = (tmp_path / "log" / "entries" / "00000000").read_bytes()
    assert behind.count(b"weavergen.batch/1") == 4
    (tmp_path / "log" / "entries" / "00000000").write_bytes(behind.replace(b'"last_seq":12', b'"last_seq":13'))
    again = Sealed(tmp_path)
    with pytest.raises(IntegrityError, match="leaf 3 lies behind the checkpoint"):
        again.sealer.seal((), NOW_MS)


def test_a_log_of_before_that_does_not_check_stays_as_it_is(tmp_path: Path) -> None:
    """Under a stranger's key, or with a leaf that is another: it gets no new signature."""
    foreign, changed = Sealed(tmp_path / "foreign"), Sealed(tmp_path / "changed")
    for made, key in ((foreign, SigningKey.from_seed(b"s" * 32)), (changed, None)):
        made.batches(3)
        as_before(made, 3, key=key)
    entries = changed.files.path / "entries" / "00000000"
    entries.write_bytes(entries.read_bytes().replace(b'"last_seq":6', b'"last_seq":7'))
    for made, why in ((foreign, "no trusted log key"), (changed, "do not come to")):
        with pytest.raises(IntegrityError, match=why):
            Sealed(made.home)
        assert {"entries", "hashes", "checkpoint"} <= names(made.files.path)
        with pytest.raises(IntegrityError, match="earlier version"):
            made.files.checkpoint()


@pytest.mark.parametrize("step", ["extend", "put", "remove"])
def test_a_process_that_died_on_the_way_is_followed_by_one_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Before the tiles, before the checkpoint, before the old files are gone."""

    def refuse(*_: object) -> None:
        raise StorageUnavailable("no space")

    made = Sealed(tmp_path)
    made.batches(3)
    as_before(made, 3)
    with monkeypatch.context() as broken:
        if step == "remove":
            broken.setattr("actors.spans.adapters.earlier_log._remove", refuse)
        else:
            broken.setattr(LogFiles, step, refuse)
        with pytest.raises(StorageUnavailable):
            Sealed(tmp_path)
    again = Sealed(tmp_path)
    assert (again.sealer.size, names(again.files.path)) == (3, {"tile", "checkpoint"})
    again.batches(1)
    assert again.damage() == []
