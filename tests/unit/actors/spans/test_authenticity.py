"""Whose word a row is."""

import msgspec
import pytest

from actors.base.canonical import canonical_json
from actors.base.signing import SigningKey
from actors.spans.authenticity import Writers
from actors.spans.batch import without
from actors.spans.columns import Rows
from actors.spans.record import Envelope
from actors.spans.span import Span
from tests.unit.actors.spans.signed import signed_row, stranger_trust
from tests.unit.actors.spans.telemetry import Authority, span, spans_from, writer_id

W = writer_id(1)
WRITERS = Writers(Authority().trust())


def altered(row: Span, **changes: object) -> Span:
    """Return a row whose envelope was changed."""
    envelope = msgspec.json.decode(row.record, type=Envelope)
    return msgspec.structs.replace(row, record=canonical_json(msgspec.structs.replace(envelope, **changes)))


def test_a_writer_s_own_word_is_believed() -> None:
    """A decision in its place, twice as well as once, and a row that carries none."""
    for _ in range(2):
        assert WRITERS.fault(W, 5, signed_row(W, 5)) == ""
    assert WRITERS.fault(W, 6, span(6)) == ""


def test_a_certificate_that_was_seen_before_vouches_for_its_own_writer_only() -> None:
    """Remembered or not, whose it is is looked at for every row."""
    writers, other = Writers(Authority().trust()), signed_row(writer_id(2), 5)
    assert writers.fault(writer_id(2), 5, other) == ""
    assert "certificate is" in writers.fault(W, 5, other)


def test_what_is_not_its_word_is_told_why() -> None:
    """Out of its place, under another decision, by another key or another writer, cut, unsigned: each by its reason."""
    row = signed_row(W, 5)
    other = signed_row(writer_id(2), 5)
    forged = signed_row(W, 5, key=SigningKey.from_seed(b"f" * 32))
    wrong = {
        "is row 5 of": WRITERS.fault(W, 6, row),
        "another decision": WRITERS.fault(W, 5, msgspec.structs.replace(row, decision_id=span(9).decision_id)),
        "certificate is": WRITERS.fault(W, 5, other),
        "signed by key": WRITERS.fault(W, 5, forged),
        "cannot be read": WRITERS.fault(W, 5, msgspec.structs.replace(row, record=row.record[:-1])),
        "exactly one writer certificate": WRITERS.fault(W, 5, altered(row, certificates=[])),
        "no trusted issuer": Writers(stranger_trust()).fault(W, 5, row),
    }
    for why, fault in wrong.items():
        assert why in fault, (why, fault)


@pytest.mark.parametrize(
    ("numbers", "left"), [((), [(5, 4)]), ((5,), [(6, 3)]), ((6, 7), [(5, 1), (8, 1)]), ((5, 6, 7, 8), [])]
)
def test_rows_that_are_taken_out_part_a_run(numbers: tuple[int, ...], left: list[tuple[int, int]]) -> None:
    """What is left keeps its numbers."""
    rows = Rows(W, 5, 2, spans_from(5, 4))
    parts = without(rows, numbers)
    assert [(part.first_seq, len(part.spans)) for part in parts] == left
    assert all(part.schema_version == 2 for part in parts)
