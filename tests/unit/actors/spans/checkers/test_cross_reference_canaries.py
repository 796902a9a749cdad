"""Canaries of the CrossReferenceValidator."""

from actors.spans.checkers.canaries import Given
from actors.spans.checkers.cross_reference import CrossReferenceValidator
from actors.spans.checkers.cross_reference_canaries import cross_reference_canaries
from actors.spans.checkers.finding import Arrivals
from actors.spans.checkers.temporal import Bounds
from tests.unit.actors.spans.telemetry import NOW_S

GIVEN = Given(NOW_S, Bounds(300, 3600, 86_400), None)


def test_each_is_found_as_what_it_is_and_again_as_often_as_it_comes() -> None:
    """One round does not make the next one look otherwise."""
    validator, made = CrossReferenceValidator(), cross_reference_canaries(GIVEN)
    for _ in range(3):
        found = validator.check(Arrivals([canary.rows for canary in made], NOW_S))
        said = {(one.writer_id, one.seq, one.kind) for one in found}
        assert [canary.kind for canary in made if (*canary.place, canary.kind) not in said] == []
    assert len({canary.place for canary in made}) == len(made)
