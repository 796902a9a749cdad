"""Words on decisions as rows."""

from actors.spans.columns import Rows, by_date
from actors.spans.feedback import Feedback, feedback_span
from tests.unit.actors.spans.telemetry import NOW_S, decision

NOTE = "c0" * 32
"""What a note is committed to by (``tests/unit/actors/store/test_tenants.py``)."""
NOW_NS = int(NOW_S * 1e9)


def word(note: str = "") -> Feedback:
    """Return one word, with what became of its note."""
    return Feedback("01F", decision(1), "p-acme", "reverted", NOTE if note else "")


def test_a_word_is_a_row_of_its_own() -> None:
    """Decision, tenant and outcome lie in the table's columns; what does not apply is null, a record most of all."""
    ((_, table),) = by_date([Rows("W", 1, 1, [feedback_span(word("broke"), b"t" * 16, b"s" * 8, NOW_NS)])])
    (row,) = table.to_pylist()
    told = {name: row[name] for name in ("name", "decision_id", "tenant", "outcome", "status", "start_unix_nano")}
    assert told == {
        "name": "weavergen.feedback", "decision_id": decision(1), "tenant": "p-acme", "outcome": "reverted", "status": "ok",
        "start_unix_nano": NOW_NS,
    }  # fmt: skip
    assert (row["parent_span_id"], row["record"], row["voter"], row["latency_ms"]) == (None, None, None, None)
    assert dict(row["attributes"]) == {
        "weavergen.feedback.id": "01F",
        "weavergen.feedback.note_commitment": NOTE,
    }


def test_without_a_note_nothing_is_committed_to() -> None:
    """An empty note is none, and the row has no attribute for it."""
    assert word().note_commitment == ""
    assert feedback_span(word(), b"t" * 16, b"s" * 8, NOW_NS).attributes == {"weavergen.feedback.id": "01F"}
