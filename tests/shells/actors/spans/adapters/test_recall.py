"""A restart makes no checker forget: what it knew of the table's newest rows it is told again."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actors.spans import conventions as names
from actors.spans.adapters.recall import Recalled, recalled
from actors.spans.adapters.stores import SpanStores
from actors.spans.columns import Rows
from actors.spans.config import SpansConfig
from actors.spans.counters import WriterCounts, counters_span
from actors.spans.frames import FrameKind, encode_spans
from tests.unit.actors.spans.checkers.decisions import NOW_NS, WRITER, agreed, frame
from tests.unit.actors.spans.telemetry import NOW_S, SMALL, Home, SegmentBytes, at, span, writer_id

ROOT = Path(__file__).parents[5]
STATE = agreed()
ROWS = len(frame(STATE).spans)
FIRST_HALF = """
import os, signal, sys
from pathlib import Path
from tests.shells.actors.spans.adapters.test_recall import first_half
from tests.unit.actors.spans.telemetry import Home, at

home = Home(Path(sys.argv[1]))
home.more = None
first_half().save(home.wal)
home.actor().tick(at(1), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def segment(number: int, *frames: Rows) -> SegmentBytes:
    """Return a closed segment of these frames."""
    made = SegmentBytes(number, WRITER)
    for part in frames:
        made.raw(part.first_seq, len(part.spans), encode_spans(list(part.spans)))
    return made.end(FrameKind.CLOSED, frames[-1].first_seq + len(frames[-1].spans))


def first_half() -> SegmentBytes:
    """Return what came before the kill."""
    return segment(1, frame(STATE, 1), frame(STATE, 2, 1 + ROWS))


@pytest.fixture
def killed(home: Home) -> Home:
    """Return a home whose actor took the first half in, and was killed."""
    done = subprocess.run(  # noqa: S603 - this interpreter and a program written above
        [sys.executable, "-c", FIRST_HALF, str(home.path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    home.more, home.started = None, 50
    return home


def taken_in(home: Home, *frames: Rows, **config: int) -> tuple[list[int], list[str]]:
    """Start the actor and have more frames taken in; return the numbers of all rows in the table, and what was found."""
    segment(2, *frames).save(home.wal)
    actor = home.actor(SpansConfig(**SMALL.model_dump() | config))
    actor.tick(at(2), flush=True)
    actor.close()
    return home.rows(), [entry[names.ROW_REASON] for entry in home.entries(names.ROW_QUARANTINED)]


def test_a_decision_that_was_accepted_before_a_kill_is_not_accepted_again(killed: Home) -> None:
    """Its writer signed it a second time, under numbers that follow: only who remembers can tell."""
    rows, why = taken_in(killed, frame(STATE, 2, 1 + 2 * ROWS))
    assert rows == list(range(1, 1 + 2 * ROWS))
    assert len(why) == ROWS
    assert all("decision_twice" in each and "copied_span" in each for each in why)


def test_who_is_told_nothing_takes_it_for_a_new_one(killed: Home) -> None:
    """So it is what was told that counts."""
    assert taken_in(killed, frame(STATE, 2, 1 + 2 * ROWS), recalled_rows=0) == (list(range(1, 1 + 3 * ROWS)), [])


def test_what_goes_on_after_a_kill_is_as_good_as_before(killed: Home) -> None:
    """New decisions, and the writer's word on all that it wrote."""
    counts, third = WriterCounts(), frame(STATE, 3, 1 + 2 * ROWS)
    for part in (frame(STATE, 1), frame(STATE, 2, 1 + ROWS), third):
        counts.built(part.first_seq, part.spans)
    word = counters_span(counts.before(1 + 3 * ROWS), bytes(16), b"counters", NOW_NS)
    assert taken_in(killed, third, Rows(WRITER, 1 + 3 * ROWS, 1, [word])) == (list(range(1, 2 + 3 * ROWS)), [])


def test_only_so_many_rows_are_recalled_and_the_newest(home: Home) -> None:
    """Whole batches; a single one however large."""
    actor, log = home.actor(), SegmentBytes()
    for number in range(4):
        log.batch((1 + 3 * number, 3)).save(home.wal)
        actor.tick(at(number), flush=True)
    actor.close()
    table = SpanStores(home.path, 10)

    def seqs(most: int) -> list[int]:
        return [part.first_seq for part in recalled(table, most).accepted()]

    assert (seqs(0), seqs(1), seqs(6), seqs(8), seqs(100)) == ([], [10], [7, 10], [7, 10], [1, 4, 7, 10])
    assert recalled(SpanStores(home.path / "none", 10), 100) == Recalled()


def test_what_taught_nobody_is_not_recalled(home: Home) -> None:
    """Neither the actor's own rows nor those that are quarantined where they lie."""
    blind = SpansConfig(**SMALL.model_dump() | {"unchecked_wait_s": 0.0})

    class Raises:
        name = "Raises"

        def check(self, _: object) -> list[object]:
            raise ValueError("no")

        def learn(self, _: object) -> None:
            return

    SegmentBytes().batch((1, 2)).end(FrameKind.CLOSED, 3).save(home.wal)
    home.more = [Raises()]  # type: ignore[list-item]
    actor = home.actor(blind)
    actor.tick(at(), flush=True)
    actor.close()
    home.more = ()
    other = SegmentBytes(1, writer_id(2)).raw(1, 1, encode_spans([span(9)])).end(FrameKind.CLOSED, 2)
    other.save(home.wal)
    actor = home.actor()
    actor.tick(at(1), flush=True)
    actor.close()
    assert [(part.writer_id, part.first_seq) for part in recalled(SpanStores(home.path, 10), 100).accepted()] == [
        (writer_id(2), 1)
    ]


BADLY_WORDED: list[tuple[str, dict[str, str]]] = [
    (names.WAL_DAMAGED, {names.WAL_LOST_ROWS: "x"}),
    (names.WAL_DAMAGED, {names.WAL_LOST_ROWS: "9" * 400}),
    (names.ROW_QUARANTINED, {names.ROW_WRITER: WRITER, names.ROW_PLACE: "table"}),
    (names.ROW_QUARANTINED, {names.ROW_WRITER: WRITER, names.ROW_FIRST: "one", names.ROW_LAST: "2"}),
    (names.ROW_RELEASED, {names.ROW_WRITER: WRITER, names.ROW_FIRST: "1", names.ROW_LAST: "9" * 400}),
]


@pytest.mark.parametrize(("name", "said"), BADLY_WORDED)
def test_an_entry_that_is_badly_worded_keeps_no_actor_from_beginning(
    home: Home, name: str, said: dict[str, str]
) -> None:
    """It says nothing to whoever remembers: the other rows are recalled, and new ones come in."""
    home.table().append(
        [
            Rows(writer_id(2), 1, names.SPAN_SCHEMA_VERSION, [span(9)]),
            Rows(writer_id(900), 1, names.SPAN_SCHEMA_VERSION, [span(1, name=name, attributes=said)]),
        ],
        {writer_id(2): 1, writer_id(900): 1},
        int(NOW_S * 1000),
    )
    assert [part.writer_id for part in recalled(SpanStores(home.path, 10), 100).accepted()] == [writer_id(2)]
    SegmentBytes().batch((1, 2)).end(FrameKind.CLOSED, 3).save(home.wal)
    actor = home.actor()
    for second in range(2):
        actor.tick(at(second), flush=True)
    actor.close()
    assert home.rows() == [1, 2]
    assert "integrity_checker_failure" not in home.incidents.kinds


def test_a_table_that_cannot_be_read_is_an_incident_and_rows_come_in(home: Home) -> None:
    """What nobody remembers then was accepted long ago; what comes now is checked by all that needs no memory."""
    actor = home.actor()
    SegmentBytes().batch((1, 2)).save(home.wal)
    actor.tick(at(), flush=True)
    actor.close()
    (file,) = (home.path / "spans").glob("date=*/*.parquet")
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    SegmentBytes().batch((1, 2), (3, 1)).save(home.wal)
    actor = home.actor()
    actor.tick(at(1), flush=True)
    assert ("integrity_checker_failure", "recall") in [
        (kind, said.get("checker")) for kind, said in home.incidents.opened
    ]
    actor.close()
    file.write_bytes(whole)
    assert home.rows() == [1, 2, 3]
