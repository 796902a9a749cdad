"""CrossReferenceValidator over many frames: decisions that come twice, answers taken back, caches, counts."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.spans import conventions as names
from actors.spans.checkers import cross_reference
from actors.spans.checkers.cross_reference import CrossReferenceValidator
from actors.spans.checkers.finding import Arrivals, Severity
from actors.spans.columns import Rows
from actors.spans.counters import WriterCounts, counters_span
from actors.spans.record import CacheRef, DecisionRecord
from actors.spans.sequence import MAX_SEQ
from actors.spans.span import Span
from tests.unit.actors.spans.checkers.decisions import NOW_NS, WRITER, agreed, failed_over, frame, taken_back
from tests.unit.actors.spans.telemetry import NOW_S, writer_id

STATE = agreed()
ROWS = len(frame(STATE).spans)
OTHER = writer_id(2)


def arrivals(*rows: Rows) -> Arrivals:
    """Return rows that came now."""
    return Arrivals(rows, NOW_S)


def kinds(validator: CrossReferenceValidator, *rows: Rows) -> list[str]:
    """Judge rows, have them accepted if nothing grave was found, and return what was."""
    found = validator.check(arrivals(*rows))
    if not any(finding.severity is Severity.CRITICAL for finding in found):
        validator.learn(arrivals(*rows))
    return sorted({finding.kind for finding in found})


def test_decisions_after_one_another_are_right() -> None:
    """Each comes once."""
    validator = CrossReferenceValidator()
    assert kinds(validator, *(frame(STATE, n, 1 + ROWS * n) for n in range(5))) == []


def test_a_record_that_was_opened_is_that_of_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read once more, and holds against no other decision's rows; where none was opened it is read here."""
    first, second, third = (frame(state, n, 1 + 20 * n) for n, state in enumerate((STATE, failed_over(), STATE)))
    wrong = rows_with(third, third.spans[0], *(replace(span, outcome="late") for span in third.spans[1:]))
    for rows, expected in (([first, second, third], set()), ([first, second, wrong], {third.writer_id})):
        came = arrivals(*rows)
        alone = CrossReferenceValidator().check(came)
        assert {finding.writer_id for finding in alone} == expected
        for at in came.arrays.signed:
            came.open(at)
        with monkeypatch.context() as patch:
            patch.delattr(cross_reference, "recorded")
            assert CrossReferenceValidator().check(came) == alone


def rows_with(rows: Rows, *spans: Span) -> Rows:
    """Return other rows in their place."""
    return Rows(rows.writer_id, rows.first_seq, rows.schema_version, spans)


def test_the_same_rows_may_come_again() -> None:
    """They had to wait; they are neither another decision nor counted twice."""
    validator, rows = CrossReferenceValidator(), frame(STATE)
    counts = Counted()
    counts.wrote(rows)
    for _ in range(2):
        assert kinds(validator, rows) == []
    assert kinds(validator, counts.says(1 + ROWS)) == []


def test_a_decision_comes_once() -> None:
    """Not again in the same batch, nor in a later one, nor from another writer; all its rows are critical then."""
    for writer in (WRITER, OTHER):
        again = frame(STATE, 1, 1 + ROWS, writer=writer)
        assert kinds(CrossReferenceValidator(), frame(STATE), again) == ["decision_twice"]
        validator = CrossReferenceValidator()
        assert kinds(validator, frame(STATE)) == []
        found = validator.check(arrivals(again))
        assert {finding.seq for finding in found} == set(range(1 + ROWS, 1 + 2 * ROWS))


def test_a_decision_that_was_set_aside_does_not_stand_in_another_s_way() -> None:
    """What was judged and not accepted is not remembered."""
    validator = CrossReferenceValidator()
    validator.check(arrivals(frame(STATE, writer=OTHER)))
    assert kinds(validator, frame(STATE)) == []


def test_only_so_many_decisions_are_remembered() -> None:
    """The oldest is forgotten; memory does not grow."""
    validator = CrossReferenceValidator(max_decisions=2)
    for n in range(3):
        assert kinds(validator, frame(STATE, n, 1 + ROWS * n)) == []
    assert kinds(validator, frame(STATE, 0, 1 + 3 * ROWS)) == []
    assert kinds(validator, frame(STATE, 2, 1 + 4 * ROWS)) == ["decision_twice"]


