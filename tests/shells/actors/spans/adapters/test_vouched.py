"""Between commit and seal: rows that are not what was committed are not sealed, whoever changed them in the table."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from actors.base.certificates import TrustBundle
from actors.base.errors import HomeError, IntegrityError, StorageUnavailable
from actors.base.signing import SigningKey
from actors.spans.adapters.table import LOG, SpanTable
from actors.spans.adapters.vouched import Vouched
from actors.spans.columns import Rows, pinned_schema
from actors.spans.committed import BATCHES, say
from actors.spans.merkle import leaf_hash
from tests.shells.actors.spans.adapters.sealed import NOW_MS, Sealed, W, rewritten
from tests.unit.actors.spans.telemetry import LOG_KEY, Authority, spans_from, writer_id


def waiting(path: Path) -> Sealed:
    """Return a home with a sealed batch and two that wait, as the next process finds it."""
    made = Sealed(path)
    made.batches(1)
    made.commit()
    made.commit()
    return Sealed(path)


def entry_of(made: Sealed, batch: int) -> Path:
    """Return the entry of Delta's log that adds a batch's file."""
    name = made.file_of(batch).name
    return next(
        path for path in sorted((made.home / "spans" / "_delta_log").glob("*.json")) if name in path.read_text()
    )


def said_otherwise(made: Sealed, batch: int, change: Callable[[str], str | None]) -> None:
    """Let the commit of a batch say something else of it, or nothing."""
    entry = entry_of(made, batch)
    actions = [json.loads(line) for line in entry.read_text().splitlines()]
    for action in actions:
        if "commitInfo" in action:
            said = change(action["commitInfo"].pop(BATCHES))
            action["commitInfo"] |= {} if said is None else {BATCHES: said}
    entry.write_text("\n".join(map(json.dumps, actions)))


def test_what_was_committed_is_sealed_by_the_next_process(tmp_path: Path) -> None:
    """It asks the commits once, and comes to the same leaves."""
    again = waiting(tmp_path)
    assert again.sealer.seal((), NOW_MS) == 2
    assert again.damage() == []


CHANGES: dict[str, Callable[[pa.Table], pa.Table]] = {
    "another value": lambda rows: rows.set_column(
        rows.schema.get_field_index("tenant"), "tenant", pa.array(["t-2"] * rows.num_rows).cast(rows.schema.field("tenant").type)
    ),
    "without its first": lambda rows: rows.slice(1),
    "without its last": lambda rows: rows.slice(0, rows.num_rows - 1),
    "with one more": lambda rows: pa.Table.from_pylist(
        [*rows.to_pylist(), rows.to_pylist()[-1] | {"writer_seq": rows["writer_seq"][-1].as_py() + 1}], schema=pinned_schema()
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("restarted", [True, False])
def test_what_was_changed_before_it_was_sealed_is_not_sealed(tmp_path: Path, change: str, restarted: bool) -> None:
    """Though what is left is a run of rows, and nothing signed them: the batch is named, and those before it are sealed."""
    made = waiting(tmp_path)
    if not restarted:
        assert made.sealer.seal((), NOW_MS) == 2
        made.commit()
        made.commit()
    batch = made.sealer.size + 1
    rewritten(made.file_of(batch), CHANGES[change])
    assert made.sealer.seal((), NOW_MS) == 1
    with pytest.raises(IntegrityError, match=rf"batch {batch} \({W}, from row .*\) is not what was committed"):
        made.sealer.seal((), NOW_MS)
    assert made.sealer.size == batch


@pytest.mark.parametrize(
    "change",
    [
        lambda _: None,
        lambda _: "",
        lambda said: said.replace('"weavergen.batches.first":"2"', '"weavergen.batches.first":"3"'),
    ],
)
def test_a_batch_of_which_no_commit_tells_is_not_sealed(tmp_path: Path, change: Callable[[str], str | None]) -> None:
    """What was said of it was taken away, or is no longer what was signed."""
    made = waiting(tmp_path)
    said_otherwise(made, 2, change)
    assert made.sealer.seal((), NOW_MS) == 1
    with pytest.raises(IntegrityError, match="no commit that the log's key signed tells of batch 2"):
        made.sealer.seal((), NOW_MS)


def test_a_commit_of_somebody_else_is_not_sealed(tmp_path: Path) -> None:
    """Under the next number, with Delta's log to fit: who holds no key cannot say what it is."""
    made = waiting(tmp_path)
    foreign = SpanTable(tmp_path / "spans", 10)
    foreign.append([Rows(writer_id(9), 1, 1, spans_from(1, 2))], {writer_id(9): 2}, NOW_MS)
    assert [made.sealer.seal((), NOW_MS) for _ in range(2)] == [1, 1]
    with pytest.raises(IntegrityError, match=r"tells of batch 3 .*: it was put there"):
        made.sealer.seal((), NOW_MS)


