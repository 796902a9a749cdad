"""Proofs of decisions that lie together: a batch is read once, and nothing is proven from memory alone."""

from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from actors.base.canonical import canonical_json
from actors.base.errors import IntegrityError
from actors.spans.adapters import lookup as lookup_module
from actors.spans.adapters.lookup import ArchivedDecisions, KeptHashes
from actors.spans.adapters.table import SpanTable
from actors.spans.columns import Rows
from actors.spans.record import read_envelope, seal
from tests.shells.actors.spans.adapters.sealed import NOW_MS, Sealed, W, rewritten
from tests.unit.actors.spans.telemetry import decision, span
from tests.unit.actors.spans.test_record import RECORD, WRITER


def envelope(seq: int) -> bytes:
    """Make the envelope that the writer's row of this number carries."""
    writer = msgspec.structs.replace(RECORD.writer, id=W, seq=seq)
    return canonical_json(
        seal(msgspec.structs.replace(RECORD, id=decision(seq), writer=writer), WRITER.key, WRITER.certificate)
    )


@pytest.fixture
def made(tmp_path: Path) -> Sealed:
    """Two sealed batches of three decisions each, rows 1 to 6."""
    sealed = Sealed(tmp_path)
    for first in (1, 4):
        rows = Rows(W, first, 1, [span(seq, envelope(seq)) for seq in range(first, first + 3)])
        sealed.sealer.seal(sealed.table.append([rows], {W: first + 2}, NOW_MS), NOW_MS)
    return sealed


def test_a_batch_is_read_once_for_all_of_its_decisions(made: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every proof is checked before it is given, whether its batch's digests were kept or not."""
    read: list[int] = []
    batches = SpanTable.batches

    def counted(table: SpanTable, first: int, last: int) -> list[Rows]:
        read.append(first)
        return batches(table, first, last)

    monkeypatch.setattr(SpanTable, "batches", counted)
    archive = ArchivedDecisions(made.home, 10, made.authority.trust)
    for seq in (1, 2, 3, 4, 5, 6, 1):
        proof = read_envelope(archive.prove(envelope(seq))).proof
        assert proof is not None
        assert proof.entry.index == (seq - 1) // 3
    assert read == [0, 1]


def test_batches_that_were_sealed_at_once_are_proven_each(tmp_path: Path) -> None:
    """The log was never of a size between them."""
    sealed = Sealed(tmp_path)
    for first in (1, 4, 7):
        rows = Rows(W, first, 1, [span(seq, envelope(seq)) for seq in range(first, first + 3)])
        sealed.table.append([rows], {W: first + 2}, NOW_MS)
    assert sealed.sealer.seal((), NOW_MS) == 3
    archive = ArchivedDecisions(tmp_path, 10, sealed.authority.trust)
    for seq in range(1, 10):
        proof = read_envelope(archive.prove(envelope(seq))).proof
        assert proof is not None
        assert (proof.entry.index, proof.entry.checkpoint.head.size) == ((seq - 1) // 3, 3)


def test_a_row_that_was_changed_gets_no_proof_from_what_is_kept(made: Sealed) -> None:
    """Its own digest is made of what the table holds now."""
    archive = ArchivedDecisions(made.home, 10, made.authority.trust)
    archive.prove(envelope(1))
    rewritten(made.file_of(0), lambda rows: rows.set_column(6, "end_unix_nano", pa.array([9**20 % 2**62] * 3)))
    with pytest.raises(IntegrityError):
        archive.prove(envelope(2))


def test_digests_that_prove_nothing_are_not_kept(made: Sealed) -> None:
    """Once the damage is gone the same reader proves."""
    archive = ArchivedDecisions(made.home, 10, made.authority.trust)
    file = made.file_of(0)
    whole = file.read_bytes()
    end = pa.array([span(1).end_unix_nano, span(2).end_unix_nano + 1, span(3).end_unix_nano])
    rewritten(file, lambda rows: rows.set_column(6, "end_unix_nano", end))
    with pytest.raises(IntegrityError, match="not in the batch"):
        archive.prove(envelope(1))
    file.write_bytes(whole)
    assert read_envelope(archive.prove(envelope(1))).proof is not None


def test_what_is_kept_is_bounded_in_rows() -> None:
    """What was asked for longest ago goes first; a batch that is larger than the bound is not kept."""
    kept = KeptHashes(5)
    kept.put(1, 1, [b""] * 2)
    kept.put(2, 3, [b""] * 3)
    assert kept.get(1) == (1, [b""] * 2)
    kept.put(3, 6, [b""] * 2)
    assert [kept.get(index) is not None for index in (1, 2, 3)] == [True, False, True]
    kept.put(4, 8, [b""] * 6)
    assert [kept.get(index) is not None for index in (1, 3, 4)] == [True, True, False]
    assert lookup_module.KEPT_ROWS >= 25_000
