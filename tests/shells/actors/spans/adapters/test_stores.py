"""Readers of the table while its rows lie in two storages."""

from pathlib import Path

import pytest

from actors.base.errors import StorageUnavailable
from actors.spans.adapters.lookup import open_lookup
from actors.spans.adapters.stores import SpanStores
from actors.spans.adapters.table import LOG
from actors.spans.frames import FrameKind, encode_spans
from actors.spans.record import read_envelope
from cluster.records import Unread, read_records
from tests.shells.actors.spans.adapters.backed import Backed
from tests.unit.actors.spans.signed import signed_row
from tests.unit.actors.spans.telemetry import SMALL, decision, writer_id

W = writer_id(1)


@pytest.fixture
def home(tmp_path: Path) -> Backed:
    """Return a home whose first storage holds batch 0 and whose backup, in use, holds batch 1; both are there."""
    home = Backed(tmp_path, backup_return_s=3600.0)
    actor = home.opened()
    home.write()
    home.tick(actor)
    home.fails_over(actor)
    home.mends()
    actor.close()
    return home


def test_both_storages_read_as_one(home: Backed) -> None:
    """Rows, batches, files and numbers are those of one table."""
    stores = home.stores()
    assert [batch.log_index for batch in stores.batches(0, 9)] == [0, 1]
    assert [batch.log_index for batch in stores.batches(1, 1)] == [1]
    assert [batch.log_index for batch in stores.batches(0, 0)] == [0]
    assert stores.last_within(1, 1, 10) == 1
    assert stores.last_within(0, 1, 10) == 0, "what lies in the first comes first"
    assert [(file.first, file.last) for file in stores.numbered_files()] == [(0, 0), (1, 1)]
    assert [file.path for file in stores.numbered_files()] == stores.current_files()
    assert (stores.last_committed(W), stores.last_durable(LOG), home.seen()) == (5, 1, [1, 2, 3, 4, 5])
    found = {seq: stores.row_of(W, seq, decision(seq)) for seq in (1, 4, 9)}
    assert [None if row is None else row.log_index for row in found.values()] == [0, 1, None]
    assert home.is_whole()


def test_a_copy_in_both_is_read_once(home: Backed) -> None:
    """What is brought back lies twice until the word changes: nobody counts it twice."""
    stores = home.stores()
    first = stores.__dict__["_first"]
    first.put(stores.batches(1, 1), {LOG: 1, W: 5}, 0)
    assert len(first.current_files()) == 2
    assert (home.seen(), len(stores.current_files()), home.is_whole()) == ([1, 2, 3, 4, 5], 2, True)


def test_a_reader_that_was_there_before_follows(home: Backed) -> None:
    """It hears of the handover and of the way back without being opened anew."""
    stores = home.stores()
    before = stores.current_files()
    home.config = home.config.model_copy(update={"backup_return_s": 0.0})
    actor = home.opened()
    home.tick(actor)
    after = stores.current_files()
    assert (before[0] in after, before[1] in after, len(after)) == (True, False, 2)
    assert all(path.is_relative_to(home.first) for path in after)
    assert all(path.exists() for path in before), "whoever read on in the backup meanwhile still finds it"


def test_the_backup_s_rows_are_had_while_the_first_is_away(home: Backed) -> None:
    """Its decisions and records are read; what may lie in the first is not taken for what is not there."""
    home.breaks()
    stores = home.stores()
    row = stores.row_of(W, 4, decision(4))
    assert row is not None
    assert row.log_index == 1
    assert [batch.log_index for batch in stores.batches(1, 1)] == [1]
    for ask in (
        lambda: stores.row_of(W, 1, decision(1)), lambda: stores.find(decision(1)), stores.current_files,
        lambda: stores.batches(0, 1),
    ):  # fmt: skip
        with pytest.raises(StorageUnavailable):
            ask()
    rows, damage = home.found()
    assert (rows, damage[0], {kind for _, kind in damage[1:]}) == (3, (-1, "file"), {"missing"})


def test_a_decision_and_its_proof_are_had_during_the_outage(tmp_path: Path) -> None:
    """A record that only the backup holds is found, proven and audited; the first storage's place is named as unread."""
    home = Backed(tmp_path)
    actor = home.opened()
    home.write()
    home.tick(actor)
    home.breaks()
    home.segment.raw(3, 1, encode_spans([signed_row(W, 3)])).end(FrameKind.CLOSED, 4).save(home.wal)
    home.tick(actor, 3)
    assert home.segments() == []
    lookup, archive = open_lookup(home.path, SMALL, home.authority.trust)
    found = lookup.find(decision(3))
    assert found == signed_row(W, 3).record
    proof = read_envelope(archive.prove(found)).proof
    assert proof is not None
    assert proof.entry.index == 1
    read = list(read_records(home.path, SMALL))
    assert [item.place for item in read if isinstance(item, Unread)] == ["spans"]
    assert [(item.writer_id, item.seq, item.batch) for item in read if not isinstance(item, Unread)] == [(W, 3, 1)]


def test_without_a_word_it_is_the_first_alone(tmp_path: Path) -> None:
    """As ever."""
    stores = SpanStores(tmp_path, 10)
    assert (stores.current_files(), stores.last_committed(W), stores.find("x")) == ([], None, None)
