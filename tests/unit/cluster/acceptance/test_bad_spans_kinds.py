"""Instances of bad spans are bad in the way they say, and only in that."""

from random import Random

import pytest

from actors.spans.checkers.cross_reference import CrossReferenceValidator
from actors.spans.checkers.finding import Arrivals
from actors.spans.columns import Rows
from cluster.acceptance.bad_spans_kinds import KINDS, Forger, Source
from tests.unit.actors.spans.checkers.decisions import CERTIFICATE, WRITER, agreed, frame
from tests.unit.actors.spans.signed import WRITER_KEY
from tests.unit.actors.spans.telemetry import NOW_S

FORGER = Forger(WRITER, WRITER_KEY, CERTIFICATE)
STATE = agreed()
DECISIONS = [frame(STATE, number).spans for number in range(1, 5)]


def source() -> Source:
    """Return four decisions, and the same draws each time."""
    return Source(FORGER, 1, DECISIONS, Random(1))


def test_what_is_not_changed_is_in_order() -> None:
    """Signed by the forger, a decision is as good as its own writer's."""
    rows = Rows(WRITER, 1, 1, FORGER.frame(DECISIONS[0], 1))
    assert CrossReferenceValidator().check(Arrivals([rows], NOW_S)) == []


@pytest.mark.parametrize("name", KINDS)
def test_an_instance_is_frames_of_one_writer_in_sequence_and_names_bad_rows_of_its_own(name: str) -> None:
    """Whatever is done, rows are numbered as a log numbers them."""
    made = KINDS[name](source())
    at = 1
    for rows in made.frames:
        assert (rows.writer_id, rows.first_seq) == (WRITER, at)
        at += len(rows.spans)
    assert made.bad
    assert made.bad <= set(range(1, at))


@pytest.mark.parametrize("name", KINDS)
def test_an_instance_is_not_what_it_was_made_from(name: str) -> None:
    """A kind that changes nothing would be caught by nobody."""
    (rows, *_) = made = KINDS[name](source()).frames
    assert len(made) > 1 or list(rows.spans) != FORGER.frame(DECISIONS[0], 1)


def test_there_are_as_many_kinds_as_are_wanted() -> None:
    """Twenty at least."""
    assert len(KINDS) >= 20