def test_an_answer_is_taken_back_once_by_who_gave_it() -> None:
    """Whether it comes with the decision or later; of a decision that nobody remembers it cannot be told."""
    validator, after = CrossReferenceValidator(), 1 + ROWS
    assert kinds(validator, frame(STATE), taken_back(STATE, 1, after)) == []
    assert kinds(validator, taken_back(STATE, 1, after)) == []
    assert kinds(validator, taken_back(STATE, 1, after + 1)) == ["withheld_twice"]
    assert kinds(CrossReferenceValidator(), taken_back(STATE, 1, after)) == []
    both = taken_back(STATE, 1, after), taken_back(STATE, 1, after + 1)
    assert kinds(CrossReferenceValidator(), frame(STATE), *both) == ["withheld_twice"]
    validator = CrossReferenceValidator()
    assert kinds(validator, frame(STATE), taken_back(STATE, 1, 1, OTHER)) == ["withheld_by_another"]


class Caches:
    """A cache that was given some decisions' answers."""

    def __init__(self, *given_ones: str) -> None:
        self._given = given_ones

    def gave(self, decision_id: str, answer_sha256: str) -> bool:
        """Tell whether it has that."""
        return bool(answer_sha256) and decision_id in self._given


def test_an_answer_of_a_cache_names_who_gave_it() -> None:
    """While there is no cache no answer is from one."""

    def cached(record: DecisionRecord) -> DecisionRecord:
        return replace(record, cache=CacheRef("source"))

    rows = frame(STATE, change=cached)
    assert kinds(CrossReferenceValidator(), rows) == ["answer_of_no_cache"]
    assert kinds(CrossReferenceValidator(Caches("another")), rows) == ["answer_of_no_cache"]
    assert kinds(CrossReferenceValidator(Caches("source")), rows) == []


def test_rows_of_no_decision_are_left_to_others() -> None:
    """A breaker that moved, a client's word, rows of other services."""
    (root, *_) = frame(STATE).spans
    plain = replace(root, record=b"", decision_id="", outcome="")
    breaker = replace(plain, name=names.BREAKER, voter="a")
    word = replace(plain, name=names.FEEDBACK, decision_id=root.decision_id)
    assert kinds(CrossReferenceValidator(), Rows(WRITER, 1, 1, [breaker, word, replace(plain, name="GET /")])) == []


def test_a_word_of_a_client_is_no_ballot() -> None:
    """A row that says it is one, and names a voter, would teach."""
    (root, *_) = frame(STATE).spans
    word = replace(root, name=names.FEEDBACK, record=b"", voter="a", outcome="agreed")
    assert kinds(CrossReferenceValidator(), Rows(WRITER, 1, 1, [word])) == ["row_without_decision"]


class Counted:
    """What a gateway counts of what it writes."""

    def __init__(self) -> None:
        self._counts = WriterCounts()

    def wrote(self, *rows: Rows) -> None:
        """Count frames."""
        for part in rows:
            self._counts.built(part.first_seq, part.spans)

    def says(self, seq: int) -> Rows:
        """Return the row that tells what was counted."""
        span = counters_span(self._counts.before(seq), bytes(16), seq.to_bytes(8, "big"), NOW_NS)
        self._counts.built(seq, [span])
        return Rows(WRITER, seq, 1, [span])


def written(decisions: int, every: int) -> list[Rows]:
    """Return what a gateway writes that counts after every so many decisions."""
    counts, rows, seq = Counted(), list[Rows](), 1
    for number in range(decisions):
        rows.append(frame(STATE, number, seq))
        counts.wrote(rows[-1])
        seq += ROWS
        if number % every == every - 1:
            rows.append(counts.says(seq))
            seq += 1
    return rows


def numbered_anew(rows: Sequence[Rows]) -> list[Rows]:
    """Return rows numbered as if nothing had been between them; who counted still says what was counted."""
    made, seq = list[Rows](), 1
    for part in rows:
        made.append(Rows(part.writer_id, seq, part.schema_version, part.spans))
        seq += len(part.spans)
    return made


@given(st.integers(1, 12), st.integers(1, 4), st.lists(st.integers(0, 40), max_size=4))
def test_counts_are_right_however_rows_are_cut_into_batches(decisions: int, every: int, cuts: list[int]) -> None:
    """And from whatever row on somebody looks."""
    rows, validator = written(decisions, every), CrossReferenceValidator()
    for first, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(rows)], strict=True):
        assert kinds(validator, *rows[first:end]) == []
    for since in cuts:
        assert kinds(CrossReferenceValidator(), *rows[since:]) == []


