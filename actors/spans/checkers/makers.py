"""Who makes whose canaries: one that is not here is blind."""

from collections.abc import Mapping

from actors.spans.checkers import canaries, cross_reference, statistical
from actors.spans.checkers.canaries import Canary, Given, Maker, good_canaries
from actors.spans.checkers.cross_reference_canaries import cross_reference_canaries
from actors.spans.checkers.statistical_canaries import statistical_canaries

MAKERS: Mapping[str, Maker] = {
    **canaries.MAKERS,
    statistical.NAME: statistical_canaries,
    cross_reference.NAME: cross_reference_canaries,
}
"""Name of a checker → what makes its canaries."""


def all_canaries(given: Given) -> list[Canary]:
    """Return the canaries of all checkers, and the good ones."""
    return [*good_canaries(given), *(canary for make in MAKERS.values() for canary in make(given))]