def test_without_a_key_that_is_believed_nothing_is_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else there would be batches that nobody can tell from those of somebody else; the table is as it was."""
    made = Sealed(tmp_path)
    made.batches(1)
    files, key = made.table.current_files(), made.authority.signing

    def away() -> TrustBundle:
        raise FileNotFoundError(2, "No such file", "trust.json")

    made.authority.signing = SigningKey.from_seed(b"s" * 32)
    with pytest.raises(HomeError, match="bring both back"):
        made.commit()
    made.authority.signing = key
    with monkeypatch.context() as patch:
        patch.setattr(made.authority, "trust", away)
        with pytest.raises(HomeError, match="bring both back"):
            made.commit()
    assert (made.table.current_files(), made.table.last_committed(LOG)) == (files, 0)
    made.batches(1)
    assert made.damage() == []


def test_nobody_who_cannot_be_asked_is_taken_for_a_forger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a trust bundle nobody can tell whose word a commit is: batches wait."""
    made = waiting(tmp_path)

    def away() -> TrustBundle:
        raise FileNotFoundError(2, "No such file", "trust.json")

    with monkeypatch.context() as patch:
        patch.setattr(made.authority, "trust", away)
        with pytest.raises(StorageUnavailable, match="whose word a commit is"):
            made.sealer.seal((), NOW_MS)
    assert made.sealer.seal((), NOW_MS) == 2


def test_what_commits_say_is_kept_while_batches_wait(tmp_path: Path) -> None:
    """However many checkpoints of Delta's log stand for them by then; afterwards it goes like all the rest."""
    made = Sealed(tmp_path, keep_s=0)
    made.batches(2)
    for _ in range(25):
        made.commit()
    again = Sealed(tmp_path, keep_s=0)
    assert again.sealer.seal((), NOW_MS) == 25
    assert again.damage() == []
    for _ in range(25):
        again.batches(1)
    assert len(list((tmp_path / "spans" / "_delta_log").glob("*.json"))) < 20
    assert len(again.table.said()) < 20


def test_leaves_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever seals what it has just committed takes them as they were said, and asks no commit."""
    made = Sealed(tmp_path)
    counted: list[Rows] = []
    from actors.spans.adapters import vouched

    honest = vouched.manifest_of
    monkeypatch.setattr(vouched, "manifest_of", lambda rows: counted.append(rows) or honest(rows))
    monkeypatch.setattr(SpanTable, "said", lambda _: pytest.fail("nobody need be asked"))
    made.batches(3)
    assert len(counted) == 3


def test_what_is_sealed_is_forgotten(tmp_path: Path) -> None:
    """What is held in memory is of batches that wait."""
    authority = Authority()
    table: Any = type("Told", (), {"said": lambda _: [say(LOG_KEY, authority.trust(), 0, [bytes(32)] * 9, 0)]})()
    known = Vouched(table, authority)
    rows = Rows(W, 1, 1, spans_from(1, 1), 3)
    with pytest.raises(IntegrityError, match="batch 3"):
        known.held([rows])
    known.say([rows], NOW_MS)
    (leaf,) = known.held([rows])
    assert known._known[3] == leaf_hash(leaf)
    known.sealed(4)
    assert sorted(known._known) == [4, 5, 6, 7, 8]