def test_a_decision_that_was_taken_out_is_missed() -> None:
    """Though what is left was numbered as if it had never been."""
    rows = written(4, 2)
    assert kinds(CrossReferenceValidator(), *numbered_anew([*rows[:1], *rows[2:]])) == ["counters_differ"]


def test_a_decision_that_was_put_in_is_one_too_many() -> None:
    """Though it is whole, signed and comes once."""
    rows = written(4, 4)
    more = [*rows[:2], frame(STATE, 99, 1), *rows[2:]]
    assert kinds(CrossReferenceValidator(), *numbered_anew(more)) == ["counters_differ"]


def test_rows_that_are_lost_on_the_way_are_missed() -> None:
    """Their numbers are, too, and the sequence tells; after that counts are right again."""
    rows = written(6, 2)
    validator = CrossReferenceValidator()
    assert kinds(validator, *rows[:1], *rows[2:6]) == ["counters_differ"]
    assert kinds(validator, *rows[6:]) == []


def test_rows_that_were_swapped_for_others_are_missed() -> None:
    """As many rows, but not as many decisions."""
    (breaker,) = [replace(frame(STATE).spans[0], name=names.BREAKER, record=b"", decision_id="", voter="a")]
    rows = written(2, 2)
    others = Rows(WRITER, rows[1].first_seq, 1, [breaker] * ROWS)
    assert kinds(CrossReferenceValidator(), rows[0], others, rows[2]) == ["counters_differ"]


def test_counts_that_cannot_be_read_are_said_to_be_none() -> None:
    """A row of that name says what was counted."""
    rows = written(1, 1)
    (span,) = rows[1].spans
    broken = Rows(WRITER, rows[1].first_seq, 1, [replace(span, attributes={})])
    assert kinds(CrossReferenceValidator(), rows[0], broken) == ["counters_unreadable"]


def test_canaries_are_not_counted() -> None:
    """Their numbers are beyond every writer's, and they crowd no writer out."""
    span: Span = frame(STATE).spans[0]
    validator, rows = CrossReferenceValidator(), written(2, 2)
    assert kinds(validator, rows[0]) == []
    for number in range(3, 1300):
        canary = Rows(writer_id(number), MAX_SEQ - 10, 1, [replace(span, record=b"", decision_id="", voter="")])
        assert validator.check(arrivals(canary)) == []
    taken_out = numbered_anew([rows[0], rows[2]])
    assert kinds(validator, *taken_out) == ["counters_differ"]


def begun_again(*rows: Rows, reached: int = 0) -> CrossReferenceValidator:
    """Return one that was told, when it began, what the table holds."""
    validator = CrossReferenceValidator()
    last = max(part.first_seq + len(part.spans) - 1 for part in rows)
    validator.recall(arrivals(*rows), {WRITER: reached or last})
    return validator


def test_a_restart_forgets_no_decision() -> None:
    """What was accepted before comes as little again as what was accepted since."""
    assert kinds(begun_again(frame(STATE)), frame(STATE, 1, 1 + ROWS)) == ["decision_twice"]
    assert kinds(begun_again(frame(STATE)), frame(STATE, 2, 1 + ROWS)) == []
    assert kinds(begun_again(frame(STATE), taken_back(STATE, 1, 1 + ROWS)), taken_back(STATE, 1, 2 + ROWS)) == [
        "withheld_twice"
    ]


def test_a_restart_goes_on_counting() -> None:
    """Wherever it comes, and from whatever row on the table still knows: right counts are right, others are not."""
    rows = written(6, 3)
    for end in range(1, len(rows)):
        for first in range(end):
            assert kinds(begun_again(*rows[first:end]), *rows[end:]) == []
    (breaker,) = [replace(frame(STATE).spans[0], name=names.BREAKER, record=b"", decision_id="", voter="a")]
    others = Rows(WRITER, rows[1].first_seq, 1, [breaker] * ROWS)
    assert kinds(begun_again(rows[0]), others, *rows[2:4]) == ["counters_differ"]


def test_rows_that_were_set_aside_before_a_restart_make_no_count_wrong() -> None:
    """The table does not have them: nobody can say what came, until the writer's next word."""
    rows = written(6, 3)
    assert kinds(begun_again(rows[0], reached=2 * ROWS), *rows[2:]) == []
    assert kinds(begun_again(rows[0], rows[2]), *rows[3:]) == []
